"""Answers a query from the index of a series: checked first, then run."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from app.pipeline.contract import DATE, VALUE
from app.pipeline.query.asked import SeriesQuery
from app.pipeline.query.calendar import first_day, first_days, period
from app.pipeline.query.cube import Cube
from app.pipeline.query.guards import Guards
from app.pipeline.query.index import Column, Places, SeriesIndex, count_of, part_of
from app.pipeline.query.order import ordered
from app.pipeline.query.plan import (
    Plan,
    Window,
    codes_within,
    days_of,
    past_of,
    plan_query,
    window_of,
    without_hole,
)
from app.pipeline.query.ratios import Ratios
from app.pipeline.query.result import Columns, QueryResult
from app.pipeline.query.rollup import rolled_up
from app.pipeline.query.selection import keys_of
from app.pipeline.query.timeline import Points, Span, Timeline, transformed
from app.records import SeriesMetadata

USUAL: Final = Guards()


def run_query(
    source: pa.Table | Cube,
    metadata: SeriesMetadata,
    query: SeriesQuery,
    *,
    offset: int = 0,
    guards: Guards = USUAL,
) -> QueryResult:
    """Answer a query from a series.

    Args:
        source: The rows of the series, or their index.
        metadata: What is known of them.
        query: What is asked; its cursor is the reader's matter.
        offset: So many rows of the answer are left out.
        guards: What the query may cost.

    Raises:
        BadQueryError: A parameter is malformed or names what the series does not have.
        QueryTooLargeError: The answer has too many rows.
        QueryTooSlowError: It took too long.
    """
    cube = source if isinstance(source, Cube) else Cube.of(source)
    plan = plan_query(cube, metadata, query)
    return run_plan(cube, plan, offset=offset, limit=query.limit, guards=guards)


def run_plan(
    cube: Cube,
    plan: Plan,
    *,
    offset: int = 0,
    limit: int | None = None,
    guards: Guards = USUAL,
) -> QueryResult:
    """Answer a query that was checked.

    Args:
        cube: The series that it was checked against.
        plan: The query.
        offset: So many rows of the answer are left out.
        limit: Most rows to return, in place of the query's own; None for all.
        guards: What the query may cost.

    Raises:
        QueryTooLargeError: The answer has too many rows.
        QueryTooSlowError: It took too long.
    """
    page = offset, limit
    guards.check()
    if plan.is_plain:
        return _stored_points(cube.base, plan, page, guards)
    source = cube.over(plan.needed, guards)
    kept = tuple(source.dimensions.index(cube.base.dimensions[place]) for place in plan.kept)
    keys = keys_of(source, codes_within(plan, source, cube))
    guards.check()
    window = window_of(source, keys, plan)
    if window is None:
        return _result(source, kept, _no_points(), plan, (0, 0))
    points = _points(source, keys, kept, (plan, window), guards)
    guards.check()
    total = len(points.groups)
    shown = _page(total, page, guards)
    if plan.sort:
        points = _sorted(source, kept, points, plan)
    return _result(source, kept, points, plan, shown)


def _stored_points(
    index: SeriesIndex, plan: Plan, page: tuple[int, int | None], guards: Guards
) -> QueryResult:
    keys = keys_of(index, plan.selection.codes)
    guards.check()
    days = days_of(index, keys, plan)
    rows: Places = slice(0, 0) if days is None else index.rows_of(keys, *days)
    guards.check()
    total = count_of(rows)
    start, stop = _page(total, page, guards)
    if plan.sort:
        rows = _sorted_rows(index, rows, plan)
    shown = rows if stop - start == total else part_of(rows, start, stop)
    found = Columns(
        index.days[shown],
        index.stored[shown],
        None,
        index.keys_of(shown),
        index.columns,
    )
    return QueryResult(found, total, plan.grain)


def _points(
    source: SeriesIndex,
    keys: Places,
    kept: tuple[int, ...],
    asked: tuple[Plan, Window],
    guards: Guards,
) -> Points:
    plan, window = asked
    query = plan.query
    rows = source.rows_of(keys, past_of(plan, window), window.last)
    rows = without_hole(source, rows, first_day(window.low, plan.grain), window.first)
    cells = rolled_up(source, rows, kept, (plan.grain, plan.rule), guards)
    guards.check()
    starts = source.offsets[:-1][keys]
    oldest = period(int(source.days[starts].min()), plan.grain) if len(starts) else window.low
    timeline = Timeline(cells, Span(window.low, window.high, oldest), query.fill)
    groups = np.unique(source.grouping(kept).group_of[keys]) if query.fill else np.empty(0, int)
    points = timeline.points(groups, guards)
    guards.check()
    if query.transform is not None:
        points = transformed(points, timeline, query.transform, plan.grain)
    return points


def _page(total: int, page: tuple[int, int | None], guards: Guards) -> tuple[int, int]:
    offset, limit = page
    stop = total if limit is None else min(offset + limit, total)
    start = min(offset, stop)
    guards.refuse_beyond(stop - start)
    return start, stop


def _sorted_rows(index: SeriesIndex, rows: Places, plan: Plan) -> Places:
    at = index.keys_of(rows)
    columns: dict[str, npt.NDArray[Any]] = {
        DATE: index.days[rows],
        VALUE: index.stored[rows],
        **{name: index.codes[place][at] for place, name in enumerate(index.dimensions)},
    }
    places = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    return places[ordered(columns, plan.sort, None)]


def _sorted(source: SeriesIndex, kept: tuple[int, ...], points: Points, plan: Plan) -> Points:
    codes = source.grouping(kept).codes
    by_value = any(key.column == VALUE for key in plan.sort)
    columns: dict[str, npt.NDArray[Any]] = {
        DATE: points.periods,
        **({VALUE: points.values.floats()} if by_value else {}),
        **{
            source.dimensions[place]: column[points.groups]
            for place, column in zip(kept, codes, strict=True)
        },
    }
    finite = np.isfinite(columns[VALUE]) if by_value else True
    order = ordered(columns, plan.sort, points.present & finite)
    return Points(
        points.groups[order],
        points.periods[order],
        points.values.take(order),
        points.present[order],
    )


def _result(
    source: SeriesIndex,
    kept: tuple[int, ...],
    points: Points,
    plan: Plan,
    page: tuple[int, int],
) -> QueryResult:
    part = slice(*page)
    groups, values = points.groups[part], points.values.take(part).floats()
    # A fraction of next to nothing may be more than a float holds.
    present = points.present[part] & np.isfinite(values)
    codes = source.grouping(kept).codes
    found = Columns(
        first_days(points.periods[part], plan.grain),
        np.where(present, values, 0.0),
        None if present.all() else ~present,
        groups,
        tuple(
            Column(source.dimensions[place], column, source.members[place])
            for place, column in zip(kept, codes, strict=True)
        ),
    )
    return QueryResult(found, len(points.groups), plan.grain)


def _no_points() -> Points:
    nothing = np.empty(0, np.int64)
    return Points(nothing, nothing, Ratios(nothing, 1), np.empty(0, np.bool_))
