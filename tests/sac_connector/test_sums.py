"""Sums by date and member: exact, whatever the pages, and held against the tenant's own."""

from collections import defaultdict
from decimal import Context, Decimal
from random import Random

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.sac_connector.sums import UNITS, ReadSums, Snapshot, tolerance

EXACT = Context(prec=2_000)
DATES = st.sampled_from(["202401", "202402", "#", "", None])
REGIONS = st.sampled_from(["EMEA", "#", None])
NUMBERS = st.one_of(
    st.decimals(-(10**20), 10**20, places=7).map(lambda number: format(number, "f")),
    st.floats(-1e306, 1e306).map(repr),
)
ROWS = st.lists(st.tuples(DATES, REGIONS, st.none() | NUMBERS), max_size=12)
Rows = list[tuple[str | None, str | None, str | None]]
COLUMNS = ("Date", "Region")


def a_table(rows: Rows) -> pa.Table:
    """Write rows as a page holds them."""
    texts = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.table(texts or [pa.array([], pa.string())] * 3, names=[*COLUMNS, "V"])


def in_plain_arithmetic(rows: Rows) -> dict[str, dict[str | None, str | None]]:
    """Add up rows as a tenant does, null as the sum of nulls alone."""
    totals = {}
    for place, column in enumerate(COLUMNS):
        found: dict[str | None, list[Decimal]] = defaultdict(list)
        for row in rows:
            found[row[place]] += [] if row[2] is None else [Decimal(row[2])]
        totals[column] = {
            member: format(sum_of(numbers), "f") if numbers else None
            for member, numbers in found.items()
        }
    return totals


def sum_of(numbers: list[Decimal]) -> Decimal:
    """Add up exactly."""
    total = Decimal(0)
    for number in numbers:
        total = EXACT.add(total, number)
    return total


@given(ROWS, st.integers(0, 12))
def test_any_pages_of_the_same_rows_agree_with_the_tenant(rows: Rows, cut: int) -> None:
    """However rows are cut into pages, their sums are those of plain arithmetic."""
    sums = ReadSums(COLUMNS, "V")
    sums.add(a_table(rows[:cut]))
    sums.add(a_table(rows[cut:]))
    totals = in_plain_arithmetic(rows)
    assert not sums.lacks_a_member(totals)
    assert not sums.differs(totals)


@given(ROWS.filter(bool), st.data())
def test_a_record_that_came_twice_or_never_shows(rows: Rows, data: st.DataObject) -> None:
    """One record more or less gives another sum, unless its value is nothing."""
    place = data.draw(st.integers(0, len(rows) - 1))
    twice = data.draw(st.booleans())
    sums = ReadSums(COLUMNS, "V")
    sums.add(a_table(rows[:place] + ([rows[place]] * 2 if twice else []) + rows[place + 1 :]))
    totals = in_plain_arithmetic(rows)
    seen = sums.lacks_a_member(totals) or sums.differs(totals)
    assert seen or Decimal(rows[place][2] or 0) == 0


TWO: dict[str, dict[str | None, str | None]] = {"Date": {"202401": "1"}, "Region": {"#": "2"}}


@pytest.mark.parametrize("value", ["abc", "", "1,5", "1e999", "1E-9999999"])
def test_a_value_that_is_no_number_ends_the_comparison(value: str) -> None:
    """The pipeline names such a value; here it is no sign of a change."""
    sums = ReadSums(COLUMNS, "V")
    for text in (value, "1"):
        sums.add(a_table([("202401", "#", text)]))
    assert not sums.lacks_a_member({})
    assert not sums.differs(TWO)


@pytest.mark.parametrize("found", ["n/a", "1E9999999", "1E-9999999"])
def test_a_sum_of_the_tenant_that_is_no_number_says_nothing(found: str) -> None:
    """What cannot be compared does not differ."""
    sums = ReadSums(COLUMNS, "V")
    sums.add(a_table([("202401", "#", "1")]))
    assert not sums.differs({"Date": {"202401": "1"}, "Region": {"#": found}})
    assert not sums.adds_up("Date", {"202401": found, "202402": "1"}, "1")
    assert sums.differs(TWO)


def having_read(rows: Rows, unit: float = 0.0) -> ReadSums:
    """Return the sums of rows."""
    sums = ReadSums(COLUMNS, "V", unit)
    sums.add(a_table(rows))
    return sums


@given(ROWS)
def test_sums_give_the_whole(rows: Rows) -> None:
    """Sums by date add up to the sum of all; of one date alone nobody can tell."""
    totals = in_plain_arithmetic(rows)["Date"]
    whole = sum_of([Decimal(value) for _, _, value in rows if value is not None])
    read = having_read(rows)
    assert read.adds_up("Date", totals, format(whole, "f")) == (len(totals) > 1)
    assert not read.adds_up("Date", totals, format(EXACT.add(whole, Decimal(1)), "f"))


@pytest.mark.parametrize("whole", [None, "n/a", "7"])
def test_maxima_and_last_values_are_no_sums(whole: str | None) -> None:
    """A whole that is not the sum of its dates shows a measure that is not added up."""
    maxima: dict[str | None, str | None] = {"202401": "5", "202402": "7"}
    assert not having_read([]).adds_up("Date", maxima, whole)


DOUBLE = UNITS["Edm.Double"]
DOUBLES = st.lists(
    st.tuples(DATES, REGIONS, st.floats(-1e200, 1e200).map(repr)), min_size=2, max_size=30
)


def in_doubles(rows: Rows) -> dict[str, dict[str | None, str | None]]:
    """Add up rows as a tenant does that calculates with doubles, one row after the other."""
    totals: dict[str, dict[str | None, float]] = {column: {} for column in COLUMNS}
    for row in rows:
        for place, sums in enumerate(totals.values()):
            sums[row[place]] = sums.get(row[place], 0.0) + float(row[2] or 0)
    return {
        column: {member: repr(value) for member, value in sums.items()}
        for column, sums in totals.items()
    }


@given(DOUBLES, st.randoms())
def test_doubles_may_be_added_up_in_any_order(rows: Rows, order: Random) -> None:
    """What two orders of the same numbers give is the same, and is the sum of what was read."""
    read, one = having_read(rows, DOUBLE), in_doubles(rows)
    order.shuffle(rows)
    other = in_doubles(rows)
    assert read.same(one, other)
    assert not Snapshot(3, one).differs(Snapshot(3, other), read)
    assert not read.differs(other)
    whole = repr(sum(float(value or 0) for _, _, value in rows))
    assert read.adds_up("Date", one["Date"], whole) == (len(one["Date"]) > 1)


@given(DOUBLES, st.integers(0, 29), st.sampled_from([1e-12, 0.5, -3.0]))
def test_a_double_that_changed_shows(rows: Rows, place: int, by: float) -> None:
    """A change of more than the order of the additions explains is a change."""
    read, before = having_read(rows, DOUBLE), in_doubles(rows)
    changed = rows[place % len(rows)]
    size = sum(abs(float(value or 0)) for _, _, value in rows)
    more = repr(float(changed[2] or 0) + size * by)
    rows[place % len(rows)] = (*changed[:2], more)
    after = in_doubles(rows)
    moved = float(more) != float(changed[2] or 0)
    # Steps of the smallest doubles are too coarse to tell a change from rounding.
    assume(not moved or size > 1e-290)
    assert read.same(before, after) != moved
    assert read.differs(after) == moved


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.00", "1", True), ("1", "1.0000000000000002", False), ("n/a", "n/a", True),
     ("n/a", "1", False), (None, "0", True)],
)  # fmt: skip
def test_decimals_are_the_same_or_not(one: str | None, other: str | None, same: bool) -> None:
    """A number may be written in several ways; no other is the same, however near."""
    read = having_read([("202401", "EMEA", "1")])
    assert read.same({"Date": {"202401": one}}, {"Date": {"202401": other}}) == same
    assert not read.same({"Date": {"202401": one}}, {"Date": {"202402": one}})


def test_what_was_added_up_before_counts_as_its_records() -> None:
    """A bound from the rows of an answer alone would be too tight for sums of many records."""
    rows: Rows = [("202401", "EMEA", "1"), ("202401", "APJ", "1"), ("202402", "APJ", "1")]
    few, many = having_read(rows, DOUBLE), ReadSums(COLUMNS, "V", DOUBLE, 1_000)
    many.add(a_table(rows))
    assert few.tolerance == tolerance(DOUBLE, 2)
    assert many.tolerance == tolerance(DOUBLE, 1_002)
    assert having_read([], DOUBLE).tolerance == tolerance(DOUBLE, 0)
    assert having_read(rows).tolerance == 0


@pytest.mark.parametrize(
    ("before", "after", "differs", "compared"),
    [
        (Snapshot(3, {"Date": {"1": "5"}}), Snapshot(3, {"Date": {"1": "5"}}), False, "sums"),
        (Snapshot(3, {"Date": {"1": "5"}}), Snapshot(3, {"Date": {"1": "6"}}), True, "sums"),
        (Snapshot(None, {"Date": {"1": "5"}}), Snapshot(3, {"Date": {"1": "5"}}), False, "sums"),
        (Snapshot(3, {"Date": {"1": "5"}}), Snapshot(3), False, "count"),
        (Snapshot(3), Snapshot(4), True, "count"),
        (Snapshot(3), Snapshot(3), False, "count"),
        (Snapshot(3), Snapshot(), False, "none"),
        (Snapshot(), Snapshot(), False, "none"),
    ],
)
def test_two_states_are_told_apart_by_what_both_know(
    before: Snapshot, after: Snapshot, compared: str, *, differs: bool
) -> None:
    """What only one of them knows says nothing, and is not called a proof."""
    assert (before.differs(after), before.compared(after)) == (differs, compared)
