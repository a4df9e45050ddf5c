"""Writes the points of an answer as JSON objects, from pieces that many of them share.

The date of a point is written once for all answers, its members once for all points of a key. What
comes out is what `msgspec` makes of the whole objects, byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from operator import add
from typing import Final

import msgspec

from app.pipeline.contract import DATE, VALUE
from app.pipeline.query import Column, Columns, iso_date

_encode: Final = msgspec.json.Encoder().encode
_NULL: Final = b"null"
_DAYS_REMEMBERED: Final = 65_536
_KEYS_REMEMBERED: Final = 20_000
_SERIES_REMEMBERED: Final = 4


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
    if found.has_one_key:
        end = _ends_of(found.dimensions)[found.keys.item(0)]
        return (end + b",").join(begun) + end
    ends = _Ends(found.dimensions)
    return b",".join(map(add, begun, map(ends.__getitem__, found.keys.tolist())))


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
        pairs = [
            _pair(one.name, one.members.texts[one.of_keys.item(key)]) for one in self._dimensions
        ]
        if len(self) >= _KEYS_REMEMBERED:
            self.clear()
        self[key] = end = b"".join(pairs) + b"}"
        return end


def _ends_of(dimensions: tuple[Column, ...]) -> _Ends:
    """Return what is known of the keys of a series, whose own dimensions these are.

    Charts ask for one key after the other, and often for the same one again.
    """
    if (known := _known_ends.get(id(dimensions))) is None:
        if len(_known_ends) >= _SERIES_REMEMBERED:
            _known_ends.clear()
        # It holds the dimensions, so that no other object can get their address.
        known = _known_ends[id(dimensions)] = _Ends(dimensions)
    return known


@lru_cache(maxsize=65_536)
def _pair(name: str, text: str) -> bytes:
    return b"," + _encode({name: text})[1:-1]


_begins: Final = _Begins()
_known_ends: Final[dict[int, _Ends]] = {}
