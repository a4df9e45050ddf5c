"""A series with the sums that questions were asked for.

A question about some dimensions is answered from the sums over all others: thousands of cells in
place of a million rows. The sums are made when they are first needed, and kept within a bound.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import pyarrow as pa

from app.pipeline.query.guards import Guards
from app.pipeline.query.index import SeriesIndex
from app.pipeline.query.rollup import summed_by_date

KEPT_BYTES: Final = 64 * 2**20
# Sums over so many of the keys are no shorter to read than the rows themselves.
_WORTH: Final = 0.5


class Cube:
    """The index of one version of a series, and sums of it.

    Safe to share between threads: at worst the same sums are made twice.

    Attributes:
        base: The series itself.
        frames: What the planner remembers of queries of it.
        answers: What those who answer remember, as long as this is in use.

    Args:
        base: The series itself.
        kept_bytes: Sums are kept up to this size.
    """

    def __init__(self, base: SeriesIndex, kept_bytes: int = KEPT_BYTES) -> None:
        self.base = base
        self.frames: dict[Hashable, Any] = {}
        self.answers: dict[Hashable, Any] = {}
        self._kept_bytes = kept_bytes
        self._sums: dict[tuple[int, ...], SeriesIndex] = {}

    @classmethod
    def of(cls, rows: pa.Table) -> Cube:
        """Build the index of the rows of a series: sorted by dimensions, then date."""
        return cls(SeriesIndex.of(rows))

    def at_hand(self, dimensions: tuple[int, ...]) -> SeriesIndex | None:
        """Return what `over` would, if nothing must be added up for it; else None."""
        if len(dimensions) == len(self.base.dimensions):
            return self.base
        found = self._sums.pop(dimensions, None)
        if found is not None:
            self._sums[dimensions] = found  # now the newest
        return found

    def over(self, dimensions: tuple[int, ...], guards: Guards) -> SeriesIndex:
        """Return the sums over all dimensions but some; the series itself if they are no shorter.

        Args:
            dimensions: Places of the dimensions to keep, ascending.
            guards: The limits of the query.

        Raises:
            QueryTooSlowError: It took too long.
        """
        found = self.at_hand(dimensions)
        if found is None:
            found = self._made(dimensions, guards)
            self._keep(dimensions, found)
        return found

    def _made(self, dimensions: tuple[int, ...], guards: Guards) -> SeriesIndex:
        base = self.base
        groups = base.grouping(dimensions)
        guards.check()
        if groups.count > _WORTH * base.key_count:
            return base
        cells = summed_by_date(base, slice(0, base.row_count), dimensions, guards)
        return SeriesIndex(
            {base.dimensions[place]: base.members[place] for place in dimensions},
            groups.codes,
            cells.groups.searchsorted(np.arange(groups.count + 1)),
            cells.periods.astype(np.int32),
            cells.values,
            counts=cells.counts.astype(np.int32),
        )

    def _keep(self, dimensions: tuple[int, ...], made: SeriesIndex) -> None:
        self._sums[dimensions] = made
        while len(self._sums) > 1 and self._size() > self._kept_bytes:
            self._sums.pop(next(iter(self._sums)), None)

    def _size(self) -> int:
        return sum(one.nbytes for one in tuple(self._sums.values()) if one is not self.base)
