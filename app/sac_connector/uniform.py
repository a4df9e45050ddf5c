"""Reads rows that are all laid out alike, without parsing each of them; pure.

The service writes the rows of a page by one pattern: the same keys in the same order, and no
blanks. Then the colons of a page tell where every value begins and ends, or the quotes if texts
hold colons; numpy and Arrow find them many times faster than a JSON parser, without the interpreter
lock, so that the next page is read meanwhile.

Nothing is taken for granted. The pattern is that of the first row; the bytes are cut into values
and what stands between them; and the rows are read only if each piece between two values is the
one of the pattern, no quote is left for a value, and each value is proved to be a text or a number
as JSON has them. Rows of which that cannot be said, whatever the reason, are left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
class Marks:
    """How the values of a row are found by a byte that stands before each of them.

    Attributes:
        byte: The byte.
        in_row: How often it stands in a row, values apart.
        before: Which of these is the last before each value.
        distances: Bytes from that one to the value.
    """

    byte: int
    in_row: int
    before: tuple[int, ...]
    distances: tuple[int, ...]


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

    @property
    def marks(self) -> Iterator[Marks]:
        """The bytes by which values can be found, those that are fewest first."""
        row, starts = b"", []
        for before in (self.head, *self.gaps[:-1]):
            row += before
            starts.append(len(row))
        row += self.tail
        for byte in (b":", b'"'):
            yield Marks(
                byte[0],
                row.count(byte),
                tuple(row.count(byte, 0, start) - 1 for start in starts),
                tuple(start - row.rindex(byte, 0, start) for start in starts),
            )


@dataclass(frozen=True, slots=True)
class Repeated:
    """What is the same in every row, for so many rows one after the other.

    Attributes:
        pattern: How a row is written.
        rows: How many.
        gaps: What the pieces of these rows must be: null for any value, and each gap.
        widths: Bytes of the gap behind each value.
        distances: Bytes from a mark to the value, for each kind of marks.
    """

    pattern: Pattern
    rows: int
    gaps: pa.Array
    widths: Positions
    distances: tuple[Positions, ...]

    @classmethod
    def of(cls, pattern: Pattern, rows: int) -> Self:
        """Repeat a pattern."""
        gaps = pa.array([text for gap in pattern.gaps for text in (None, gap)], pa.binary())
        places = pa.array(np.tile(np.arange(len(gaps)), rows))
        return cls(
            pattern,
            rows,
            gaps.cast(pa.string()).take(places),
            np.tile([len(gap) for gap in pattern.gaps], rows),
            tuple(np.tile(marks.distances, rows) for marks in pattern.marks),
        )


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
        self._known: Repeated | None = None

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
        count, rest = divmod(int(np.count_nonzero(data == _QUOTE)), pattern.quotes)
        if rest:
            return None
        known = self._repeated(pattern, count)
        bounds = _bounds(data, count, known)
        # Of rows that are laid out in another way, these are just some places.
        if (bounds[1:] < bounds[:-1]).any():
            return None
        ends = bytes(rows[: bounds[0]]), bytes(rows[bounds[-1] :])
        pieces = pa.StringArray.from_buffers(
            len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(rows)
        )
        alike = pc.equal(pieces, known.gaps.slice(0, len(pieces)))
        if ends != (pattern.head, pattern.tail) or not pc.all(alike, min_count=0).as_py():
            return None
        # All quotes that were counted stand there, so that no value has one.
        return pieces

    def _repeated(self, pattern: Pattern, rows: int) -> Repeated:
        if self._known is None or self._known.pattern != pattern or self._known.rows < rows:
            self._known = Repeated.of(pattern, rows)
        return self._known

    def _columns(self, pieces: pa.Array, pattern: Pattern) -> pa.Table | None:
        """Return the wanted columns; None if a number is none, wanted or not."""
        fields = dict(zip(pattern.names, pattern.quoted, strict=True))
        numbers = [name for name, quoted in fields.items() if not quoted]
        taken = [*(name for name in self._wanted if fields[name]), *numbers]
        places, step = list(fields), 2 * len(fields)
        rows = len(pieces) // step + 1
        # One after the other in one array: a call costs as much as some thousand values.
        firsts = [2 * places.index(name) for name in taken]
        values = pieces.take(pa.array(np.add.outer(firsts, np.arange(rows) * step).reshape(-1)))
        columns = {name: values.slice(at * rows, rows) for at, name in enumerate(taken)}
        if numbers:
            found = _numbers(values.slice(rows * (len(taken) - len(numbers))))
            if found is None:
                return None
            columns |= {name: found.slice(at * rows, rows) for at, name in enumerate(numbers)}
        return pa.table({name.decode(): columns[name] for name in self._wanted})

    @property
    def _wanted(self) -> tuple[bytes, ...]:
        return self._texts if self._measure is None else (*self._texts, self._measure)


def _bounds(data: npt.NDArray[np.uint8], rows: int, known: Repeated) -> npt.NDArray[np.int32]:
    """Return where each value begins and ends if these are so many rows of a pattern."""
    kinds = zip(known.pattern.marks, known.distances, strict=True)
    each = ((np.flatnonzero(data == marks.byte), marks, distances) for marks, distances in kinds)
    # Texts may hold colons; of quotes there are as many as there should be, or rows were none.
    found, marks, distances = next(one for one in each if len(one[0]) == rows * one[1].in_row)
    if len(marks.before) < marks.in_row:
        found = found.reshape(rows, marks.in_row)[:, marks.before].reshape(-1)
    starts = found + distances[: len(found)]
    bounds = np.empty((len(starts), 2), np.int32)
    bounds[:, 0] = starts
    bounds[:-1, 1] = starts[1:] - known.widths[: len(starts) - 1]
    bounds[-1, 1] = len(data) - len(known.pattern.tail)
    return bounds.reshape(-1)


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
    bounds = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    first, bounds = bounds[0], bounds - bounds[0]
    starts, ends = bounds[:-1], bounds[1:]
    if (starts >= ends).any():
        return False
    data = np.frombuffer(characters, np.uint8, ends[-1], first)
    digits, signs, points = data - _ZERO < _DIGITS, data == _SIGN, data == _POINT
    if not (digits | signs | points).all() or np.count_nonzero(signs) > signs[starts].sum():
        return False
    firsts, lasts = starts + signs[starts], ends - 1
    if (firsts > lasts).any() or not (digits[firsts].all() and digits[lasts].all()):
        return False
    leading = (data[firsts] == _ZERO) & (firsts < lasts) & digits[np.minimum(firsts + 1, lasts)]
    so_far = np.cumsum(points, dtype=np.int32)
    return not leading.any() and bool((so_far[lasts] - so_far[starts] <= 1).all())
