"""Questions to a cached series: which periods, which members, how coarse. Pure.

A roll-up first adds up the dropped dimensions at each date, then combines the dates of a longer
period by the dataset's `time_aggregation`, as SAC's exception aggregation over time does. A week
belongs to the month, quarter or year that holds its Monday.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import BadQueryError
from app.periods import is_finer, next_period, period_starts
from app.pipeline.contract import (
    DATE,
    DIMENSION_PREFIX,
    VALUE,
    dimensions_of,
    nearest_first,
    series_schema,
    sort_series,
)
from app.pipeline.exact import from_floats, quotients, to_floats
from app.records import Grain, SeriesMetadata, TimeAggregation

_BOUND_FORM = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?|-[Qq](?P<quarter>[1-4]))?", re.ASCII
)
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """What a caller wants to see.

    Attributes:
        start: First day, inclusive; None for no bound. A stored period is in the window if its
            first day is.
        end: Last day, inclusive; None for no bound.
        grain: Grain of the answer; None for the stored one.
        group_by: Dimensions to keep, as `dim_region` or `region`; None for all, empty for none.
        filters: Members to keep, by dimension; a row must match all dimensions.
        limit: Most rows to return; None for all.
    """

    start: date | None = None
    end: date | None = None
    grain: Grain | None = None
    group_by: tuple[str, ...] | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """What a query found.

    Attributes:
        rows: `date`, `value` and the dimensions kept, sorted by dimensions, then date.
        total: Rows there are without the limit.
        grain: Grain of the rows.
    """

    rows: pa.Table
    total: int
    grain: Grain


def run_query(rows: pa.Table, metadata: SeriesMetadata, query: SeriesQuery) -> QueryResult:
    """Answer a query from the rows of a series.

    Raises:
        BadQueryError: A parameter is malformed or names what the series does not have.
        DataError: The values are too large to be added exactly.
    """
    _check_window(query)
    grain = _answer_grain(metadata.grain, query.grain)
    dimensions = dimensions_of(rows.schema)
    kept = _kept_dimensions(dimensions, query.group_by)
    selected = rows.filter(_window(rows, query)) if rows.num_rows else rows
    for name, members in query.filters.items():
        dimension = _dimension(name, dimensions, name)
        _check_members(rows[dimension], dimension, members)
        selected = selected.filter(pc.is_in(selected[dimension], pa.array(members, pa.string())))
    if kept != dimensions:
        selected = _sum_at_each_date(selected, kept)
    if grain != metadata.grain:
        selected = _combine_dates(selected, kept, grain, metadata.time_aggregation)
    total = selected.num_rows
    shown = selected if query.limit is None else selected.slice(0, query.limit)
    return QueryResult(rows=shown, total=total, grain=grain)


def parse_start(text: str, parameter: str = "start") -> date:
    """Read the first day of `YYYY-MM-DD`, `YYYY-MM`, `YYYY-Qn` or `YYYY`.

    Args:
        text: The bound as written.
        parameter: Name of the query parameter, for the message.

    Raises:
        BadQueryError: The text has none of these forms, or names no day that exists.
    """
    return _parse_bound(text, parameter)[0]


def parse_end(text: str, parameter: str = "end") -> date:
    """Read the last day of `YYYY-MM-DD`, `YYYY-MM`, `YYYY-Qn` or `YYYY`.

    Args:
        text: The bound as written.
        parameter: Name of the query parameter, for the message.

    Raises:
        BadQueryError: The text has none of these forms, or names no day that exists.
    """
    first, unit = _parse_bound(text, parameter)
    try:
        return next_period(first, unit) - timedelta(days=1)
    except OverflowError:
        return date.max


def _parse_bound(text: str, parameter: str) -> tuple[date, Grain]:
    match = _BOUND_FORM.fullmatch(text)
    try:
        if match is not None:
            return _bound(match)
    except ValueError:
        pass
    raise BadQueryError(
        f"{parameter} is '{text[:40]}', which is no date.",
        parameter=parameter,
        next_step="Write it as 2024-03-31, 2024-03, 2024-Q1 or 2024.",
    )


def _bound(match: re.Match[str]) -> tuple[date, Grain]:
    year = int(match["year"])
    if match["quarter"]:
        return date(year, 3 * int(match["quarter"]) - 2, 1), Grain.QUARTER
    if match["day"]:
        return date(year, int(match["month"]), int(match["day"])), Grain.DAY
    if match["month"]:
        return date(year, int(match["month"]), 1), Grain.MONTH
    return date(year, 1, 1), Grain.YEAR


def _check_window(query: SeriesQuery) -> None:
    if query.start is not None and query.end is not None and query.start > query.end:
        raise BadQueryError(
            f"start ({query.start}) lies after end ({query.end}).",
            parameter="start",
            next_step="Swap them, or leave one out.",
        )
    if query.limit is not None and query.limit < 1:
        raise BadQueryError(
            f"limit is {query.limit}.", parameter="limit", next_step="Ask for at least 1 row."
        )


def _answer_grain(stored: Grain, wanted: Grain | None) -> Grain:
    if wanted is None:
        return stored
    if is_finer(wanted, stored):
        possible = ", ".join(grain for grain in Grain if not is_finer(grain, stored))
        raise BadQueryError(
            f"grain is {wanted}, but the series is stored by {stored}, which is coarser.",
            parameter="grain",
            next_step=f"Ask for one of: {possible}.",
        )
    return wanted


def _kept_dimensions(
    dimensions: tuple[str, ...], group_by: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the dimensions to keep in the order of the series, so that rows stay sorted by it."""
    if group_by is None:
        return dimensions
    named = {_dimension(name, dimensions, "group_by") for name in group_by}
    return tuple(name for name in dimensions if name in named)


def _dimension(name: str, dimensions: tuple[str, ...], parameter: str) -> str:
    for candidate in (name, DIMENSION_PREFIX + name):
        if candidate in dimensions:
            return candidate
    wanted = name if name.startswith(DIMENSION_PREFIX) else DIMENSION_PREFIX + name
    listed = ", ".join(nearest_first(wanted, dimensions, _SHOWN)) or "none"
    raise BadQueryError(
        f"{parameter} names the dimension '{name[:80]}', which the series does not have.",
        parameter=parameter,
        next_step=f"Dimensions of the series: {listed}.",
    )


def _check_members(column: pa.ChunkedArray, dimension: str, members: Sequence[str]) -> None:
    known = pc.unique(column)
    found = pc.is_in(pa.array(members, pa.string()), known).to_pylist()
    for member, exists in zip(members, found, strict=True):
        if not exists:
            listed = ", ".join(nearest_first(member, known.to_pylist(), _SHOWN)) or "none"
            more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
            raise BadQueryError(
                f"{dimension} has no member '{member[:80]}'.",
                parameter=dimension,
                next_step=f"Members: {listed}{more}.",
            )


def _window(rows: pa.Table, query: SeriesQuery) -> pa.ChunkedArray:
    start, end = query.start or date.min, query.end or date.max
    return pc.and_(
        pc.greater_equal(rows[DATE], pa.scalar(start, pa.date32())),
        pc.less_equal(rows[DATE], pa.scalar(end, pa.date32())),
    )


def _sum_at_each_date(rows: pa.Table, kept: tuple[str, ...]) -> pa.Table:
    sums, _ = _exact_sums(rows, kept)
    return _series(sums, to_floats(sums[VALUE]), kept)


def _combine_dates(
    rows: pa.Table, kept: tuple[str, ...], grain: Grain, rule: TimeAggregation
) -> pa.Table:
    """Combine the dates of each longer period; the rows are sorted by dimensions, then date."""
    starts = period_starts(rows[DATE], grain)
    moved = rows.set_column(rows.schema.get_field_index(DATE), DATE, starts)
    if rule is TimeAggregation.SUM:
        return _sum_at_each_date(moved, kept)
    if rule is TimeAggregation.AVG:
        sums, counts = _exact_sums(moved, kept)
        return _series(sums, quotients(sums[VALUE], counts), kept)
    # `last` is the latest date only if the groups are read in the order of the rows.
    grouped = moved.group_by([DATE, *kept], use_threads=False).aggregate([(VALUE, rule.value)])
    return _series(grouped, grouped[f"{VALUE}_{rule}"], kept)


def _exact_sums(rows: pa.Table, kept: tuple[str, ...]) -> tuple[pa.Table, pa.ChunkedArray]:
    """Return the exact sums for each date and key, and how many rows went into each."""
    columns = {DATE: rows[DATE], **{name: rows[name] for name in kept}}
    exact = pa.table({**columns, VALUE: from_floats(rows[VALUE])})
    grouped = exact.group_by([DATE, *kept]).aggregate([(VALUE, "sum"), (VALUE, "count")])
    sums = grouped.drop_columns([f"{VALUE}_sum", f"{VALUE}_count"])
    return sums.append_column(VALUE, grouped[f"{VALUE}_sum"]), grouped[f"{VALUE}_count"]


def _series(keys: pa.Table, values: pa.ChunkedArray, kept: tuple[str, ...]) -> pa.Table:
    columns = [keys[DATE], values, *(keys[name] for name in kept)]
    return sort_series(pa.Table.from_arrays(columns, schema=series_schema(kept)))
