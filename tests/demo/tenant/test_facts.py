"""Fact rows and pages: envelope, links, windows, counts, numbers."""

import json
from decimal import Decimal
from typing import Any

import pytest

from demo.tenant.samples import ACCOUNTS, BUDGET, PLAN
from tests.demo.tenant.conftest import DAYS, FACTS, HOST, LEDGER, PLAN_KEYS, SERVICE, Caller

ORDERED = f"{FACTS}?$orderby={PLAN_KEYS}"
TRUTH = "/_admin/rows"
# What the fixed seed makes; it changes only when the sample rows are changed on purpose.
LEAST_BOOKING = -8983.99


async def truth(caller: Caller, model: str, where: str = "") -> list[dict[str, str | None]]:
    """Return the raw rows of a model."""
    params = {"filter": where} if where else {}
    body = (await caller.http.get(f"{TRUTH}/{model}", params=params)).json()
    return [dict(zip(body["columns"], row, strict=True)) for row in body["rows"]]


async def own_model(caller: Caller, *amounts: object) -> str:
    """Add a model with these amounts; return the address of its facts."""
    rows = [[f"2024{place + 1:02d}", amount] for place, amount in enumerate(amounts)]
    answer = await caller.admin(
        "models",
        {"id": "OWN", "dimensions": [{"name": "Date"}], "measures": ["M"], "rows": rows},
    )
    assert answer.status_code == 200, answer.text
    return f"{SERVICE}/OWN/FactData"


async def test_a_page_has_context_rows_diagnostics_and_a_link(caller: Caller) -> None:
    """The envelope is that of the service, and the default page has 1,000 rows."""
    body = await caller.page(FACTS)
    assert list(body) == [
        "@odata.context",
        "value",
        "@des.entitiesInPage",
        "@des.processingTimeInMilliseconds",
        "@odata.nextLink",
    ]
    assert body["@odata.context"] == "$metadata#FactData"
    assert len(body["value"]) == body["@des.entitiesInPage"] == 1000
    assert list(body["value"][0]) == [*PLAN_KEYS.split(","), "Revenue", "Headcount"]


@pytest.mark.parametrize("query", ["", "?pagesize=700", f"?$orderby={PLAN_KEYS}&pagesize=999"])
async def test_following_the_links_yields_every_row_once(caller: Caller, query: str) -> None:
    """All rows of the model come, as often as they are stored."""
    rows = await caller.pull(f"{FACTS}{query}")
    stored = await truth(caller, PLAN)
    shown = [{k: None if v is None else str(v) for k, v in row.items()} for row in rows]
    keys = PLAN_KEYS.split(",")
    assert sorted(tuple(r[k] or "" for k in keys) for r in shown) == sorted(
        tuple(r[k] or "" for k in keys) for r in stored
    )


async def test_raw_records_share_keys_and_hold_what_a_reader_must_bear(caller: Caller) -> None:
    """Doubled keys, nulls, `#`, `0000`, hard characters, missing months, public versions."""
    rows = await caller.pull(f"{FACTS}?pagesize=5000")
    keys = [tuple(row[name] for name in PLAN_KEYS.split(",")) for row in rows]
    members = "".join({row["Region"] for row in rows} | {row["Product"] for row in rows})
    assert len(set(keys)) < len(keys)
    assert any(row["Revenue"] is None for row in rows)
    assert {row["Version"] for row in rows} == {"public.Actual", "public.Plan", BUDGET}
    assert {"#", "0000", "202311", "202610"} <= {row["Date"] for row in rows}
    assert "#" in {row["Region"] for row in rows}
    assert all(mark in members for mark in "'%+&/ üÄ🚀")
    booked = {row["Date"] for row in rows if (row["Region"], row["Product"]) == ("APJ", "P2")}
    assert "202403" in booked
    assert "202404" not in booked


async def test_the_ledger_stores_signs(caller: Caller) -> None:
    """Income and liabilities are stored negative, expenses and assets positive."""
    rows = await caller.pull(f"{LEDGER}?pagesize=5000")
    signs: dict[str, set[bool]] = {}
    for row in rows:
        if row["SignedData"] is not None:
            signs.setdefault(row["Account"], set()).add(row["SignedData"] > 0)
    assert signs["REVENUE"] == signs["OTHER_INCOME"] == signs["DEBT"] == {False}
    assert signs["PAYROLL"] == signs["CASH"] == {True}


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ("absolute", f"{HOST}{FACTS}?$skiptoken="),
        ("root", f"{FACTS}?$skiptoken="),
        ("service", "FactData?$skiptoken="),
    ],
)
async def test_the_link_has_the_shape_that_was_asked_for(
    caller: Caller, shape: str, start: str
) -> None:
    """Absolute, root-relative or relative to the service; each leads to the next rows."""
    caller.switch(link=shape)
    link = (await caller.page(f"{ORDERED}&pagesize=3"))["@odata.nextLink"]
    assert link.startswith(start)
    second = await caller.page(str(caller.http.base_url.join(FACTS).join(link)))
    wanted = await caller.page(f"{ORDERED}&pagesize=6")
    assert second["value"] == wanted["value"][3:]


async def test_a_hard_cap_cuts_without_a_word(caller: Caller) -> None:
    """By switch no link is ever sent, and a page ends at the cap whatever was asked for."""
    caller.switch(link="none", page_cap=50)
    for query in ("", "?pagesize=100", "?$top=80", "?pagesize=100&$top=80"):
        body = await caller.page(f"{FACTS}{query}")
        assert len(body["value"]) == 50
        assert "@odata.nextLink" not in body


@pytest.mark.parametrize("option", ["$top=2500", "$skip=10", "package=2&pagesize=10"])
async def test_top_and_skip_switch_server_paging_off(caller: Caller, option: str) -> None:
    """No link follows them, unless the switch says otherwise."""
    body = await caller.page(f"{ORDERED}&{option}")
    assert "@odata.nextLink" not in body
    caller.switch(top_disables_link=False, page_cap=1000)
    body = await caller.page(f"{ORDERED}&{option}")
    assert "@odata.nextLink" in body


async def test_top_ends_a_linked_pull_at_its_number(caller: Caller) -> None:
    """With links allowed, `$top` bounds the whole pull and not each page."""
    caller.switch(top_disables_link=False)
    rows = await caller.pull(f"{ORDERED}&$top=25&$skip=5&pagesize=10")
    wanted = await caller.page(f"{ORDERED}&pagesize=30")
    assert rows == wanted["value"][5:]


async def test_a_page_above_the_cap_is_cut(caller: Caller) -> None:
    """A link tells so, or by switch nothing does."""
    caller.switch(page_cap=20)
    body = await caller.page(f"{FACTS}?pagesize=30")
    assert len(body["value"]) == 20
    assert "@odata.nextLink" in body
    caller.switch(oversize_disables_link=True)
    assert "@odata.nextLink" not in await caller.page(f"{FACTS}?pagesize=30")
    assert "@odata.nextLink" in await caller.page(f"{FACTS}?pagesize=20")


async def test_skip_without_an_order_is_another_order_each_time(caller: Caller) -> None:
    """Rows are lost and doubled between such pages; with an order they are not."""
    url = f"{DAYS}?$skip=0&pagesize=200"
    assert (await caller.page(url))["value"] != (await caller.page(url))["value"]
    ordered = f"{ORDERED},Revenue,Headcount&pagesize=200"
    plain = (await caller.page(f"{ordered}"))["value"]
    assert (await caller.page(f"{ordered}&$skip=100"))["value"][:100] == plain[100:]
    caller.switch(shuffle_skip=False)
    assert (await caller.page(url))["value"] == (await caller.page(url))["value"]


async def test_rows_that_tie_can_change_places(caller: Caller) -> None:
    """By switch an order over the keys does not settle records that share a key."""
    caller.switch(shuffle_ties=True)
    url = f"{FACTS}?$skip=0&pagesize=1000&$orderby={PLAN_KEYS}"
    first, second = (await caller.page(url))["value"], (await caller.page(url))["value"]
    assert first != second
    assert [list(row.values())[:4] for row in first] == [list(row.values())[:4] for row in second]
    settled = f"{url},Revenue,Headcount"
    assert (await caller.page(settled))["value"] == (await caller.page(settled))["value"]


async def test_packages_are_windows_of_a_page_size(caller: Caller) -> None:
    """Package n holds the n-th `pagesize` rows."""
    url = f"{ORDERED},Revenue,Headcount&pagesize=10"
    twenty = await caller.page(f"{ORDERED},Revenue,Headcount&pagesize=20")
    assert (await caller.page(f"{url}&package=2"))["value"] == twenty["value"][10:]
    assert (await caller.page(f"{url}&package=1"))["value"] == twenty["value"][:10]
    assert (await caller.page(f"{url}&package=99999"))["value"] == []
    default = await caller.page(f"{ORDERED},Revenue,Headcount&package=2")
    assert len(default["value"]) == 1000


async def test_the_count_probe_costs_no_rows(caller: Caller) -> None:
    """`$count=true&$top=0` gives the size under the filter, as a number or by switch as text."""
    where = "$filter=Version%20eq%20'public.Actual'"
    size = len(await truth(caller, PLAN, "Version eq 'public.Actual'"))
    body = await caller.page(f"{FACTS}?$count=true&$top=0&{where}")
    assert (body["@odata.count"], body["value"]) == (size, [])
    assert "@odata.nextLink" not in body
    caller.switch(count_as_string=True)
    body = await caller.page(f"{FACTS}?$count=true&$top=0&{where}")
    assert body["@odata.count"] == str(size)


async def test_a_count_can_be_refused(caller: Caller) -> None:
    """By switch always, or only together with a narrowed selection of facts."""
    narrowed = f"{FACTS}?$count=true&$top=0&$select={PLAN_KEYS},Revenue"
    assert (await caller.get(narrowed)).status_code == 200
    caller.switch(refuse_count_with_select=True)
    assert (await caller.get(narrowed)).status_code == 400
    assert (await caller.get(f"{narrowed},Headcount")).status_code == 200
    caller.switch(refuse_count=True)
    assert (await caller.get(f"{FACTS}?$count=true&$top=0")).status_code == 400


async def test_apply_is_ignored(caller: Caller) -> None:
    """Leaf rows come back, as if nothing had been asked."""
    asked = await caller.page(f"{FACTS}?$apply=groupby((Date))&pagesize=3")
    body = await caller.page(f"{FACTS}?$apply=groupby((Date))")
    assert body["value"][:3] == asked["value"][:3] != []
    assert list(body["value"][0]) == [*PLAN_KEYS.split(","), "Revenue", "Headcount"]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("Region%20eq%20'%23'", {"#"}),
        ("Region%20eq%20'C%C3%B4te%20d''Ivoire'", {"Côte d'Ivoire"}),
        ("Region%20eq%20'R%26D%20%2B%2050%25'", {"R&D + 50%"}),
        ("Region%20eq%20'Z%C3%BCrich%2FS%C3%BCd'", {"Zürich/Süd"}),
        ("endswith(Region,'PJ')%20or%20Region%20eq%20'AMER'", {"APJ", "AMER"}),
        ("not%20startswith(Region,'A')%20and%20contains(Region,'M')", {"EMEA"}),
        ("Region%20eq%20'emea'", set()),
    ],
)
async def test_a_filter_reaches_every_member(caller: Caller, where: str, kept: set[str]) -> None:
    """Hard characters are found by their encoded form; case matters."""
    rows = await caller.pull(f"{FACTS}?$filter={where}&pagesize=5000")
    assert {row["Region"] for row in rows} == kept


async def test_dates_compare_as_text_and_measures_as_numbers(caller: Caller) -> None:
    """A range of months and a bound on a measure narrow the rows."""
    where = "Date ge '202401' and Date le '202403' and Revenue gt 700.5"
    rows = await caller.pull(f"{FACTS}?$filter={where.replace(' ', '%20')}&$orderby=Revenue%20desc")
    assert rows
    assert {row["Date"] for row in rows} == {"202401", "202402", "202403"}
    amounts = [row["Revenue"] for row in rows]
    assert amounts == sorted(amounts, reverse=True)
    assert min(amounts) > 700.5


async def test_numbers_keep_every_digit(caller: Caller) -> None:
    """Seven decimals and more than twenty digits are on the wire as they are stored."""
    where = f"Version%20eq%20'{BUDGET.replace(' ', '%20')}'%20and%20Date%20eq%20'202511'"
    answer = await caller.get(f"{FACTS}?$filter={where}&pagesize=5000")
    rows: list[dict[str, Any]] = json.loads(answer.text, parse_float=Decimal)["value"]
    assert Decimal("123456789012345678901.1234567") in [row["Revenue"] for row in rows]
    assert "98765432109876543210" in (await caller.get(f"{FACTS}?pagesize=5000")).text


async def test_numbers_can_be_text(caller: Caller) -> None:
    """By switch measures are strings; null stays null."""
    url = await own_model(caller, "1.50", None, 2, "n/a", "+5")
    body = await caller.page(url)
    assert [row["M"] for row in body["value"]] == [1.5, None, 2, "n/a", "+5"]
    caller.switch(numbers_as_strings=True)
    body = await caller.page(url)
    assert [row["M"] for row in body["value"]] == ["1.50", None, "2", "n/a", "+5"]


async def test_annotations_can_be_spelled_otherwise(caller: Caller) -> None:
    """By switch they are in lower case, and the diagnostics are text."""
    caller.switch(lower_case_annotations=True, entities_as_string=True)
    body = await caller.page(f"{FACTS}?pagesize=2")
    assert "@odata.nextlink" in body
    assert body["@des.entitiesinpage"] == "2"
    assert body["@des.processingtimeinmilliseconds"].isdigit()


async def test_csv_comes_on_request(caller: Caller) -> None:
    """`$format=text/csv` with a delimiter of the caller's choice."""
    url = await own_model(caller, "1.50", None)
    answer = await caller.get(f"{url}?$format=text/csv&delimiter=%3B", accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == "Date;M\r\n202401;1.50\r\n202402;\r\n"


async def test_the_daily_model_has_the_columns_of_the_yardstick(caller: Caller) -> None:
    """Nine keys and two measures, some 220 bytes of JSON a row."""
    answer = await caller.get(DAYS)
    rows = answer.json()["value"]
    assert len(rows) == 500
    assert len(rows[0]) == 11
    assert 200 < len(answer.content) / len(rows) < 240


async def test_the_wide_model_is_wide_and_long(caller: Caller) -> None:
    """100,000 rows of 32 columns."""
    body = await caller.page(f"{SERVICE}/CSIMWIDE0000000000000000F6/FactData?$count=true&$top=1")
    assert body["@odata.count"] == 100_000
    assert len(body["value"][0]) == 32


async def test_two_tenants_hold_the_same_rows(caller: Caller) -> None:
    """Everything is made from a fixed seed."""
    first = await caller.page(f"{SERVICE}/{ACCOUNTS}/FactData?$orderby=SignedData&pagesize=2")
    empty, least = (row["SignedData"] for row in first["value"])
    assert empty is None
    assert least == LEAST_BOOKING
