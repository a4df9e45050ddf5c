"""Finds the points of one key: what a chart of one series asks for, by far the most often."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.pipeline.query.calendar import Days
from app.pipeline.query.index import SeriesIndex
from app.pipeline.query.ratios import Floats

Ranks = npt.NDArray[np.int64]


class KeyPoints(NamedTuple):
    """The points of one key in a window.

    Attributes:
        key: Its place in the series.
        days: The date of each point, in days since 1970, ascending.
        values: The value of each.
    """

    key: int
    days: Days
    values: Floats


class KeyLookup:
    """Finds keys by their members.

    Everything is looked up in memory as it stands: numpy takes longer to begin than this takes.

    Args:
        index: The series.
        ranks: Its ranks.
        places: The place of each dimension in which a member is given, in that order.
    """

    __slots__ = ("_codes", "_days", "_index", "_offsets", "_ranks")

    def __init__(self, index: SeriesIndex, ranks: Ranks, places: Sequence[int]) -> None:
        self._index = index
        self._ranks = ranks.data
        self._offsets = index.offsets.data
        self._days = index.days.data
        # A rank counts through all combinations of members, the last dimension fastest.
        steps = [*accumulate(reversed(index.sizes[1:]), mul, initial=1)][::-1]
        self._codes = [(index.members[place].codes, steps[place]) for place in places]

    @classmethod
    def of(cls, index: SeriesIndex, names: Sequence[str]) -> KeyLookup | None:
        """Return a look-up by members that are given in some order.

        Args:
            index: The series.
            names: The dimension of each member.

        Returns:
            None if the names are not those of all dimensions, once each, or if there are too many
            combinations of members to count.
        """
        ranks = index.ranks
        if ranks is None or sorted(names) != sorted(index.dimensions):
            return None
        return cls(index, ranks, [index.place_of[name] for name in names])

    def find(self, members: Sequence[str], first: int, last: int) -> KeyPoints | None:
        """Return the points of a key in a window.

        Args:
            members: In the order that was agreed.
            first: First day.
            last: Last day.

        Returns:
            None if there is no such member, no such key, or no point of it in the window.
        """
        rank = 0
        for (codes, step), member in zip(self._codes, members, strict=True):
            code = codes.get(member)
            if code is None:
                return None
            rank += code * step
        ranks = self._ranks
        key = bisect_left(ranks, rank)
        if key == len(ranks) or ranks[key] != rank:
            return None
        days, end = self._days, self._offsets[key + 1]
        start = bisect_left(days, first, self._offsets[key], end)
        stop = bisect_right(days, last, start, end)
        if start == stop:
            return None
        index = self._index
        return KeyPoints(key, index.days[start:stop], index.stored[start:stop])
