"""What stands in gaps, and what a value is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from app.pipeline.query.asked import Fill, Transform
from app.pipeline.query.calendar import Flags, Ints, year_before
from app.pipeline.query.guards import Guards
from app.pipeline.query.ratios import Ratios, Whole, roomy
from app.pipeline.query.rollup import Cells
from app.records import Grain


@dataclass(frozen=True, slots=True)
class Points:
    """The points of an answer, before they are sorted and rounded.

    Attributes:
        groups: The group of each.
        periods: The period of each.
        values: What each is.
        present: Which of them have a value.
    """

    groups: Ints
    periods: Ints
    values: Ratios
    present: Flags


@dataclass(frozen=True, slots=True)
class Span:
    """The periods of an answer.

    Attributes:
        low: The first.
        high: The last.
        oldest: The oldest that any of the selected keys has, shown or not.
    """

    low: int
    high: int
    oldest: int


class Timeline:
    """Values by group and period, with gaps filled as far as the answer and its past reach.

    Args:
        cells: The values that there are, also of periods before the answer.
        span: The periods of the answer.
        fill: What stands in gaps; None for nothing.
    """

    def __init__(self, cells: Cells, span: Span, fill: Fill | None) -> None:
        self._cells = cells
        self._span = span
        self._fill = fill
        self._low = int(cells.periods.min()) if len(cells) else 0
        self._width = int(cells.periods.max()) - self._low + 1 if len(cells) else 1
        self._numbers = cells.groups.astype(np.int64) * self._width + (cells.periods - self._low)

    def points(self, groups: Ints, guards: Guards) -> Points:
        """Return the points of the answer.

        Args:
            groups: The groups to fill, ascending.
            guards: The limits of the query.

        Raises:
            QueryTooLargeError: Filling gaps makes too many points.
        """
        span = self._span
        if self._fill is None:
            shown = self._cells.take(self._cells.periods >= span.low)
            present = np.ones(len(shown), np.bool_)
            return Points(shown.groups, shown.periods, shown.values, present)
        length = max(span.high - span.low + 1, 0)
        guards.refuse_beyond(length * len(groups), filled=True)
        every = np.repeat(groups.astype(np.int64), length)
        when = np.tile(np.arange(span.low, span.low + length), len(groups))
        return Points(every, when, *self.at(every, when))

    def at(self, groups: Ints, when: Ints) -> tuple[Ratios, Flags]:
        """Return the values of some groups at some periods, and which there are."""
        cells = self._cells
        reached = when >= min(self._span.low, self._span.oldest)
        if not len(cells):
            nothing = Ratios(np.zeros(len(groups), np.int64), 1)
            return nothing, reached if self._fill is Fill.ZERO else np.zeros_like(reached)
        inside = np.minimum(when - self._low, self._width - 1)
        wanted = groups * self._width + inside
        places = np.maximum(self._numbers.searchsorted(wanted, "right") - 1, 0)
        before = (cells.groups[places] == groups) & (cells.periods[places] <= when)
        exact = before & (cells.periods[places] == when)
        values = cells.values.take(places)
        if self._fill is Fill.CARRY:
            return values, before
        if self._fill is Fill.ZERO:
            return Ratios(np.where(exact, values.tops, 0), values.bottom), exact | reached
        return values, exact


def transformed(points: Points, timeline: Timeline, transform: Transform, grain: Grain) -> Points:
    """Return points that show the change of their values, or the sum of them.

    Args:
        points: The points of the answer, sorted by group and period.
        timeline: What stands at other periods.
        transform: What to show.
        grain: The length of a period.
    """
    if transform is Transform.CUMULATIVE:
        return _cumulative(points)
    when, exists = points.periods - 1, points.present
    if transform is Transform.YOY:
        when, exists = year_before(points.periods, grain)
    before, there = timeline.at(points.groups, when)
    present = points.present & there & exists
    if transform is Transform.CHANGE:
        values = _difference(points.values, before)
    else:
        present &= before.tops != 0
        values = _growth(points.values, before, present)
    return Points(points.groups, points.periods, values, present)


def _difference(now: Ratios, before: Ratios) -> Ratios:
    if isinstance(now.bottom, int) and isinstance(before.bottom, int):
        # Both are over the same power of ten: they come from the same cells.
        return Ratios(now.tops - before.tops, now.bottom)
    gained, lost = _product(now.tops, before.bottom), _product(before.tops, now.bottom)
    return Ratios(gained - lost, _product(np.asarray(now.bottom), before.bottom))


def _growth(now: Ratios, before: Ratios, present: Flags) -> Ratios:
    if isinstance(now.bottom, int) and isinstance(before.bottom, int):
        tops, bottom = now.tops - before.tops, before.tops
    else:
        old = _product(before.tops, now.bottom)
        tops, bottom = _product(now.tops, before.bottom) - old, old
    return Ratios(tops, np.where(present, bottom, 1))


def _cumulative(points: Points) -> Points:
    values = points.values
    if not len(points.groups):
        return points
    if isinstance(values.bottom, int):
        tops, bottom = roomy(values.tops, len(values)), values.bottom
    else:
        pairs = zip(values.tops.tolist(), values.bottom.tolist(), strict=True)
        tops, bottom = np.array([Fraction(top, below) for top, below in pairs], object), 1
    sums = np.cumsum(np.where(points.present, tops, 0))
    starts = np.flatnonzero(np.append(True, points.groups[1:] != points.groups[:-1]))
    ahead = np.append(sums[:1] * 0, sums[starts[1:] - 1])
    lengths = np.diff(np.append(starts, len(sums)))
    sums = sums - np.repeat(ahead, lengths)
    return Points(points.groups, points.periods, Ratios(sums, bottom), points.present)


def _product(numbers: Whole, factor: int | Whole) -> Whole:
    """Multiply whole numbers; the result has room for a difference of two such products."""
    largest = factor if isinstance(factor, int) else max(map(abs, factor.tolist()), default=1)
    product: Whole = roomy(numbers, int(largest)) * factor
    return product
