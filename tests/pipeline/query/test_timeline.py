"""Gaps are filled, and values compared with what stood there before."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from app.pipeline.query import Aggregation, Fill, SeriesQuery, Transform, run_query
from app.records import Grain
from tests.pipeline.samples import metadata_of, series

# A gap in March, and nothing of the second region before April.
TABLE = series(
    [
        (date(2024, 1, 1), 10.0, "APJ"),
        (date(2024, 2, 1), 0.0, "APJ"),
        (date(2024, 4, 1), 40.0, "APJ"),
        (date(2024, 4, 1), 7.0, "EMEA"),
    ]
)


def shown(**query: Any) -> list[float | None]:  # noqa: ANN401 - the fields of a query
    """Return the values of an answer."""
    rows = run_query(TABLE, metadata_of(TABLE), SeriesQuery(**query)).rows
    values: list[float | None] = rows["value"].to_pylist()
    return values


@pytest.mark.parametrize(
    ("fill", "values"),
    [
        (Fill.NULL, [10, 0, None, 40, None, None, None, 7]),
        (Fill.ZERO, [10, 0, 0, 40, 0, 0, 0, 7]),
        (Fill.CARRY, [10, 0, 0, 40, None, None, None, 7]),
    ],
)
def test_every_key_gets_every_period(fill: Fill, values: list[float | None]) -> None:
    """From the first to the last month that any key has."""
    assert shown(fill=fill) == values


def test_carry_looks_before_the_window() -> None:
    """What was known before the first month of the window stands in it."""
    window = {"start": date(2024, 3, 1), "end": date(2024, 3, 31)}
    assert shown(fill=Fill.CARRY, **window) == [0, None]
    assert shown(fill=Fill.ZERO, **window) == [0, 0]


@pytest.mark.parametrize(
    ("transform", "fill", "values"),
    [
        (Transform.CHANGE, None, [None, -10, None, None]),
        (Transform.CHANGE, Fill.ZERO, [None, -10, 0, 40, None, 0, 0, 7]),
        (Transform.PCT_CHANGE, None, [None, -1, None, None]),
        (Transform.PCT_CHANGE, Fill.ZERO, [None, -1, None, None, None, None, None, None]),
        (Transform.CUMULATIVE, None, [10, 10, 50, 7]),
        (Transform.CUMULATIVE, Fill.NULL, [10, 10, None, 50, None, None, None, 7]),
    ],
)
def test_a_value_is_compared_with_the_calendar(
    transform: Transform, fill: Fill | None, values: list[float | None]
) -> None:
    """The month before, not the point before; a gap and a zero give no fraction."""
    assert shown(transform=transform, fill=fill) == values


def test_averages_are_compared_exactly() -> None:
    """The averages of thirds differ by exactly what they differ by."""
    rows = [(date(2024, m, 1), float(v), "a") for m, v in ((1, 1), (2, 1), (3, 2), (4, 1), (5, 4))]
    table = series(rows)
    query = SeriesQuery(grain=Grain.QUARTER, agg=Aggregation.AVG, transform=Transform.CHANGE)
    found = run_query(table, metadata_of(table), query).rows["value"].to_pylist()
    assert found == [None, 2.5 - 4 / 3]
    running = SeriesQuery(grain=Grain.QUARTER, agg=Aggregation.AVG, transform=Transform.CUMULATIVE)
    sums = run_query(table, metadata_of(table), running).rows["value"].to_pylist()
    assert sums == [4 / 3, 23 / 6]
