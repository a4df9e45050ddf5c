"""Reads rows that are all laid out alike, without parsing each of them; pure.

The service writes the rows of a page by one pattern: the same keys in the same order, and no
blanks. Then the quotes of a page tell where every value begins and ends, and numpy and Arrow find
them many times faster than a JSON parser, without the interpreter lock, so that the next page is
read meanwhile.

Nothing is taken for granted. The pattern is that of the first row; the bytes are cut into values
and what stands between them; and the rows are read only if each piece between two values is the
one of the pattern, and each value is proved to be a text or a number as JSON has them. Rows of
which that cannot be said, whatever the reason, are left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_BLANK: Final = ord(" ")
_LAST_ASCII: Final = 0x7F
_ZERO: Final = ord("0")
_DIGITS: Final = 10
_SIGN: Final = ord("-")
_POINT: Final = ord(".")
_LONGEST_ROW_BYTES: Final = 10_000
_TOO_MANY_BYTES: Final = 2**31
_FIELD: Final = rb'"([^"\\]*)":(?:("[^"\\]*")|[^",:\[\]{}\\]+)'
_ROW: Final = re.compile(rb"\{%b(?:,%b)*\}" % (_FIELD, _FIELD))
_FIELDS: Final = re.compile(_FIELD)
# RFC 8259, section 6.
_NUMBER: Final = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"
_NULL: Final = "null"

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a row is written.

    Attributes:
        names: Its keys in their order, no two alike.
        quoted: Whether the value of each key is a text; the others are numbers or null.
    """

    names: tuple[bytes, ...]
    quoted: tuple[bool, ...]

    @classmethod
    def of(cls, rows: bytes | memoryview) -> Self | None:
        """Return the pattern of the first row; None if it has none of the plain kind."""
        row = _ROW.match(bytes(rows[:_LONGEST_ROW_BYTES]))
        if row is None:
            return None
        fields = [(found[1], found[2] is not None) for found in _FIELDS.finditer(row[0], 1)]
        names, quoted = zip(*fields, strict=True)
        return None if len(set(names)) < len(names) else cls(names, quoted)

    @property
    def head(self) -> bytes:
        """What stands before the first value of a row."""
        return b'{"%b":' % self.names[0] + b'"' * self.quoted[0]

    @property
    def tail(self) -> bytes:
        """What stands after the last value of a row."""
        return b'"' * self.quoted[-1] + b"}"

    @property
    def gaps(self) -> list[bytes]:
        """What stands after each value and before the next; the last leads to the next row."""
        fields = zip(self.names, self.quoted, strict=True)
        within = [
            b'%b,"%b":%b' % (b'"' * before, name, b'"' * quoted)
            for (_, before), (name, quoted) in pairwise(fields)
        ]
        return [*within, self.tail + b"," + self.head]

    @property
    def quotes(self) -> int:
        """Quotes in a row."""
        return sum(4 if quoted else 2 for quoted in self.quoted)

    def bounds(self, quotes: Positions, size: int) -> npt.NDArray[np.int32]:
        """Return where each value begins and ends, in the order of the bytes.

        Args:
            quotes: Where the quotes are, a line for each row.
            size: Bytes of all rows.
        """
        bounds = np.empty((len(quotes), 2 * len(self.names)), np.int32)
        at = 0
        for column, quoted in enumerate(self.quoted):
            start, end = bounds[:, 2 * column], bounds[:, 2 * column + 1]
            if quoted:
                start[:], end[:] = quotes[:, at + 2] + 1, quotes[:, at + 3]
                at += 4
                continue
            start[:] = quotes[:, at + 1] + len('":')
            at += 2
            if at < quotes.shape[1]:
                end[:] = quotes[:, at] - len(",")
            else:
                end[:-1] = quotes[1:, 0] - len("},{")
                end[-1] = size - len("}")
        return bounds.reshape(-1)


class UniformRows:
    """Reads columns of rows that are all laid out alike.

    Args:
        texts: Names of the text columns.
        measure: Name of the measure column; None if there is none.
    """

    def __init__(self, texts: Iterable[str], measure: str | None) -> None:
        self._texts = tuple(text.encode() for text in texts)
        self._measure = None if measure is None else measure.encode()
        # Pages follow the same pattern mostly, so what is to stand between values is kept.
        self._known: tuple[Pattern | None, pa.Array] = (None, pa.array([], pa.string()))

    def read(self, rows: bytes | memoryview) -> pa.Table | None:
        """Return the columns as they are written; None if the rows are not proved to be uniform.

        Args:
            rows: JSON objects with commas between them.
        """
        # Places are numbers of 32 bits.
        pattern = Pattern.of(rows) if len(rows) < _TOO_MANY_BYTES else None
        if pattern is None or not self._can_be_read(pattern):
            return None
        pieces = self._pieces(rows, pattern)
        return None if pieces is None else self._columns(pieces, pattern)

    def _can_be_read(self, pattern: Pattern) -> bool:
        """Whether all columns are there, and the texts are texts."""
        kinds = dict(zip(pattern.names, pattern.quoted, strict=True))
        measured = self._measure is None or self._measure in kinds
        return measured and all(kinds.get(name, False) for name in self._texts)

    def _pieces(self, rows: bytes | memoryview, pattern: Pattern) -> pa.Array | None:
        """Cut rows into each value and what stands between it and the next, which is checked."""
        data = np.frombuffer(rows, np.uint8)
        if not _is_plain(data):
            return None
        quotes = np.flatnonzero(data == _QUOTE)
        if len(quotes) % pattern.quotes:
            return None
        bounds = pattern.bounds(quotes.reshape(-1, pattern.quotes), len(rows))
        # Only a number can be shorter than nothing.
        if (bounds[1:] < bounds[:-1]).any():
            return None
        ends = bytes(rows[: bounds[0]]), bytes(rows[bounds[-1] :])
        pieces = pa.StringArray.from_buffers(
            len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(rows)
        )
        alike = pc.equal(pieces, self._between(pattern, len(pieces)))
        if ends != (pattern.head, pattern.tail) or not pc.all(alike, min_count=0).as_py():
            return None
        return pieces

    def _between(self, pattern: Pattern, count: int) -> pa.Array:
        """Return what the pieces of rows must be: null for any value, and each gap."""
        known, gaps = self._known
        if known != pattern or len(gaps) < count:
            of_row = pa.array([text for gap in pattern.gaps for text in (None, gap)], pa.binary())
            of_row = of_row.cast(pa.string())
            gaps = of_row.take(pa.array(np.arange(count + len(of_row)) % len(of_row)))
            self._known = pattern, gaps
        return gaps.slice(0, count)

    def _columns(self, pieces: pa.Array, pattern: Pattern) -> pa.Table | None:
        step, columns = 2 * len(pattern.names), {}
        wanted = (*self._texts, *(() if self._measure is None else (self._measure,)))
        for number, (name, quoted) in enumerate(zip(pattern.names, pattern.quoted, strict=True)):
            if quoted and name not in wanted:
                continue
            values = pieces.take(pa.array(np.arange(2 * number, len(pieces), step)))
            columns[name] = values if quoted else _numbers(values)
            if columns[name] is None:
                return None
        return pa.table({name.decode(): columns[name] for name in wanted})


def _is_plain(data: npt.NDArray[np.uint8]) -> bool:
    """Whether bytes are UTF-8 without escapes and control characters."""
    if data.min() < _BLANK or (data == _BACKSLASH).any():
        return False
    if data.max() <= _LAST_ASCII:
        return True
    whole = np.array([0, len(data)], np.int32)
    try:
        text = pa.StringArray.from_buffers(1, pa.py_buffer(whole), pa.py_buffer(data))
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _numbers(texts: pa.Array) -> pa.Array | None:
    """Return the texts of JSON numbers, null for null; None if one is something else."""
    if _are_plain_numbers(texts):
        return texts
    good = pc.match_substring_regex(texts, _NUMBER)
    absent = pc.equal(texts, _NULL)
    if not pc.all(pc.or_(good, absent)).as_py():
        return None
    return pc.if_else(absent, pa.scalar(None, pa.string()), texts)


def _are_plain_numbers(texts: pa.Array) -> bool:
    """Whether all texts are JSON numbers without exponent.

    A sign stands first or nowhere, and no zero leads a digit; the rest is digits with at most one
    point among them, neither first nor last.
    """
    _, offsets, characters = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(texts) + 1)
    starts, ends = bounds[:-1], bounds[1:]
    if texts.offset or (starts >= ends).any():
        return False
    data = np.frombuffer(characters, np.uint8, ends[-1])
    digits, signs, points = data - _ZERO < _DIGITS, data == _SIGN, data == _POINT
    if not (digits | signs | points).all() or np.count_nonzero(signs) > signs[starts].sum():
        return False
    firsts, lasts = starts + signs[starts], ends - 1
    if (firsts > lasts).any() or not (digits[firsts].all() and digits[lasts].all()):
        return False
    leading = (data[firsts] == _ZERO) & (firsts < lasts) & digits[np.minimum(firsts + 1, lasts)]
    return not leading.any() and bool((np.add.reduceat(points, starts, dtype=np.int32) <= 1).all())
