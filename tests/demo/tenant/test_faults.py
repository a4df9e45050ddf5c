"""Faults by rule: which calls they strike, and what goes wrong."""

import asyncio
import datetime as dt
import json
import time
from email.utils import parsedate_to_datetime

import pytest

from demo.tenant.models import Model
from demo.tenant.samples import PLAN
from demo.tenant.tables import Table
from tests.demo.tenant.conftest import FACTS, HOST, PLAN_KEYS, SERVICE, SUMS, Caller

PAGE = f"{FACTS}?$orderby={PLAN_KEYS},Revenue,Headcount&pagesize=4"
COUNT = f"{FACTS}?$count=true&$top=0"


async def statuses(caller: Caller, *urls: str) -> list[int]:
    """GET each address; return the statuses."""
    return [(await caller.get(url)).status_code for url in urls]


async def test_a_rule_strikes_from_its_nth_call_as_often_as_it_says(caller: Caller) -> None:
    """The calls before and after are right."""
    await caller.fault("status", match="page", nth=2, times=2)
    assert await statuses(caller, *[PAGE] * 5) == [200, 503, 503, 200, 200]


async def test_a_rule_without_an_end_strikes_for_ever(caller: Caller) -> None:
    """`times` of null has no last call."""
    await caller.fault("status", match="page", nth=2, times=None, status=500)
    assert await statuses(caller, *[PAGE] * 4) == [200, 500, 500, 500]


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        ("any", [True, True, True, True, True]),
        ("page", [True, True, False, False, False]),
        ("count", [False, False, True, False, False]),
        ("metadata", [False, False, False, True, False]),
        ("master", [False, False, False, False, True]),
        ("FactData?", [True, False, True, False, False]),
        ("$top=0", [False, False, True, False, False]),
        ("re:Aggregation|Master$", [False, True, False, False, True]),
    ],
)
async def test_a_rule_means_the_calls_that_it_names(
    caller: Caller, match: str, struck: list[bool]
) -> None:
    """A category, a part of the raw address, or an expression."""
    await caller.fault("status", match=match, times=None)
    urls = [PAGE, SUMS, COUNT, f"{SERVICE}/{PLAN}/$metadata", f"{SERVICE}/{PLAN}/DateMaster"]
    assert [status == 503 for status in await statuses(caller, *urls)] == struck


async def test_token_catalogue_and_service_are_categories_too(caller: Caller) -> None:
    """Each call that a pull makes can go wrong alone."""
    for match in ("token", "catalogue", "service"):
        await caller.fault("status", match=match, status=502, times=None)
    urls = [
        "/oauth/token",
        "/api/v1/dataexport/administration/Namespaces('sac')/Providers",
        f"{SERVICE}/{PLAN}/",
        PAGE,
    ]
    assert await statuses(caller, *urls) == [502, 502, 502, 200]


async def test_rules_count_side_by_side_and_the_oldest_wins(caller: Caller) -> None:
    """Two rules that strike one call do not add up, but both have counted it."""
    await caller.fault("status", match="page", status=500)
    await caller.fault("status", match="any", status=429, times=2)
    assert await statuses(caller, PAGE, PAGE, PAGE) == [500, 429, 200]
    rules = (await caller.http.get("/_admin/faults")).json()
    assert [rule["calls"] for rule in rules] == [3, 3]
    await caller.http.delete("/_admin/faults")
    assert (await caller.http.get("/_admin/faults")).json() == []


async def test_the_admin_path_never_goes_wrong(caller: Caller) -> None:
    """A rule for any call leaves the tests' own door open."""
    await caller.fault("status", times=None)
    assert (await caller.http.get("/_admin/log")).status_code == 200


async def test_a_status_brings_the_body_and_headers_of_the_rule(caller: Caller) -> None:
    """JSON, HTML or text, or else the error envelope."""
    await caller.fault("status", status=418, json={"a": 1}, headers={"x-a": "b"})
    await caller.fault("status", nth=2, status=502, html="<html>Bad gateway</html>")
    await caller.fault("status", nth=3, status=504, text="late")
    await caller.fault("status", nth=4, status=500)
    answers = [await caller.get(PAGE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [418, 502, 504, 500]
    assert (answers[0].json(), answers[0].headers["x-a"]) == ({"a": 1}, "b")
    assert answers[1].headers["content-type"].startswith("text/html")
    assert answers[2].text == "late"
    assert "message" in answers[3].json()["error"]


async def test_retry_after_is_seconds_a_date_or_absent(caller: Caller) -> None:
    """All three forms that a client has to read."""
    await caller.fault("status", status=429, retry_after=1)
    await caller.fault("status", nth=2, status=429, retry_after="date+60")
    await caller.fault("status", nth=3, status=429)
    await caller.fault("status", nth=4, status=429, retry_after="soon")
    found = [(await caller.get(PAGE)).headers.get("retry-after") for _ in range(4)]
    assert (found[0], found[2], found[3]) == ("1", None, "soon")
    ahead = parsedate_to_datetime(found[1] or "") - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=50) < ahead < dt.timedelta(seconds=70)


async def test_a_login_page_and_a_redirect_lead_away(caller: Caller) -> None:
    """200 with HTML, and 302 to another host."""
    await caller.fault("html_login")
    await caller.fault("redirect", nth=2, url="https://evil.example/x")
    page, redirect = await caller.get(PAGE), await caller.get(PAGE)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "saml2" in page.text
    assert (redirect.status_code, redirect.headers["location"]) == (302, "https://evil.example/x")


@pytest.mark.parametrize("kind", ["truncate_json", "invalid_json"])
async def test_a_body_can_be_no_json(caller: Caller, kind: str) -> None:
    """The answer is well-formed HTTP of the right type, and cannot be decoded."""
    await caller.fault(kind, match="page")
    answer = await caller.get(PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_a_type_can_be_wrong_and_a_body_compressed(caller: Caller) -> None:
    """In both cases the rows are right."""
    right = (await caller.get(PAGE)).json()
    await caller.fault("content_type", match="page", value="application/octet-stream")
    await caller.fault("gzip", match="page", nth=2)
    await caller.fault("mark", match="page", nth=3)
    typed, packed = await caller.get(PAGE), await caller.get(PAGE)
    assert (await caller.get(PAGE)).content.startswith(b"\xef\xbb\xbf{")
    assert typed.headers["content-type"] == "application/octet-stream"
    assert packed.headers["content-encoding"] == "gzip"
    assert typed.json() == packed.json() == right


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://evil.example/next", "https://evil.example/next"),
        ("first", f"{HOST}{PAGE}"),
        ("none", None),
    ],
)
async def test_a_next_link_can_lead_anywhere(caller: Caller, url: str, link: str | None) -> None:
    """To another host, back to the first page, or nowhere although rows remain."""
    await caller.fault("next_link", match="page", nth=2, url=url)
    second = (await caller.page(PAGE))["@odata.nextLink"]
    body = await caller.page(second)
    assert body.get("@odata.nextLink") == link
    assert len(body["value"]) == body["@des.entitiesInPage"] == 4


async def test_a_next_link_can_lead_to_its_own_page(caller: Caller) -> None:
    """A client that does not remember where it was never ends."""
    caller.switch(lower_case_annotations=True)
    await caller.fault("next_link", match="page", nth=2, url="self")
    second = (await caller.page(PAGE))["@odata.nextlink"]
    assert (await caller.page(second))["@odata.nextlink"] == second


async def test_a_page_can_lack_rows_that_its_diagnostics_count(caller: Caller) -> None:
    """Or its diagnostics can be wrong over the right rows."""
    right = (await caller.page(PAGE))["value"]
    await caller.fault("drop_rows", match="page", rows=2)
    await caller.fault("entities", match="page", nth=2)
    await caller.fault("entities", match="page", nth=3, value=3)
    lacking, more, less = [await caller.page(PAGE) for _ in range(3)]
    assert (lacking["value"], lacking["@des.entitiesInPage"]) == ([right[0], right[3]], 4)
    assert (more["value"], more["@des.entitiesInPage"]) == (right, 5)
    assert less["@des.entitiesInPage"] == 3


async def test_cells_can_be_wrong_or_missing(caller: Caller) -> None:
    """A raw text in one cell, or a column that the rows lack; the rest stays as it is."""
    await caller.fault("not_json_value", match="page", column="Revenue", value='"n/a"')
    await caller.fault("not_json_value", match="page", nth=2)
    await caller.fault("drop_column", match="page", nth=3, column="Date")
    text, number, short = [await caller.get(PAGE) for _ in range(3)]
    assert [row["Revenue"] for row in text.json()["value"]].count("n/a") == 1
    assert '"Headcount":NaN' in number.text
    assert all("Date" not in row for row in short.json()["value"])


async def test_row_faults_leave_errors_alone(caller: Caller) -> None:
    """An answer without rows has none to spoil."""
    await caller.fault("drop_rows", match="any", times=None)
    assert (await caller.get(f"{FACTS}?$pagesize=1")).status_code == 400


async def test_data_can_change_between_two_pages(caller: Caller) -> None:
    """Rows removed in mid-pull make a client miss as many, and the count moves."""
    before = (await caller.page(COUNT))["@odata.count"]
    await caller.fault("mutate", match="page", nth=2, removed=3)
    rows = await caller.pull(f"{FACTS}?pagesize=1000")
    assert (await caller.page(COUNT))["@odata.count"] == before - 3
    assert len(rows) == before - 3
    await caller.fault("mutate", match="page", added=5)
    await caller.get(PAGE)
    assert (await caller.page(COUNT))["@odata.count"] == before + 2
    await caller.admin("reset", None)
    await caller.sign_in()
    assert (await caller.page(COUNT))["@odata.count"] == before


async def test_tokens_can_die_in_the_middle_of_a_pull(caller: Caller) -> None:
    """The struck call gets a 401; a new token reads the same page."""
    await caller.fault("revoke", match="page", nth=2)
    second = (await caller.page(PAGE))["@odata.nextLink"]
    assert (await caller.get(second)).status_code == 401
    assert (await caller.get(second)).status_code == 401
    await caller.sign_in()
    assert (await caller.get(second)).status_code == 200


async def test_an_answer_can_be_slow(caller: Caller) -> None:
    """The delay comes before the first byte."""
    await caller.fault("slow", match="page", delay_s=0.1)
    started = time.monotonic()
    assert (await caller.get(PAGE)).status_code == 200
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("end", [("DELETE", "faults"), ("POST", "reset")])
async def test_an_answer_can_be_held_until_the_rules_are_dropped(
    caller: Caller, end: tuple[str, str]
) -> None:
    """Then it is the right one, to whoever still has the right to it."""
    await caller.fault("hold", match="page", times=None)
    waiting = asyncio.create_task(caller.get(PAGE))
    # The count comes later and is answered before.
    assert (await caller.get(COUNT)).status_code == 200
    assert not waiting.done()
    await caller.http.request(end[0], f"/_admin/{end[1]}")
    assert (await waiting).status_code == 200
    assert (await caller.http.get("/_admin/faults")).json() == []


async def test_a_reset_without_a_socket_is_an_exception(caller: Caller) -> None:
    """In this process there is no connection to cut, and that is said."""
    await caller.fault("reset", at="start")
    with pytest.raises(ConnectionResetError):
        await caller.get(PAGE)


async def test_a_bug_of_the_tenant_is_not_taken_for_a_fault(
    caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a 500 that says so, and the trace goes to standard error."""

    def build() -> Table:
        """Fail."""
        raise RuntimeError("a bug")

    caller.state.add_model(Model("CBUG", "", "", (), (), build, custom=True))
    answer = await caller.get(f"{SERVICE}/CBUG/FactData")
    assert answer.status_code == 500
    assert "tenant itself" in answer.json()["error"]["message"]
    assert "RuntimeError: a bug" in capsys.readouterr().err


async def test_a_struck_call_is_marked_in_the_log(caller: Caller) -> None:
    """The log tells which answers were spoiled, and by what."""
    await caller.fault("status", match="page", nth=2)
    await statuses(caller, PAGE, PAGE)
    requests = (await caller.log())["requests"]
    assert [(r["fault"], r["status"]) for r in requests[-2:]] == [(None, 200), ("status", 503)]
