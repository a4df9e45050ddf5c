"""Answers to write, and what must be read back from them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from app.pipeline.contract import DATE, VALUE
from app.pipeline.freshness import Notice
from app.pipeline.query import QueryResult
from app.pipeline.series import SeriesAnswer, SeriesView
from app.records import CachedSeries, Grain, SeriesMetadata
from app.reports import Freshness, FreshnessState

Point = tuple[date, float | None, str, str]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
POINTS = st.lists(st.tuples(st.dates(date(1000, 1, 1)), NUMBERS, TEXT, TEXT), max_size=5)
TIME = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)


def a_view(
    points: list[Point] | None = None,
    notice: Notice | None = None,
    *,
    dataset: str = "default",
    dimensions: tuple[str, str] = ("dim_a", "dim_b"),
    coded: bool = False,
    state: FreshnessState = FreshnessState.FRESH,
) -> SeriesView:
    """Return a view of these points, with two dimensions, as text or as codes of a dictionary."""
    kinds = [pa.date32(), pa.float64(), pa.string(), pa.string()]
    columns = list(zip(*points, strict=True)) if points else [()] * len(kinds)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    if coded:
        arrays[2:] = [array.dictionary_encode() for array in arrays[2:]]
    rows = pa.Table.from_arrays(arrays, names=[DATE, VALUE, *dimensions])
    metadata = SeriesMetadata(
        dataset=dataset,
        source="sac",
        last_refresh_time=TIME,
        row_count=rows.num_rows,
        min_date=None,
        max_date=None,
    )
    return SeriesView(
        CachedSeries(rows=rows, metadata=metadata, version=7),
        QueryResult(rows=rows, total=rows.num_rows, grain=Grain.DAY),
        notice or Notice(),
        Freshness(state=state, data_time=TIME, age_s=90),
    )


def an_answer(*views: SeriesView, cursor: str | None = None) -> SeriesAnswer:
    """Return an answer of these parts; of one without points if there are none."""
    parts = views or (a_view(),)
    return SeriesAnswer(parts, sum(view.result.total for view in parts), cursor)


def as_point(point: Point) -> dict[str, Any]:
    """Return a point as JSON shows it."""
    day, value, a, b = point
    return {"date": day.isoformat(), "value": value, "dim_a": a, "dim_b": b}
