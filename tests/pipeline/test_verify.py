"""Comparing two pulls: every point that differs is found, and no other."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.contract import series_schema, sort_series
from app.pipeline.verify import SHOWN_DIFFERENCES, compare

POINTS = st.dictionaries(
    st.tuples(st.integers(min_value=1, max_value=12), st.sampled_from(["EMEA", "APJ", "#"])),
    st.decimals(min_value=-9, max_value=9, places=1).map(float),
    max_size=9,
)


def series(points: dict[tuple[int, str], float]) -> pa.Table:
    """Write points as a series."""
    schema = series_schema(("dim_region",))
    rows = [
        {"date": date(2026, month, 1), "value": value, "dim_region": region}
        for (month, region), value in points.items()
    ]
    return sort_series(pa.Table.from_pylist(rows, schema=schema))


@given(POINTS, POINTS)
def test_every_difference_is_found(
    first: dict[tuple[int, str], float], second: dict[tuple[int, str], float]
) -> None:
    """Points differ if their values do, or if only one side has them."""
    found = compare(series(first), series(second))
    keys = first.keys() | second.keys()
    differing = {key for key in keys if first.get(key) != second.get(key)}
    assert (found.points, found.differing) == (len(keys), len(differing))
    told = {
        (date.fromisoformat(item.key["date"]).month, item.key["dim_region"]): (
            item.aggregates,
            item.facts,
        )
        for item in found.differences
    }
    assert told == {key: (first.get(key), second.get(key)) for key in differing}


@given(POINTS, st.sampled_from([1e-9, 2e-6, 1.0]))
def test_values_of_doubles_may_be_a_share_of_their_records_apart(
    points: dict[tuple[int, str], float], apart: float
) -> None:
    """What counts is the size of the records, whose sum may be next to nothing."""
    magnitudes = dict.fromkeys(points, 1000.0)
    other = {key: value + apart for key, value in points.items()}
    found = compare(series(other), series(points), series(magnitudes), 1e-9)
    assert found.differing == (len(points) if apart > 1e-6 else 0)
    assert (found.points, len(found.differences)) == (len(points), found.differing)
    assert compare(series(other), series(points), series(magnitudes)).differing == len(points)
    gone = compare(series({}), series(points), series(magnitudes), 1e-9)
    assert gone.differing == len(points)


def test_a_total_without_dimensions_can_be_compared() -> None:
    """A series of dates and values alone has the date as its only key."""
    schema = series_schema(())
    rows = [{"date": date(2026, 1, 1), "value": 1.0}]
    one = pa.Table.from_pylist(rows, schema=schema)
    two = pa.Table.from_pylist([{**rows[0], "value": 2.0}], schema=schema)
    assert compare(one, one).differing == 0
    assert compare(one, two).differences[0].key == {"date": "2026-01-01"}


def test_only_the_first_differences_are_listed() -> None:
    """A series that is wrong throughout does not fill the answer; the number says it all."""
    points = {(month, f"R{i}"): float(i) for month in range(1, 13) for i in range(5)}
    found = compare(series(points), series({}))
    assert found.differing == len(points)
    assert len(found.differences) == SHOWN_DIFFERENCES
    assert Decimal(found.points) == len(points)
