"""Adds up dimensions at each date, then combines dates; all sums are exact.

What is dropped is added up first, then the dates of a longer period are combined, as SAC's
exception aggregation over time does. A week belongs to the month, quarter or year that holds its
Monday.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.pipeline.query.asked import Aggregation
from app.pipeline.query.calendar import Ints, periods
from app.pipeline.query.guards import Guards
from app.pipeline.query.index import Places, SeriesIndex
from app.pipeline.query.ratios import Ratios, Whole, roomy
from app.records import Grain

# So many rows are added up between two looks at the clock.
_CHUNK: Final = 1_000_000
# Adding into a table of all possible cells beats sorting as long as it is not much larger.
_SPARE_CELLS: Final = 4
_FEW_CELLS: Final = 65_536
_COMBINE: Final[Mapping[Aggregation, np.ufunc]] = {
    Aggregation.SUM: np.add,
    Aggregation.AVG: np.add,
    Aggregation.MIN: np.minimum,
    Aggregation.MAX: np.maximum,
}


@dataclass(frozen=True, slots=True)
class Cells:
    """Values by group and period, sorted by both.

    Attributes:
        groups: The group of each.
        periods: The period of each.
        values: What each is.
        counts: How many stored points went into each.
    """

    groups: Ints
    periods: Ints
    values: Ratios
    counts: Ints

    def __len__(self) -> int:
        return len(self.groups)

    def take(self, places: Any) -> Cells:  # noqa: ANN401 - whatever numpy takes as an index
        """Return the cells at some places."""
        return Cells(
            self.groups[places],
            self.periods[places],
            self.values.take(places),
            self.counts[places],
        )


def rolled_up(
    index: SeriesIndex,
    rows: Places,
    kept: tuple[int, ...],
    how: tuple[Grain, Aggregation],
    guards: Guards,
) -> Cells:
    """Roll up some rows.

    Args:
        index: Where the rows are.
        rows: Places of rows, ascending.
        kept: Places of the dimensions that are not dropped.
        how: The grain of the result, and how the dates of one period are combined.
        guards: The limits of the query.

    Raises:
        QueryTooSlowError: It took too long.
    """
    grain, rule = how
    cells = _cells(index, rows, kept)
    guards.check()
    if kept == tuple(range(len(index.dimensions))):
        return combined(cells, grain, rule)
    if rule not in {Aggregation.SUM, Aggregation.COUNT}:
        return combined(_merged(cells, guards), grain, rule)
    # The order of adding makes no difference to a sum, so that one pass does for both.
    by_period = replace(cells, periods=periods(cells.periods, grain))
    merged = _merged(by_period, guards)
    if rule is Aggregation.COUNT:
        return replace(merged, values=Ratios(merged.counts, 1))
    return merged


def summed_by_date(
    index: SeriesIndex, rows: Places, kept: tuple[int, ...], guards: Guards
) -> Cells:
    """Add up the dropped dimensions at each date; arguments as for `rolled_up`.

    Raises:
        QueryTooSlowError: It took too long.
    """
    return _merged(_cells(index, rows, kept), guards)


def combined(cells: Cells, grain: Grain, rule: Aggregation) -> Cells:
    """Combine the dates of each period.

    Args:
        cells: Sums by group and date.
        grain: Length of the periods.
        rule: How to combine them.
    """
    longer = periods(cells.periods, grain)
    begins = _begins(cells.groups, longer)
    starts = np.flatnonzero(begins)
    counts = np.add.reduceat(cells.counts, starts) if len(starts) else cells.counts[:0]
    values = _values(cells, starts, counts, rule)
    return Cells(cells.groups[starts], longer[starts], values, counts)


def _cells(index: SeriesIndex, rows: Places, kept: tuple[int, ...]) -> Cells:
    groups = index.grouping(kept).group_of[index.keys_of(rows)]
    days = index.days[rows]
    counts = np.ones(len(days), np.int64) if index.counts is None else index.counts[rows]
    return Cells(groups, days, index.exact.take(rows), counts)


def _values(cells: Cells, starts: Ints, counts: Ints, rule: Aggregation) -> Ratios:
    if rule is Aggregation.COUNT:
        return Ratios(counts, 1)
    if not len(starts):
        return cells.values.take(slice(0))
    ends = np.append(starts[1:], len(cells))
    if rule is Aggregation.LAST:
        return cells.values.take(ends - 1)
    found = _COMBINE[rule].reduceat(cells.values.tops, starts)
    bottom = cells.values.bottom
    return Ratios(found, _times(ends - starts, bottom) if rule is Aggregation.AVG else bottom)


def _times(numbers: Ints, factor: int | Whole) -> Whole:
    wide: Whole = numbers.astype(np.int64)
    if isinstance(factor, int):
        wide = roomy(wide, factor)
    product: Whole = wide * factor
    return product


def _merged(cells: Cells, guards: Guards) -> Cells:
    """Add up cells of the same group and date, which stand in any order."""
    if not len(cells):
        return cells
    first, last = int(cells.periods.min()), int(cells.periods.max())
    span = last - first + 1
    numbers = cells.groups.astype(np.int64) * span + (cells.periods - first)
    size = (int(cells.groups.max()) + 1) * span
    add = _in_a_table if size <= _SPARE_CELLS * len(cells) + _FEW_CELLS else _by_sorting
    found, tops, counts = add(numbers, size, cells, guards)
    groups, offsets = np.divmod(found, span)
    return Cells(groups, offsets + first, Ratios(tops, cells.values.bottom), counts)


def _in_a_table(
    numbers: npt.NDArray[np.int64], size: int, cells: Cells, guards: Guards
) -> tuple[Ints, Whole, Ints]:
    tops = cells.values.tops
    sums, counts = np.zeros(size, tops.dtype), np.zeros(size, np.int64)
    for start in range(0, len(numbers), _CHUNK):
        part = slice(start, start + _CHUNK)
        np.add.at(sums, numbers[part], tops[part])
        np.add.at(counts, numbers[part], cells.counts[part])
        guards.check()
    found = np.flatnonzero(counts)
    return found, sums[found], counts[found]


def _by_sorting(
    numbers: npt.NDArray[np.int64], size: int, cells: Cells, guards: Guards
) -> tuple[Ints, Whole, Ints]:
    del size
    order = np.argsort(numbers, kind="stable")
    guards.check()
    ordered = numbers[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sums = np.add.reduceat(cells.values.tops[order], starts)
    return ordered[starts], sums, np.add.reduceat(cells.counts[order], starts)


def _begins(groups: Ints, numbers: Ints) -> npt.NDArray[np.bool_]:
    begins = np.ones(len(groups), np.bool_)
    begins[1:] = (groups[1:] != groups[:-1]) | (numbers[1:] != numbers[:-1])
    return begins
