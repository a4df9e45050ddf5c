"""Delta reads: what changed, in which form, and which links lead to it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tenant.changes import Change
from demo.tenant.delta import differences
from demo.tenant.samples import PLAN
from tests.demo.tenant.conftest import FACTS, HOST, PLAN_KEYS, SERVICE, SUMS, Caller
from tests.demo.tenant.test_tables import Row, read, table_of
from tests.demo.tenant.test_tables import rows as plain_rows

TRACKED = {"prefer": "odata.track-changes, odata.maxpagesize=7"}
WHOLE = "pagesize=50000"
ROWS = [
    ["202401", "EMEA", 1],
    ["202401", "EMEA", 2],
    ["202402", "Côte d'Ivoire", 3],
    ["202403", "APJ", 4],
]
OWN = f"{SERVICE}/DELTA/FactData"


async def begin(caller: Caller, url: str = OWN) -> dict[str, Any]:
    """Read all pages of a tracked pull; return the last one, with all rows."""
    rows: list[dict[str, Any]] = []
    answer = await caller.get(url, **TRACKED)
    while True:
        assert answer.status_code == 200, answer.text
        assert answer.headers["preference-applied"] == "odata.track-changes"
        page: dict[str, Any] = answer.json()
        rows += page["value"]
        if "@odata.nextLink" not in page:
            return {**page, "value": rows}
        assert "@odata.deltaLink" not in page
        answer = await caller.get(page["@odata.nextLink"])


async def own_model(caller: Caller, rows: list[list[Any]] = ROWS) -> None:
    """Put a small model in place; a second call changes its rows."""
    fresh = {
        "id": "DELTA",
        "dimensions": [{"name": "Date", "role": "date"}, {"name": "Region"}],
        "measures": ["M", "N"],
        "rows": [[*row, 0] for row in rows],
    }
    assert (await caller.admin("models", fresh)).status_code == 200


def by_key(records: list[Row]) -> dict[tuple[str, str], Counter[Row]]:
    """Count the records of each key."""
    found: dict[tuple[str, str], Counter[Row]] = {}
    for row in records:
        found.setdefault(row[:2], Counter())[row] += 1
    return found


@given(plain_rows, plain_rows, st.integers(0, 20))
def test_old_rows_with_the_changes_are_the_new_rows(
    old: list[Row], new: list[Row], shared: int
) -> None:
    """Who replaces the records of each key that is told holds what the tenant holds."""
    new = old[:shared] + new
    before, after = table_of(old), table_of(new)
    names = ["A", "B", "M"]
    told = differences((before, before.where(None)), (after, after.where(None)), names, names[:2])
    table, places = told.view
    replica = by_key(old)
    changed = by_key([(str(a), str(b), m) for a, b, m in read(table.take(places))])
    replica.update(changed)
    for key in told.gone:
        del replica[str(key[0]), str(key[1])]
    assert replica == by_key(new)
    assert not changed.keys() & set(told.gone)
    assert all(by_key(old).get(key) != records for key, records in changed.items())
    assert told.total == len(places) + len(told.gone)


async def test_a_tracked_pull_ends_in_a_delta_link(caller: Caller) -> None:
    """The rows are those of a plain pull, and only the last page carries the link."""
    plain = await caller.pull(f"{FACTS}?pagesize=700")
    tracked = await begin(caller, f"{FACTS}?pagesize=700")
    assert tracked["value"] == plain
    assert tracked["@odata.deltaLink"].startswith(f"{HOST}{FACTS}?deltaid=")


async def test_a_delta_read_tells_what_came_changed_and_went(caller: Caller) -> None:
    """All records of a key that changed, an element without values for one that is gone."""
    await own_model(caller)
    link = (await begin(caller))["@odata.deltaLink"]
    nothing = await caller.page(link)
    assert nothing["value"] == []
    await own_model(caller, [["202401", "EMEA", 1], ["202401", "EMEA", 5], ["202404", "GCN", 6]])
    page = await caller.page(nothing["@odata.deltaLink"])
    assert page["@odata.context"] == "$metadata#FactData"
    assert page["@des.entitiesInPage"] == 5
    assert page["value"] == [
        {"Date": "202401", "Region": "EMEA", "M": 1, "N": 0},
        {"Date": "202401", "Region": "EMEA", "M": 5, "N": 0},
        {"Date": "202404", "Region": "GCN", "M": 6, "N": 0},
        {
            "@odata.context": "$metadata#FactData/$deletedEntity",
            "id": "FactData(Date='202402',Region='Côte d''Ivoire')",
        },
        {
            "@odata.context": "$metadata#FactData/$deletedEntity",
            "id": "FactData(Date='202403',Region='APJ')",
        },
    ]
    assert (await caller.page(page["@odata.deltaLink"]))["value"] == []


async def test_changes_during_the_first_pull_are_in_its_delta(caller: Caller) -> None:
    """What changed after the first page was read is told later, so that nothing is lost."""
    await caller.fault("mutate", match="page", nth=2, removed=1, changed=2)
    first = await begin(caller, f"{FACTS}?pagesize=2000")
    assert len((await caller.page(first["@odata.deltaLink"]))["value"]) >= 2


async def test_a_delta_is_paged_and_stays_as_it_was_begun(caller: Caller) -> None:
    """Later changes do not reach its later pages; they are for the next delta."""
    await own_model(caller)
    link = (await begin(caller))["@odata.deltaLink"]
    await own_model(caller, [])
    first = await caller.page(f"{link}&pagesize=2")
    await own_model(caller)
    second = await caller.page(first["@odata.nextLink"])
    assert "@odata.deltaLink" not in first
    assert [len(page["value"]) for page in (first, second)] == [2, 1]
    assert all("id" in element for element in first["value"] + second["value"])
    assert len((await caller.page(second["@odata.deltaLink"]))["value"]) == len(ROWS)


async def test_filter_and_selection_hold_for_the_whole_chain(caller: Caller) -> None:
    """What lies outside of them is not told; what leaves the filter is gone."""
    await own_model(caller)
    url = f"{OWN}?$filter=Region%20eq%20'EMEA'&$select=Date,Region,M"
    link = (await begin(caller, url))["@odata.deltaLink"]
    await own_model(caller, [["202402", "EMEA", 9], ["202402", "APJ", 9]])
    assert (await caller.page(link))["value"] == [
        {"Date": "202402", "Region": "EMEA", "M": 9},
        {
            "@odata.context": "$metadata#FactData/$deletedEntity",
            "id": "FactData(Date='202401',Region='EMEA')",
        },
    ]


async def test_sums_are_tracked_by_their_groups(caller: Caller) -> None:
    """A delta of the aggregation tells the groups whose sums changed."""
    await own_model(caller)
    url = OWN.replace("FactData", "FactDataAggregation")
    link = (await begin(caller, f"{url}?$select=Date,M"))["@odata.deltaLink"]
    await own_model(caller, [*ROWS[:3], ["202404", "APJ", 4], ["202401", "GCN", 1]])
    told = (await caller.page(link))["value"]
    assert told[:2] == [{"Date": "202404", "M": 4}, {"Date": "202401", "M": 4}] or told[:2] == [
        {"Date": "202401", "M": 4},
        {"Date": "202404", "M": 4},
    ]
    assert [element["id"] for element in told[2:]] == ["FactDataAggregation(Date='202403')"]


@pytest.mark.parametrize("extra", ["$top=5", "$skip=5", "package=1", "$count=true&$top=0"])
async def test_a_part_of_the_rows_is_not_tracked(caller: Caller, extra: str) -> None:
    """A delta counts from a whole pull only."""
    answer = await caller.get(f"{FACTS}?{extra}", **TRACKED)
    assert "preference-applied" not in answer.headers
    assert "@odata.deltaLink" not in answer.json()


async def test_a_page_that_a_hard_cap_cut_has_no_delta_link(caller: Caller) -> None:
    """Rows are missing, so it is not the end."""
    caller.switch(link="none", page_cap=50)
    assert "@odata.deltaLink" not in (await caller.get(FACTS, **TRACKED)).json()


async def test_a_tenant_may_know_no_delta(caller: Caller) -> None:
    """By switch the wish and the id are both ignored."""
    caller.switch(track_changes=False)
    answer = await caller.get(f"{FACTS}?{WHOLE}", **TRACKED)
    assert "@odata.deltaLink" not in answer.json()
    assert len((await caller.page(f"{FACTS}?deltaid=any"))["value"]) == 1000


async def test_a_delta_token_is_ignored(caller: Caller) -> None:
    """The whole model comes back, without a word."""
    whole = await caller.page(f"{FACTS}?{WHOLE}")
    assert (await caller.page(f"{FACTS}?$deltatoken=abc&{WHOLE}"))["value"] == whole["value"]


async def test_an_old_link_can_be_read_again_or_not(caller: Caller) -> None:
    """By default it tells what changed since then, once more; by switch it is gone."""
    await own_model(caller)
    link = (await begin(caller))["@odata.deltaLink"]
    await own_model(caller, ROWS[1:])
    first = await caller.page(link)
    assert (await caller.page(link))["value"] == first["value"] != []
    caller.switch(delta_reread=False)
    assert (await caller.get(link)).status_code == 410
    assert (await caller.page(first["@odata.deltaLink"]))["value"] == []


async def test_a_subscription_can_expire(caller: Caller) -> None:
    """By switch; all links of the chain that are too old are refused."""
    link = (await begin(caller, SUMS))["@odata.deltaLink"]
    caller.switch(delta_retention_s=60)
    assert (await caller.get(link)).status_code == 200
    caller.switch(delta_retention_s=0)
    assert (await caller.get(link)).status_code == 410


async def test_a_link_belongs_to_its_set(caller: Caller) -> None:
    """Under another set or another model it is unknown."""
    link = (await begin(caller, SUMS))["@odata.deltaLink"]
    assert (await caller.get(link.replace("Aggregation", ""))).status_code == 404
    assert (await caller.get(link.replace(PLAN, "CSIMYEAR0000000000000000E5"))).status_code == 404


async def test_a_link_takes_the_shape_and_spelling_of_the_others(caller: Caller) -> None:
    """Root-relative like the next links, in lower case as in SAP's sample."""
    caller.switch(link="root", lower_case_annotations=True, entities_as_string=True)
    page = (await caller.get(f"{FACTS}?{WHOLE}", **TRACKED)).json()
    delta = await caller.page(page["@odata.deltalink"])
    assert page["@odata.deltalink"].startswith(f"{FACTS}?deltaid=")
    assert delta["@des.entitiesinpage"] == "0"


async def test_a_name_of_the_callers_own_leads_to_the_latest_link(caller: Caller) -> None:
    """The first call tells all, each further one what changed since the one before."""
    await own_model(caller)
    url = f"{OWN}?externalid=mine"
    first = (await caller.get(url, **TRACKED)).json()
    assert len(first["value"]) == len(ROWS)
    await own_model(caller, ROWS[:3])
    told = [(await caller.page(url))["value"] for _ in range(2)]
    assert [len(elements) for elements in told] == [1, 0]


async def test_rows_that_move_are_told_as_gone_and_come(caller: Caller) -> None:
    """A replica that applies the delta of a busy model holds what the model holds."""
    start = await begin(caller, f"{FACTS}?{WHOLE}")
    caller.state.models[PLAN].change(Change(added=3, removed=5, changed=20, moved=7))
    told = (await caller.page(f"{start['@odata.deltaLink']}&{WHOLE}"))["value"]
    now = await caller.pull(f"{FACTS}?{WHOLE}")
    names = PLAN_KEYS.split(",")
    touched = {tuple(row[name] for name in names) for row in told if "id" not in row}
    gone = [row["id"] for row in told if "id" in row]

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    def predicate(row: dict[str, Any]) -> str:
        pairs = (f"{n}='{row[n].replace(chr(39), chr(39) * 2)}'" for n in names)
        return f"FactData({','.join(pairs)})"

    kept = [r for r in start["value"] if key(r) not in touched and predicate(r) not in set(gone)]
    replica = kept + [row for row in told if "id" not in row]
    assert sorted(map(str, replica)) == sorted(map(str, now))
    assert gone
