"""FactDataAggregation: exact sums over the selected dimensions."""

from collections import defaultdict
from decimal import Decimal

from demo.tenant.samples import PLAN
from tests.demo.tenant.conftest import SERVICE, SUMS, Caller
from tests.demo.tenant.test_facts import own_model, truth

ACTUAL = "Version%20eq%20'public.Actual'"


async def test_sums_agree_with_the_raw_rows(caller: Caller) -> None:
    """A filter on a dimension that is not selected works, and every digit is right."""
    caller.switch(numbers_as_strings=True)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in await truth(caller, PLAN, "Version eq 'public.Actual'"):
        sums[row["Date"] or ""] += Decimal(row["Revenue"] or 0)
    rows = await caller.pull(f"{SUMS}?$select=Date,Revenue&$filter={ACTUAL}&$orderby=Date")
    assert [row["Date"] for row in rows] == sorted(sums)
    assert {row["Date"]: Decimal(row["Revenue"]) for row in rows} == dict(sums)


async def test_great_numbers_cancel_exactly(caller: Caller) -> None:
    """Numbers beyond any float leave the small difference that they should."""
    url = await own_model(caller, "123456789012345678901.1234567", "-123456789012345678900.1234567")
    answer = await caller.get(url.replace("FactData", "FactDataAggregation") + "?$select=M")
    assert '"value":[{"M":1}]' in answer.text


async def test_a_group_of_nulls_sums_to_null(caller: Caller) -> None:
    """Null is not zero, and beside a number it counts for nothing."""
    url = (await own_model(caller, None, "2.50", None)) + "Aggregation?$select=Date,M"
    rows = (await caller.page(f"{url}&$orderby=Date"))["value"]
    assert [row["M"] for row in rows] == [None, 2.5, None]


async def test_groups_are_ordered_by_measures_counted_and_paged(caller: Caller) -> None:
    """`$orderby` takes a sum, `$count` counts groups, `$top` and next links cut them."""
    url = f"{SUMS}?$select=Region,Product,Headcount&$filter={ACTUAL}&$orderby=Headcount%20desc"
    rows = await caller.pull(f"{url}&pagesize=4")
    heads = [-1 if row["Headcount"] is None else row["Headcount"] for row in rows]
    assert heads == sorted(heads, reverse=True)
    body = await caller.page(f"{url}&$count=true&$top=3")
    assert body["@odata.count"] == len(rows)
    assert body["value"] == rows[:3]


async def test_dimensions_alone_are_the_booked_combinations(caller: Caller) -> None:
    """Without a measure the groups come by themselves; without a dimension the total does."""
    regions = await caller.pull(f"{SUMS}?$select=Region")
    assert len(regions) == len({row["Region"] for row in regions}) == 7
    assert len(await caller.pull(f"{SUMS}?$select=Revenue,Headcount")) == 1
    nothing = f"{SUMS}?$select=Revenue&$filter=Region%20eq%20'X'"
    assert await caller.pull(nothing) == []


async def test_all_columns_are_the_default(caller: Caller) -> None:
    """Without `$select` the rows of one key are summed into one."""
    rows = await caller.pull(f"{SUMS}?pagesize=5000")
    keys = {tuple(list(row.values())[:4]) for row in rows}
    assert len(keys) == len(rows)


async def test_an_order_by_what_is_not_selected_is_refused(caller: Caller) -> None:
    """A column that was summed away orders nothing."""
    answer = await caller.get(f"{SUMS}?$select=Date,Revenue&$orderby=Region")
    assert answer.status_code == 400


async def test_aggregation_can_be_missing(caller: Caller) -> None:
    """By switch the set does not exist."""
    caller.switch(aggregation=False)
    answer = await caller.get(f"{SERVICE}/{PLAN}/FactDataAggregation?$select=Date")
    assert answer.status_code == 404
    assert "[3707]" in answer.text
