"""Exact numbers between their text, their sums and a float64; pure.

Most numbers are read and added up by Arrow, as 256-bit decimals with 30 places. Those that are
larger, smaller or longer than such a decimal are rare, and Python reads and adds them.

No text reaches a parser of Arrow before its digits and its exponent are known to be few: that of
decimals reads past the end of its own table otherwise, and returns anything, or ends the process.

Never a 128-bit decimal: its sums wrap silently. Never a direct cast from decimal to float64:
it is off by the last digit in 4 % of all cases, while the way over text is rounded correctly.

Numbers of few digits are also exact as multiples of a power of ten, and add up faster as these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from math import inf
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SCALE: Final = 30
EXACT: Final = pa.decimal256(76, SCALE)
# A float64 written out to its last digit has fewer characters.
LONGEST_CHARACTERS: Final = 1_100
_NUMBER: Final = re.compile(
    r"[+-]?(?P<digits>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]+))?", re.ASCII
)
# Exponents of the first digits of the largest and of the smallest float64.
_HIGHEST: Final = 308
_LOWEST: Final = -324
_EXPONENT_DIGITS: Final = 5
# Whatever is added: 1,100 digits behind the smallest exponent, and 10^10 of the largest numbers.
_ADDED: Final = Context(prec=3_000, traps=[Inexact])
# Texts of no more characters, without an exponent, have at most 29 digits on each side.
_SURELY_EXACT: Final = 30
# All of these are below 10^36 and have at most 30 decimals; 10^10 of them add up without a wrap.
_USUAL: Final = (
    r"\A[+-]?(?:"
    r"(?:[0-9]{1,26}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?0?[0-9])?"
    r"|[0-9](?:\.[0-9]{0,17})?[eE](?:\+?[12][0-9]|-1[0-2])"
    r")\z"
)
# Of a float64, so many digits of a decimal number are told apart from all others.
_SURE_DIGITS: Final = 15
_PLACES: Final = (2, 4, 6, 8)
_LARGEST_SUM: Final = 2**63 - 1
_MINUS: Final = ord("-")
_SLASH: Final = ord("/")
_NINE: Final = ord("9")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers.

    Attributes:
        usual: The numbers as decimals, null for null; 0 in the place of what they cannot hold.
        odd: What they cannot hold, by its place.
        bad: The place of the first text that stands for no float64; None if there is none. The
            rest is of no meaning then.
    """

    usual: pa.Array
    odd: Mapping[int, Decimal] = field(default_factory=dict)
    bad: int | None = None


def read(texts: pa.Array) -> Numbers:
    """Read numbers that are written as text, each exactly."""
    if _is_short_and_plain(texts, _SURELY_EXACT):
        try:
            return Numbers(texts.cast(EXACT))
        except pa.ArrowInvalid:
            # Signs and points in the wrong place; which one, is found below.
            pass
    usual = pc.match_substring_regex(texts, _USUAL)
    places = pc.indices_nonzero(pc.invert(usual))
    odd: dict[int, Decimal] = {}
    for place, text in zip(places.to_pylist(), texts.take(places).to_pylist(), strict=True):
        found = number(text)
        if found is None:
            return Numbers(texts, bad=place)
        odd[place] = found
    return Numbers((pc.if_else(usual, texts, "0") if odd else texts).cast(EXACT), odd)


def number(text: str) -> Decimal | None:
    """Return the number that a text stands for, exactly.

    Returns:
        None if it is no number, of too many characters, or if the nearest float64 is infinite, or
        0 though the number is not.

    >>> number("2.220446049250313E-16"), number("1E-9999999"), number("0E-9999999")
    (Decimal('2.220446049250313E-16'), None, Decimal('0'))
    """
    parts = _NUMBER.fullmatch(text) if len(text) <= LONGEST_CHARACTERS else None
    if parts is None:
        return None
    if not parts["digits"].strip("0."):
        return Decimal(0)
    if len((parts["exponent"] or "").lstrip("+-0")) > _EXPONENT_DIGITS:
        return None
    found = Decimal(text)
    fits = _LOWEST <= found.adjusted() <= _HIGHEST and 0 < abs(float(found)) < inf
    return found if fits else None


def added(one: Decimal, *others: Decimal) -> Decimal:
    """Return the exact sum of numbers."""
    for other in others:
        one = _ADDED.add(one, other)
    return one


def total(values: pa.ChunkedArray) -> Decimal:
    """Return the exact sum of floats, each taken for the shortest decimal that names it."""
    numbers = read(values.cast(pa.string()).combine_chunks())
    return added(pc.sum(numbers.usual).as_py() or Decimal(0), *numbers.odd.values())


def multiples(texts: pa.Array) -> tuple[pa.Array, int] | None:
    """Return numbers of few digits as whole multiples of a power of ten; null stays null.

    Their sums cannot wrap, whichever of them are added.

    Returns:
        The factors as int64, and how many decimals a unit of them has; None if a text is no such
        number, or something else than digits, signs and a point.
    """
    if not _is_short_and_plain(texts, _SURE_DIGITS):
        return None
    try:
        floats = texts.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    largest = float(np.abs(floats).max(initial=0.0))
    for places in _PLACES:
        unit = 10.0**places
        factors = np.rint(floats * unit)
        # Both are numbers of at most 15 digits, so that one float is one number.
        if largest * unit < 10**_SURE_DIGITS - 1 and (factors / unit == floats).all():
            if int(largest * unit + 1) * len(texts) > _LARGEST_SUM:
                return None
            absent = texts.is_null().to_numpy(zero_copy_only=False) if texts.null_count else None
            return pa.array(factors.astype(np.int64), mask=absent), places
    return None


def from_multiples(factors: pa.Array | pa.ChunkedArray, places: int) -> pa.Array:
    """Return whole multiples of a power of ten as exact decimals; null stays null."""
    if isinstance(factors, pa.ChunkedArray):
        factors = factors.combine_chunks()
    # The same digits, with the point at another place.
    return factors.cast(pa.decimal256(19, 0)).view(pa.decimal256(76, places)).cast(EXACT)


def to_floats(exact: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return exact decimals as the nearest float64; zero is never negative."""
    return exact.cast(pa.string()).cast(pa.float64())


def _is_short_and_plain(texts: pa.Array, characters: int) -> bool:
    """Whether all texts are of so few characters, and these are digits, signs or points."""
    longest = pc.max(pc.binary_length(texts)).as_py()
    if longest is None or longest > characters:
        return False
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    if bounds[0] == bounds[-1]:
        return False
    found = np.frombuffer(data, np.uint8, bounds[-1] - bounds[0], bounds[0])
    return bool(found.min() >= _MINUS and found.max() <= _NINE and not (found == _SLASH).any())
