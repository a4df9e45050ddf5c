"""The admin path: log, switches, models of a test's own, reset; and that the pages tell of it."""

import asyncio
import json
import re
from typing import get_args

import msgspec
import pytest

import demo.tenant
from demo.tenant.faults import CATEGORIES, Kind, Rule
from demo.tenant.oauth import SECRET, TokenBook
from demo.tenant.samples import PLAN
from demo.tenant.settings import Settings
from tests.demo.tenant.conftest import FACTS, SCHEME, SERVICE, Caller

OWN = {
    "id": "COWN",
    "name": "Own",
    "description": "Mine",
    "dimensions": [
        {"name": "Version", "role": "version", "members": ["public.Actual"]},
        {"name": "Date", "role": "date"},
        {
            "name": "Account",
            "role": "account",
            "hierarchy": "H",
            "members": [
                {"id": "TOP", "description": "All"},
                {"id": "A1", "description": "One", "parent": "TOP", "accType": "INC"},
            ],
        },
    ],
    "measures": ["SignedData"],
    "rows": [
        ["public.Actual", "202401", "A1", 1.5],
        ["public.Actual", "202401", "A1", "-0.12345678901234567890"],
        ["public.Actual", "202402", "A1", None],
        ["public.Actual", "202403", "A1", "n/a"],
    ],
}


async def test_the_log_shows_requests_as_they_came(caller: Caller) -> None:
    """Path and query are undecoded, in order, with status and standing of the bearer."""
    query = "$filter=Region%20eq%20'%23'&pagesize=1"
    await caller.get(f"{FACTS}?{query}")
    entry = (await caller.log())["requests"][-1]
    assert (entry["method"], entry["raw_path"], entry["raw_query"]) == ("GET", FACTS, query)
    assert (entry["n"], entry["status"], entry["bearer"]) == (2, 200, "valid")
    assert entry["started"] < entry["finished"]


async def test_the_log_holds_no_secret(caller: Caller) -> None:
    """Of an authorization only its scheme is shown."""
    await caller.get(FACTS, cookie="session=abc")
    log = await caller.http.get("/_admin/log")
    first, second = log.json()["requests"]
    assert (first["headers"]["authorization"], first["has_authorization"]) == ("Basic", True)
    assert second["headers"]["authorization"] == SCHEME
    token = caller.http.headers["authorization"].split()[1]
    assert not any(text in log.text for text in (SECRET, token, "session=abc"))


async def test_calls_are_counted_by_kind_and_path(caller: Caller) -> None:
    """Tokens, pages, counts, metadata and the catalogue each have their number."""
    base = f"{SERVICE}/{PLAN}"
    for url in (FACTS, FACTS, f"{FACTS}?$count=true&$top=0", f"{base}/$metadata", f"{base}/"):
        await caller.get(url)
    counts = (await caller.log())["counts"]
    assert (counts["requests"], counts["token_calls"], counts["page_calls"]) == (6, 1, 2)
    assert (counts["count_calls"], counts["metadata_calls"]) == (1, 1)
    assert counts["by_path"][FACTS] == 3
    assert counts["foreign_bearer"] is False


async def test_a_bearer_of_another_origin_is_noticed(caller: Caller) -> None:
    """Scribble and the token of another tenant are what a client leaks that follows links."""
    theirs, _ = TokenBook().issue(60)
    for token in ("a.b.c", theirs):
        assert (await caller.get(FACTS, authorization=f"{SCHEME} {token}")).status_code == 401
    counts = (await caller.log())["counts"]
    assert counts["foreign_bearer"] is True
    assert counts["by_bearer"]["foreign"] == 2


async def test_parallel_requests_are_noticed(caller: Caller) -> None:
    """The most that were in flight at once, whatever the order of their ends."""
    await asyncio.gather(*(caller.get(FACTS) for _ in range(3)))
    assert (await caller.log())["counts"]["max_parallel"] == 3


async def test_switches_are_merged_and_checked(caller: Caller) -> None:
    """Unknown switches and values that do not fit are a 400 and change nothing."""
    answer = await caller.admin("settings", {"link": "root", "page_cap": 5})
    assert (answer.json()["link"], answer.json()["page_cap"]) == ("root", 5)
    wrong: list[object] = [{"nonsense": 1}, {"link": "sideways"}, {"page_cap": 0}]
    for change in [*wrong, {"expires_in": "1"}, []]:
        assert (await caller.admin("settings", change)).status_code == 400
    shown = (await caller.http.get("/_admin/settings")).json()
    assert shown == msgspec.to_builtins(Settings(link="root", page_cap=5))


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "nonsense"},
        {"match": "page"},
        {"kind": "slow", "nonsense": 1},
        {"kind": "slow", "match": "re:("},
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(
    caller: Caller, rule: dict[str, object]
) -> None:
    """Unknown kinds and arguments and broken expressions are a 400."""
    assert (await caller.admin("faults", [rule])).status_code == 400


async def test_a_model_of_a_test_is_served_like_any_other(caller: Caller) -> None:
    """Rows, metadata, masters and sums; numbers keep their text, other text is a string."""
    assert (await caller.admin("models", OWN)).json() == {"id": "COWN", "rows": 4}
    answer = await caller.get(f"{SERVICE}/COWN/FactData")
    assert '"SignedData":-0.12345678901234567890}' in answer.text
    assert [row["SignedData"] for row in answer.json()["value"]][2:] == [None, "n/a"]
    members = (await caller.page(f"{SERVICE}/COWN/AccountMasterWithHierarchy"))["value"]
    assert [(row["ID"], row["accType"], row["H_PARENTID"]) for row in members] == [
        ("TOP", "", None),
        ("A1", "INC", "TOP"),
    ]
    caller.switch(numbers_as_strings=True)
    url = f"{SERVICE}/COWN/FactDataAggregation?$select=Date,SignedData&$orderby=Date"
    sums = (await caller.page(url))["value"]
    assert [row["SignedData"] for row in sums] == ["1.3765432109876543211", None, "n/a"]


TYPED = {
    "id": "CTYPED",
    "dimensions": [
        {
            "name": "Period",
            "role": "date",
            "label": "Fiscal <period>",
            "attributes": ["START_DATE", "QUARTER"],
            "members": [{"id": "P1", "START_DATE": "2024-01-01"}, {"id": "P2", "QUARTER": None}],
        }
    ],
    "measures": [
        "Plain",
        {"name": "Exact", "precision": 20, "scale": "variable", "label": "To the cent"},
        {"name": "Rough", "type": "Edm.Double"},
        {"name": "Count", "type": "Edm.Int64"},
    ],
    "rows": [["P1", 1.50, 2, 0.25, 7]],
}


async def test_a_model_says_how_its_measures_are_typed_and_called(caller: Caller) -> None:
    """Types, facets and labels are in both forms of the metadata; numbers keep their text."""
    assert (await caller.admin("models", TYPED)).status_code == 200
    base = f"{SERVICE}/CTYPED"
    xml = (await caller.get(f"{base}/$metadata")).text
    for part in (
        'Name="Plain" Type="Edm.Decimal" Precision="31" Scale="7"',
        'Name="Exact" Type="Edm.Decimal" Precision="20" Scale="variable"',
        'Name="Rough" Type="Edm.Double" Nullable',
        '<Annotation Term="Common.Label" String="To the cent"/>',
        '"Common.Label"><String>Fiscal &lt;period&gt;</String>',
        "<String>INT64</String>",
    ):
        assert part in xml
    facts = (await caller.page(f"{base}/$metadata?$format=json"))["sac"]["FactData"]
    assert facts["Exact"] == {
        "$Type": "Edm.Decimal",
        "$Precision": 20,
        "$Scale": "variable",
        "$Nullable": True,
        "@Common.Label": "To the cent",
    }
    assert facts["Rough"].keys() == {"$Type", "$Nullable", "@Common.Label"}
    assert (
        '"Plain":1.5,"Exact":2,"Rough":0.25,"Count":7'
        in (await caller.get(f"{base}/FactData")).text
    )


async def test_a_model_says_which_columns_a_master_has(caller: Caller) -> None:
    """Each attribute is a column; what a member lacks is empty, what is null is null."""
    await caller.admin("models", TYPED)
    rows = (await caller.page(f"{SERVICE}/CTYPED/PeriodMaster"))["value"]
    assert rows == [
        {"DATE": "P1", "Description": "", "START_DATE": "2024-01-01", "QUARTER": ""},
        {"DATE": "P2", "Description": "", "START_DATE": "", "QUARTER": None},
    ]


async def test_a_model_that_does_not_fit_is_refused(caller: Caller) -> None:
    """Rows of the wrong length and unknown fields are a 400."""
    refused: list[object] = [{**OWN, "rows": [["x"]]}, {**OWN, "colour": "red"}, {"id": "X"}, []]
    for wrong in refused:
        assert (await caller.admin("models", wrong)).status_code == 400
    assert (await caller.http.post("/_admin/models", content=b"{")).status_code == 400


async def test_a_model_can_stand_in_for_a_built_in_one_until_the_reset(caller: Caller) -> None:
    """A test may shrink a model; the next test finds it whole."""
    await caller.admin("models", {**OWN, "id": PLAN})
    assert len((await caller.page(FACTS))["value"]) == 4
    await caller.admin("reset", None)
    await caller.sign_in()
    assert len((await caller.page(FACTS))["value"]) == 1000


async def test_the_oracle_gives_raw_rows_as_text(caller: Caller) -> None:
    """All rows, or those of a filter; an unknown model is a 404, a bad filter a 400."""
    await caller.admin("models", OWN)
    body = (
        await caller.http.get("/_admin/rows/COWN", params={"filter": "Date ge '202402'"})
    ).json()
    assert body == {
        "columns": ["Version", "Date", "Account", "SignedData"],
        "rows": [
            ["public.Actual", "202402", "A1", None],
            ["public.Actual", "202403", "A1", "n/a"],
        ],
    }
    assert (await caller.http.get("/_admin/rows/NONE")).status_code == 404
    assert (await caller.http.get("/_admin/rows/COWN?filter=x")).status_code == 400


async def test_a_reset_forgets_everything(caller: Caller) -> None:
    """Log, faults, switches, own models and tokens are gone."""
    await caller.admin("models", OWN)
    await caller.fault("hang", times=None)
    caller.switch(link="none")
    await caller.admin("reset", None)
    assert (await caller.get(FACTS)).status_code == 401
    assert (await caller.log())["counts"]["requests"] == 1
    assert (await caller.http.get("/_admin/faults")).json() == []
    assert (await caller.http.get("/_admin/settings")).json()["link"] == "absolute"
    await caller.sign_in()
    assert (await caller.get(f"{SERVICE}/COWN/FactData")).status_code == 404


async def test_an_unknown_admin_call_is_a_404(caller: Caller) -> None:
    """So is a known path under another method."""
    assert (await caller.admin("nonsense", None)).status_code == 404
    assert (await caller.http.get("/_admin/reset")).status_code == 404


def test_the_package_describes_every_switch_kind_and_category() -> None:
    """The page that the documentation leads to names all there is, with the defaults."""
    text = demo.tenant.__doc__ or ""
    switches = text[text.index("Switches (") : text.index("Faults are")]
    described = dict(re.findall(r"^    (\w+) +(\w+)[; |]", switches, re.MULTILINE))
    for name, default in msgspec.to_builtins(Settings()).items():
        plain = json.dumps(default).strip('"').removesuffix(".0")
        assert described.get(name) == plain, name
    for kind in get_args(Kind):
        assert re.search(rf"^    {kind}  ", text, re.MULTILINE), kind
    for category in CATEGORIES:
        assert re.search(rf"\b{category}\b", text), category
    for argument in msgspec.structs.fields(Rule):
        assert argument.name == "calls" or re.search(rf"\b{argument.name}\b", text), argument.name
