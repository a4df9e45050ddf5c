"""A series as numpy sees it: distinct members, runs of dates, and exact values.

Rows are sorted by dimensions, then date, so that all dates of one key (one member of each
dimension) stand side by side. Questions about members are asked of the keys, which are far fewer
than the rows. What a question needs beyond that is made when it is first asked, and kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from app.pipeline.contract import DATE, VALUE, dimensions_of
from app.pipeline.query.calendar import Days, Ints
from app.pipeline.query.ratios import SUM_BOUND, Floats, Ratios, scaled

Places = slice | npt.NDArray[np.int64]
_LARGEST_CODE: Final = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Members:
    """The members of one dimension, sorted by their UTF-8 bytes; a code is a place among them.

    Attributes:
        texts: The members.
        codes: The code of each.
        arrow: The same as an Arrow array.
    """

    texts: tuple[str, ...]
    codes: dict[str, int]
    arrow: pa.Array

    @classmethod
    def of(cls, arrow: pa.Array) -> Members:
        """Take a sorted array of distinct texts."""
        texts = tuple(arrow.to_pylist())
        return cls(texts, {text: code for code, text in enumerate(texts)}, arrow)

    def __len__(self) -> int:
        return len(self.texts)

    def beginning_with(self, prefix: str) -> range:
        """Return the codes of the members that begin with a text."""
        # Texts sort by code points as their UTF-8 bytes do, so that these stand side by side.
        last = prefix.rstrip(chr(_LARGEST_CODE))
        first = bisect_left(self.texts, prefix)
        if not last:
            return range(first, len(self.texts))
        return range(first, bisect_left(self.texts, last[:-1] + _after(last[-1])))


@dataclass(frozen=True, slots=True)
class Column:
    """One dimension of an answer, or of a series.

    Attributes:
        name: Its name.
        of_keys: For each key the place of its member.
        members: The members.
    """

    name: str
    of_keys: Ints
    members: Members


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which keys become one when dimensions are dropped.

    Attributes:
        group_of: The group of each key; groups are sorted by the dimensions that are kept.
        codes: The codes of each group, for each dimension kept.
        count: How many groups there are.
    """

    group_of: Ints
    codes: tuple[Ints, ...]
    count: int


class SeriesIndex:
    """One version of a series, or sums of it over some dimensions.

    Attributes:
        dimensions: Names of the dimensions.
        place_of: Where each stands among them.
        members: The members of each.
        sizes: How many members each has.
        codes: The code of each key, for each dimension; keys are sorted by them.
        offsets: Where the rows of each key begin; one more than there are keys.
        days: The date of each row.
        counts: How many stored points each row stands for; None for one each.
    """

    def __init__(
        self,
        members: dict[str, Members],
        codes: Sequence[Ints],
        offsets: npt.NDArray[np.int64],
        days: Days,
        values: Floats | Ratios,
        *,
        counts: Ints | None = None,
    ) -> None:
        self.dimensions = tuple(members)
        self.place_of = {name: place for place, name in enumerate(self.dimensions)}
        self.members = tuple(members.values())
        self.codes = tuple(codes)
        self.sizes = tuple(len(one) for one in self.members)
        self.offsets = offsets
        self.days = days
        self.counts = counts
        self._stored = None if isinstance(values, Ratios) else values
        self._exact = values if isinstance(values, Ratios) else None
        self._groupings: dict[tuple[int, ...], Grouping] = {}
        self._postings: dict[int, tuple[Ints, Ints]] = {}

    @classmethod
    def of(cls, rows: pa.Table) -> SeriesIndex:
        """Build the index of the rows of a series: sorted by dimensions, then date."""
        names = dimensions_of(rows.schema)
        days = numbers(rows[DATE], np.int32)
        found = [encoded(rows[name]) for name in names]
        starts = _key_starts([codes for _, codes in found], rows.num_rows)
        members = {name: texts for name, (texts, _) in zip(names, found, strict=True)}
        codes = [column[starts].astype(_smallest(len(texts))) for texts, column in found]
        offsets = np.append(starts, rows.num_rows)
        made = cls(members, codes, offsets, days, numbers(rows[VALUE], np.float64))
        # Here, where nobody waits, and not with the first question.
        made._warm()
        return made

    def _warm(self) -> None:
        """Make what almost every question needs."""
        _ = self.key_of_row, self.ranks, self.bounds

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All dimensions."""
        return tuple(map(Column, self.dimensions, self.codes, self.members))

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.days)

    @property
    def key_count(self) -> int:
        """How many keys there are."""
        return len(self.offsets) - 1

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The first and the last date; of an empty series two that no date lies between."""
        if not len(self.days):
            return 0, -1
        return int(self.days.min()), int(self.days.max())

    @cached_property
    def key_of_row(self) -> Ints:
        """The key of each row."""
        keys = np.arange(self.key_count, dtype=np.int32)
        found: Ints = np.repeat(keys, np.diff(self.offsets))
        return found

    @property
    def stored(self) -> Floats:
        """The value of each row as a float."""
        return self.exact.floats() if self._stored is None else self._stored

    @property
    def exact(self) -> Ratios:
        """The exact values."""
        if self._exact is None:
            self._exact = scaled(self.stored)
        return self._exact

    @cached_property
    def nbytes(self) -> int:
        """Bytes that the arrays take, without the members, which are shared."""
        arrays = [*self.codes, self.offsets, self.days]
        arrays += [] if self.counts is None else [self.counts]
        wide = 0 if self._exact is None else self._exact.tops.nbytes
        # As much as the dates: the key of each row, once it was asked for.
        return wide + self.days.nbytes + sum(array.nbytes for array in arrays)

    @cached_property
    def ranks(self) -> npt.NDArray[np.int64] | None:
        """One sorted number for each key, made of its codes; None if they would not fit."""
        ranks = np.zeros(self.key_count, np.int64)
        size = 1
        for column, found in zip(self.codes, self.sizes, strict=True):
            size *= max(found, 1)
            if size >= SUM_BOUND:
                return None
            ranks = ranks * found + column
        return ranks

    def posting(self, dimension: int, code: int) -> Ints:
        """Return the keys that have a member, in their order."""
        if dimension not in self._postings:
            column = self.codes[dimension]
            order: Ints = np.argsort(column, kind="stable").astype(np.int32)
            counts = np.bincount(column, minlength=self.sizes[dimension])
            self._postings[dimension] = order, np.append(0, np.cumsum(counts))
        keys, ends = self._postings[dimension]
        return keys[ends[code] : ends[code + 1]]

    def grouping(self, kept: tuple[int, ...]) -> Grouping:
        """Return what keys become if only these dimensions are kept."""
        if kept not in self._groupings:
            self._groupings[kept] = self._grouped(kept)
        return self._groupings[kept]

    def rows_of(self, keys: Places, first: int, last: int) -> Places:
        """Return the rows of some keys whose dates lie in a window, in their order.

        Args:
            keys: Places of keys, ascending.
            first: First day.
            last: Last day.
        """
        lowest, highest = self.bounds
        whole = first <= lowest and highest <= last
        if isinstance(keys, slice):
            start, stop = self.offsets.item(keys.start), self.offsets.item(keys.stop)
            if whole:
                return slice(start, stop)
            days = self.days[start:stop]
            if keys.stop - keys.start == 1:
                ends = days.searchsorted(np.array((first, last + 1), np.int32)).tolist()
                return slice(start + ends[0], start + ends[1])
            return np.flatnonzero((days >= first) & (days <= last)) + start
        rows = _spread(self.offsets[keys], self.offsets[keys + 1])
        if whole:
            return rows
        days = self.days[rows]
        return rows[(days >= first) & (days <= last)]

    def keys_of(self, rows: Places) -> Ints:
        """Return the key of each of some rows."""
        return self.key_of_row[rows]

    def _grouped(self, kept: tuple[int, ...]) -> Grouping:
        if kept == tuple(range(len(self.dimensions))):
            return Grouping(np.arange(self.key_count), self.codes, self.key_count)
        ranks = np.zeros(self.key_count, np.int64)
        size = 1
        for dimension in kept:
            found = self.sizes[dimension]
            if size * found >= SUM_BOUND:
                distinct, inverse = np.unique(ranks, return_inverse=True)
                ranks, size = inverse.astype(np.int64), len(distinct)
            ranks = ranks * found + self.codes[dimension]
            size *= found
        first, group_of = _ranked(ranks, size)
        codes = tuple(self.codes[dimension][first] for dimension in kept)
        return Grouping(group_of, codes, len(first))


def all_keys(index: SeriesIndex) -> slice:
    """Return the places of all keys."""
    return slice(0, index.key_count)


def count_of(places: Places) -> int:
    """Return how many places there are."""
    return places.stop - places.start if isinstance(places, slice) else len(places)


def part_of(places: Places, start: int, stop: int) -> Places:
    """Return some of the places, counted from 0."""
    if isinstance(places, slice):
        last = min(places.start + stop, places.stop)
        return slice(min(places.start + start, last), last)
    return places[start:stop]


def encoded(column: pa.ChunkedArray) -> tuple[Members, Ints]:
    """Return the sorted members of a column of texts, and the code of each row."""
    one = column.dictionary_encode().unify_dictionaries().combine_chunks()
    if isinstance(one, pa.ChunkedArray):
        one = one.chunk(0) if one.num_chunks else pa.array([], one.type)
    order = pc.sort_indices(one.dictionary).to_numpy()
    codes = np.empty(len(order), np.int32)
    codes[order] = np.arange(len(order), dtype=np.int32)
    members = Members.of(one.dictionary.take(pa.array(order)))
    return members, codes[one.indices.to_numpy(zero_copy_only=False)]


def numbers(column: pa.ChunkedArray, kind: type[np.generic]) -> Any:  # noqa: ANN401 - of that kind
    """Return the dates or values of a column without a copy, if it has one chunk."""
    whole = column.combine_chunks()
    chunks = whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]
    if not chunks:
        return np.empty(0, kind)
    array = chunks[0]
    if pa.types.is_date32(array.type):
        array = array.view(pa.int32())
    return array.to_numpy(zero_copy_only=False)


def _ranked(numbers: npt.NDArray[np.int64], size: int) -> tuple[Ints, Ints]:
    """Return where each distinct number stands first, and the rank of each number.

    Args:
        numbers: Numbers from 0.
        size: One more than the largest that is possible.
    """
    if size > 4 * len(numbers) + 1024:
        _, first, ranks = np.unique(numbers, return_index=True, return_inverse=True)
        return first, ranks.astype(np.int32)
    places = np.full(size, -1, np.int64)
    places[numbers[::-1]] = np.arange(len(numbers))[::-1]
    found = places >= 0
    return places[found], (np.cumsum(found, dtype=np.int32) - 1)[numbers]


def _spread(starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return all places from each start to its stop."""
    lengths = stops - starts
    ends = lengths.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    places: npt.NDArray[np.int64] = np.arange(total) + np.repeat(starts - ends + lengths, lengths)
    return places


def _key_starts(columns: Sequence[Ints], rows: int) -> npt.NDArray[np.int64]:
    """Return the rows at which another key begins."""
    begins = np.zeros(rows, np.bool_)
    begins[:1] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(begins)


def _smallest(count: int) -> npt.DTypeLike:
    return np.min_scalar_type(max(count - 1, 0))


def _after(letter: str) -> str:
    following = ord(letter) + 1
    # Between these two there are no letters, only halves of pairs.
    return chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)  # noqa: PLR2004
