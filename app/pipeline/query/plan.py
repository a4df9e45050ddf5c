"""Checks a query against a series, and says what must be read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.errors import BadQueryError
from app.periods import is_finer
from app.pipeline.query.asked import Aggregation, Fill, SeriesQuery, SortKey, Transform, check_alone
from app.pipeline.query.calendar import FIRST_DAY, LAST_DAY, day_number, day_span, first_day, period
from app.pipeline.query.cube import Cube
from app.pipeline.query.index import Places, SeriesIndex
from app.pipeline.query.order import sort_columns
from app.pipeline.query.selection import Selection, dimension_place, selection_of, share
from app.records import Grain, SeriesMetadata

_LOOKING_BACK: Final = {Transform.CHANGE, Transform.PCT_CHANGE, Transform.YOY}
# The longest year of weeks has 371 days.
_MORE_THAN_A_YEAR: Final = 372
# About a millisecond of work: two changes of thread cost a tenth of it.
_LIGHT_ROWS: Final = 20_000
_LIGHT_KEYS: Final = 100_000
_FRAMES_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a query comes to, whatever its members and days are.

    Attributes:
        grain: The grain of the answer.
        rule: How dates are combined.
        kept: Places of the dimensions that the answer has.
        sort: The order, with the names that the answer uses.
        is_plain: Whether the answer consists of stored points as they are.
    """

    grain: Grain
    rule: Aggregation
    kept: tuple[int, ...]
    sort: tuple[SortKey, ...]
    is_plain: bool


class Plan:
    """A query that fits a series.

    Args:
        query: What was asked.
        selection: Which members are asked for.
        frame: All that does not depend on members and days.

    Attributes:
        query: What was asked.
        selection: Which members are asked for.
        grain: The grain of the answer.
        rule: How dates are combined.
        kept: Places of the dimensions that the answer has.
        sort: The order, with the names that the answer uses.
        is_plain: Whether the answer consists of stored points as they are.
    """

    __slots__ = ("grain", "is_plain", "kept", "query", "rule", "selection", "sort")

    def __init__(self, query: SeriesQuery, selection: Selection, frame: Frame) -> None:
        self.query = query
        self.selection = selection
        self.grain = frame.grain
        self.rule = frame.rule
        self.kept = frame.kept
        self.sort = frame.sort
        self.is_plain = frame.is_plain

    @property
    def needed(self) -> tuple[int, ...]:
        """The places of all dimensions that the query speaks of."""
        return tuple(sorted({*self.kept, *self.selection.dimensions}))


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a query selects.

    Attributes:
        first: The first day that is read for the answer itself.
        last: The last day.
        low: The first period of the answer.
        high: The last period.
    """

    first: int
    last: int
    low: int
    high: int


def plan_query(cube: Cube, metadata: SeriesMetadata, query: SeriesQuery) -> Plan:
    """Check a query against a series.

    Raises:
        BadQueryError: A parameter is malformed or names what the series does not have.
    """
    check_alone(query)
    frame = _frame_of(cube, metadata, query)
    return Plan(query, selection_of(cube.base, query), frame)


def _frame_of(cube: Cube, metadata: SeriesMetadata, query: SeriesQuery) -> Frame:
    """Return what a query comes to whatever its members and days are; remembered with the series.

    Raises:
        BadQueryError: A parameter is malformed or names what the series does not have.
    """
    if query.group_by is not None and len(query.group_by) > len(cube.base.dimensions):
        # A name may stand there any number of times, and would fill the memory.
        return _framed(cube, metadata, query)
    asked = (query.grain, query.group_by, query.agg, query.fill, query.transform, query.sort)
    key = (metadata.grain, metadata.time_aggregation, *asked)
    frame = cube.frames.get(key)
    if frame is None:
        if len(cube.frames) >= _FRAMES_REMEMBERED:
            cube.frames.clear()
        frame = cube.frames[key] = _framed(cube, metadata, query)
    return frame


def _framed(cube: Cube, metadata: SeriesMetadata, query: SeriesQuery) -> Frame:
    grain = _answer_grain(metadata.grain, query.grain)
    names = cube.base.dimensions
    kept = _kept_dimensions(names, query.group_by)
    is_counted = query.agg is Aggregation.COUNT
    is_changed = grain != metadata.grain or len(kept) < len(names) or is_counted
    return Frame(
        grain=grain,
        rule=query.agg or Aggregation(metadata.time_aggregation),
        kept=kept,
        sort=sort_columns(query.sort, tuple(names[place] for place in kept)),
        is_plain=not (is_changed or query.fill or query.transform),
    )


def is_light(cube: Cube, plan: Plan) -> bool:
    """Guess whether a plan is run in about a millisecond."""
    source = cube.base if plan.is_plain else cube.at_hand(plan.needed)
    if source is None or source.key_count > _LIGHT_KEYS:
        return False
    codes = codes_within(plan, source, cube)
    keys = share(source, codes) * source.key_count
    rows = keys * source.row_count / max(source.key_count, 1)
    if plan.query.fill is not None:
        return rows <= _LIGHT_ROWS and _most_filled(source, plan) * keys <= _LIGHT_ROWS
    limit = plan.query.limit
    if plan.is_plain and not plan.sort and not codes and limit is not None:
        rows = min(rows, limit)
    return rows <= _LIGHT_ROWS


def window_of(index: SeriesIndex, keys: Places, plan: Plan) -> Window | None:
    """Return what a query selects in time; None for nothing.

    Args:
        index: What is read.
        keys: The keys that are selected.
        plan: The query.
    """
    query, grain = plan.query, plan.grain
    first, last = day_span(query.start, query.end)
    is_cut = query.first is not None or query.last is not None
    is_open = query.start is None or query.end is None
    # Only these two need to know how far the selection itself reaches.
    if not (is_cut or (is_open and query.fill is not None)):
        return Window(first, last, period(first, grain), period(last, grain))
    days = index.days[index.rows_of(keys, first, last)]
    if not len(days):
        return None
    low, high = period(int(days.min()), grain), period(int(days.max()), grain)
    if query.last is not None:
        return _narrowed(max(high - query.last + 1, period(FIRST_DAY, grain)), high, plan)
    if query.first is not None:
        return _narrowed(low, min(low + query.first - 1, period(LAST_DAY, grain)), plan)
    low = low if query.start is None else period(first, grain)
    high = high if query.end is None else period(last, grain)
    return Window(first, last, low, high)


def days_of(index: SeriesIndex, keys: Places, plan: Plan) -> tuple[int, int] | None:
    """Return the first and the last day that a query selects; None for nothing."""
    query = plan.query
    if query.first is not None or query.last is not None:
        window = window_of(index, keys, plan)
        return None if window is None else (window.first, window.last)
    return day_span(query.start, query.end)


def _narrowed(low: int, high: int, plan: Plan) -> Window:
    """Return the window of some periods, as far as start and end allow."""
    query, grain = plan.query, plan.grain
    first = max(first_day(low, grain), FIRST_DAY)
    last = min(first_day(high + 1, grain) - 1, LAST_DAY)
    if query.start is not None:
        first = max(first, day_number(query.start))
    if query.end is not None:
        last = min(last, day_number(query.end))
    return Window(first, last, period(first, grain), period(last, grain))


def past_of(plan: Plan, window: Window) -> int:
    """Return the first day that must be read to know what came before the window."""
    query, grain = plan.query, plan.grain
    if query.fill is Fill.CARRY:
        return FIRST_DAY
    if query.transform not in _LOOKING_BACK:
        return window.first
    if query.transform is Transform.YOY:
        long_ago = first_day(window.low, grain) - _MORE_THAN_A_YEAR
        return max(first_day(period(long_ago, grain), grain), FIRST_DAY)
    return max(first_day(window.low - 1, grain), FIRST_DAY)


def without_hole(index: SeriesIndex, rows: Places, start: int, stop: int) -> Places:
    """Leave out what a window cuts off its own first period.

    Args:
        index: Where the rows are.
        rows: Places of rows, also of periods before the window.
        start: The first day of the window's first period.
        stop: The first day of the window.
    """
    if start >= stop:
        return rows
    places = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    days = index.days[places]
    return places[(days < start) | (days >= stop)]


def codes_within(plan: Plan, source: SeriesIndex, cube: Cube) -> Mapping[int, tuple[int, ...]]:
    """Return the codes that a plan asks for, by the places of dimensions in a source."""
    codes = plan.selection.codes
    if source is cube.base:
        return codes
    return {plan.needed.index(place): wanted for place, wanted in codes.items()}


def _most_filled(source: SeriesIndex, plan: Plan) -> int:
    """Return how many periods each key may have after filling."""
    query, (first, last) = plan.query, source.bounds
    first = first if query.start is None else day_number(query.start)
    last = last if query.end is None else day_number(query.end)
    length = period(last, plan.grain) - period(first, plan.grain) + 1
    return max(length, query.first or 0, query.last or 0)


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
) -> tuple[int, ...]:
    """Return the places of dimensions to keep, in the order of the series."""
    if group_by is None:
        return tuple(range(len(dimensions)))
    return tuple(sorted({dimension_place(name, dimensions, "group_by") for name in group_by}))
