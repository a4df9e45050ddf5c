"""What changed between two versions is counted and added up exactly."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.contract import series_schema
from app.pipeline.diff import ChangedPoint, diff_series, exact_total, settled
from tests.pipeline.samples import series

KEYS = st.tuples(st.sampled_from([date(2024, m, 1) for m in (1, 2, 3)]), st.sampled_from("abc"))
VALUES = st.sampled_from([0.0, 0.1, -2.5, 1e15, 1e-7])
POINTS = st.dictionaries(KEYS, VALUES, max_size=9)
Points = dict[tuple[date, str], float]


def table(points: Points) -> pa.Table:
    """Return points as a series."""
    return series([(day, value, member) for (day, member), value in points.items()])


@given(before=POINTS, after=POINTS)
def test_every_point_is_counted_once(before: Points, after: Points) -> None:
    """Added, removed, changed and unchanged are what two dictionaries say they are."""
    diff = diff_series(table(before), table(after))
    both = before.keys() & after.keys()
    assert diff.added.count == len(after.keys() - before.keys())
    assert diff.removed.count == len(before.keys() - after.keys())
    assert diff.changed.count == sum(before[key] != after[key] for key in both)
    assert diff.unchanged == len(both) - diff.changed.count


@given(before=POINTS, after=POINTS)
def test_the_other_way_round_is_the_mirror_image(before: Points, after: Points) -> None:
    """What one direction adds, the other takes away."""
    there = diff_series(table(before), table(after))
    back = diff_series(table(after), table(before))
    assert (there.added.count, there.total_before) == (back.removed.count, back.total_after)


@given(points=POINTS)
def test_totals_are_exact(points: Points) -> None:
    """A total is the sum of the decimal numbers, to the last digit."""
    total = sum((Decimal(repr(value)) for value in points.values()), Decimal(0))
    assert Decimal(exact_total(table(points))) == total


@given(before=POINTS, after=POINTS, share=st.sampled_from([0.0, 1e-9, 0.5]))
def test_what_is_a_share_of_itself_off_is_settled(
    before: Points, after: Points, share: float
) -> None:
    """Of two values that are the same as far as can be told the older one is kept."""
    found = settled(table(before), table(after), share)
    assert found.schema == table(after).schema
    rows = {(row["date"], row["dim_region"]): row["value"] for row in found.to_pylist()}
    assert rows == {
        key: then
        if (then := before.get(key)) is not None
        and abs(then - now) <= share * max(abs(then), abs(now))
        else now
        for key, now in after.items()
    }


def test_the_first_points_are_listed_in_order() -> None:
    """Of many points the first are shown, in the order of the series."""
    days = [date(2024, month, 1) for month in range(1, 13)]
    before = table({(day, member): 1.0 for day in days for member in "ba"})
    after = table({(day, member): 2.0 for day in days for member in "ab"})
    diff = diff_series(before, after, shown=2)
    assert diff.changed.count == 24
    assert diff.changed.first == (
        ChangedPoint({"date": "2024-01-01", "dim_region": "a"}, 1.0, 2.0),
        ChangedPoint({"date": "2024-02-01", "dim_region": "a"}, 1.0, 2.0),
    )
    assert diff_series(before, after, shown=0).changed.first == ()


def test_with_other_dimensions_nothing_is_the_same_point() -> None:
    """Versions of other dimensions share no point, and their totals are told all the same."""
    before = table({(date(2024, 1, 1), "a"): 3.0})
    schema = series_schema(["dim_product"])
    after = pa.Table.from_arrays([[date(2024, 1, 1)], [4.5], ["p"]], schema=schema)
    diff = diff_series(before, after)
    assert (diff.added.count, diff.removed.count, diff.changed.count) == (1, 1, 0)
    assert diff.added.first[0] == ChangedPoint(
        {"date": "2024-01-01", "dim_product": "p"}, None, 4.5
    )
    assert (diff.total_before, diff.total_after) == ("3", "4.5")
