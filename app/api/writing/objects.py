"""Writes the points of an answer as JSON objects, from pieces that many of them share.

The date of a point is written once for all answers, its members once for all points of a key. What
comes out is what `msgspec` makes of the whole objects, byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from operator import add
from typing import Final

import msgspec
import numpy as np

from app.pipeline.contract import DATE, VALUE
from app.pipeline.query import Column, Columns, KeyPoints, iso_date

_encode: Final = msgspec.json.Encoder().encode
_NULL: Final = b"null"
_DAYS_REMEMBERED: Final = 65_536


def row_objects(found: Columns) -> bytes:
    """Return one object for each row, with commas between them and no brackets around."""
    days = found.days.tolist()
    if not days:
        return b""
    values = _encode(found.values.tolist())[1:-1].split(b",")
    if found.missing is not None:
        for place in found.missing.nonzero()[0].tolist():
            values[place] = _NULL
    begun = map(add, map(_begins.__getitem__, days), values)
    ends = _Ends(found.dimensions)
    return b",".join(map(add, begun, map(ends.__getitem__, found.keys.tolist())))


def key_objects(before: bytes, found: KeyPoints, end: bytes, after: bytes) -> bytes:
    """Return the objects of one key, between what stands before and behind them.

    Args:
        before: What stands before them.
        found: The points, at least one.
        end: The members of the key, from `key_end`.
        after: What stands behind them.
    """
    pieces = [end + b","] * (3 * len(found.days) + 1)
    pieces[0] = before
    pieces[1::3] = _begins_of(found.days.tobytes())
    pieces[2::3] = _encode(found.values.tolist())[1:-1].split(b",")
    pieces[-1] = end + after
    return b"".join(pieces)


def key_end(dimensions: tuple[Column, ...], key: int) -> bytes:
    """Return the members of a key as they stand behind each of its values.

    Args:
        dimensions: Those of the series.
        key: Its place in the series.
    """
    pairs = [_pair(one.name, one.members.texts[one.of_keys.item(key)]) for one in dimensions]
    return b"".join(pairs) + b"}"


# Series of one source have their points on the same days.
@lru_cache(maxsize=1_024)
def _begins_of(days: bytes) -> list[bytes]:
    """Return the objects of some days up to their values; nobody changes the list."""
    return [_begins[day] for day in np.frombuffer(days, np.int32).tolist()]


class _Begins(dict[int, bytes]):
    """The objects of each day up to their value."""

    def __missing__(self, day: int) -> bytes:
        begin = _encode({DATE: iso_date(day)})[:-1] + b"," + _encode(VALUE) + b":"
        if len(self) >= _DAYS_REMEMBERED:
            self.clear()
        self[day] = begin
        return begin


class _Ends(dict[int, bytes]):
    """The members of each key, as they stand behind a value."""

    def __init__(self, dimensions: tuple[Column, ...]) -> None:
        super().__init__()
        self._dimensions = dimensions

    def __missing__(self, key: int) -> bytes:
        self[key] = end = key_end(self._dimensions, key)
        return end


@lru_cache(maxsize=65_536)
def _pair(name: str, text: str) -> bytes:
    return b"," + _encode({name: text})[1:-1]


_begins: Final = _Begins()
