"""FactDataAggregation: exact sums over the selected dimensions."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tenant.aggregation import over_time
from demo.tenant.samples import ACCOUNTS, PLAN
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


STOCKS = {
    "id": "STOCKS",
    "dimensions": [
        {"name": "Date", "role": "date"},
        {
            "name": "Account",
            "role": "account",
            "members": [
                {"id": "CASH", "exceptionAggregationType": "LAST"},
                {"id": "PRICE", "exceptionAggregationType": "AVG"},
                {"id": "SALES", "exceptionAggregationType": ""},
            ],
        },
        {"name": "Region"},
    ],
    "measures": ["M", {"name": "Heads", "exception": "LAST"}],
    "rows": [
        ["202401", "CASH", "EMEA", 10, 1],
        ["202402", "CASH", "EMEA", 20, 2],
        ["202402", "CASH", "EMEA", 0.5, None],
        ["202401", "CASH", "APJ", 5, 4],
        ["202401", "PRICE", "EMEA", 3, None],
        ["202402", "PRICE", "EMEA", 4, None],
        ["202403", "PRICE", "EMEA", None, None],
        ["202401", "SALES", "EMEA", 100, None],
        ["202402", "SALES", "EMEA", 200, None],
        ["202402", "SALES", "GCN", None, None],
        ["202402", "CASH", "LAC", "n/a", None],
    ],
}


@pytest.mark.parametrize(
    ("select", "rows"),
    [
        (
            "Account,M",
            [("CASH", "n/a"), ("PRICE", "3.5000000"), ("SALES", "300")],
        ),
        (
            "Region,Account,M",
            [
                ("APJ", "CASH", "5"),
                ("EMEA", "CASH", "20.5"),
                ("EMEA", "PRICE", "3.5000000"),
                ("EMEA", "SALES", "300"),
                ("GCN", "SALES", None),
                ("LAC", "CASH", "n/a"),
            ],
        ),
        ("Region,M", [("APJ", "5"), ("EMEA", "324"), ("GCN", None), ("LAC", "n/a")]),
        (
            "Date,Region,Heads",
            [
                ("202401", "APJ", "4"),
                ("202401", "EMEA", "1"),
                ("202402", "EMEA", "2"),
                ("202402", "GCN", None),
                ("202402", "LAC", None),
                ("202403", "EMEA", None),
            ],
        ),
        ("Heads", [("2",)]),
        ("Region", [("APJ",), ("EMEA",), ("GCN",), ("LAC",)]),
    ],
)
async def test_stocks_can_be_aggregated_by_exception(
    caller: Caller, select: str, rows: list[tuple[str | None, ...]]
) -> None:
    """Within an account the last date or the mean of the dates counts, across accounts the sum."""
    caller.switch(aggregation_rule="exception", numbers_as_strings=True)
    assert (await caller.admin("models", STOCKS)).status_code == 200
    order = ",".join(name for name in select.split(",") if name not in {"M", "Heads"})
    url = f"{SERVICE}/STOCKS/FactDataAggregation?$select={select}"
    page = await caller.page(f"{url}&$orderby={order}" if order else url)
    found = [tuple(row.values()) for row in page["value"]]
    assert [tuple(map(plain, row)) for row in found] == [tuple(map(plain, row)) for row in rows]


def plain(value: str | None) -> str | None:
    """Write a number without trailing zeros."""
    return value.rstrip("0").rstrip(".") if value and "." in value else value


async def test_the_two_rules_part_only_over_time(caller: Caller) -> None:
    """Grouped by date they agree; over all dates the balances of the ledger differ."""
    ledger = f"{SERVICE}/{ACCOUNTS}/FactDataAggregation?$select="
    dated, whole = f"{ledger}Version,Date,Account,SignedData", f"{ledger}Account,SignedData"
    sums = [await caller.pull(f"{url}&$orderby=Account") for url in (dated, whole)]
    caller.switch(aggregation_rule="exception")
    by_rule = [await caller.pull(f"{url}&$orderby=Account") for url in (dated, whole)]
    assert sums[0] != []
    assert sorted(map(str, sums[0])) == sorted(map(str, by_rule[0]))
    differ = {a["Account"] for a, b in zip(sums[1], by_rule[1], strict=True) if a != b}
    assert differ == {"CASH", "DEBT", "HEADCOUNT", "PRICE"}


@given(st.dictionaries(st.sampled_from("abcdef"), st.decimals(-1000, 1000, places=3), min_size=1))
def test_a_mean_is_right_to_its_last_digit_and_a_last_value_is_exact(
    values: dict[str, Decimal],
) -> None:
    """The mean is within half a unit of the seventh decimal place."""
    mean = Fraction(sum(map(Fraction, values.values()), Fraction(0)), len(values))
    assert abs(Fraction(over_time("AVG", values)) - mean) <= Fraction(1, 2 * 10**7)
    assert Decimal(over_time("LAST", values)) == values[max(values)]


async def test_sums_can_be_rounded_like_a_float(caller: Caller) -> None:
    """By switch they keep some digits only, where the records keep all."""
    caller.switch(numbers_as_strings=True, aggregation_digits=15)
    where = "Version%20eq%20'public.My%20Budget'"
    url = f"{SUMS}?$select=Date,Revenue&$filter={where}&$orderby=Date"
    rounded = {row["Date"]: row["Revenue"] for row in await caller.pull(url)}
    caller.switch(aggregation_digits=None)
    exact = {row["Date"]: row["Revenue"] for row in await caller.pull(url)}
    apart = {date for date in exact if Decimal(exact[date]) != Decimal(rounded[date])}
    assert apart == {"202512"}
    assert rounded["202512"] == "98765432109876600000"


async def test_groups_can_be_missing_while_the_count_agrees(caller: Caller) -> None:
    """Nothing of the answer betrays it; only the records do."""
    url = f"{SUMS}?$select=Date,Revenue&$orderby=Date"
    right = await caller.pull(url)
    await caller.fault("aggregation_drops", match="FactDataAggregation", rows=2, times=None)
    lacking = await caller.page(f"{url}&$count=true")
    assert lacking["@odata.count"] == lacking["@des.entitiesInPage"] == len(right) - 2
    assert lacking["value"] == await caller.pull(f"{url}&pagesize=10")
    assert [row for row in right if row in lacking["value"]] == lacking["value"]
    assert len(lacking["value"]) == len(right) - 2
    await caller.fault("aggregation_drops", match="page", rows=2)
    assert len((await caller.page(f"{SERVICE}/{PLAN}/FactData"))["value"]) == 1000
