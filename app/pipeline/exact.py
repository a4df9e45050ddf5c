"""Exact sums: numbers as 256-bit decimals between their text and a float64.

Never a 128-bit decimal: its sums wrap silently. Never a direct cast from decimal to float64:
it is off by the last digit in 4 % of all cases, while the way over text is rounded correctly.

Numbers of few digits are also exact as multiples of a power of ten, and add up faster as these.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from app.errors import DataError

SCALE = 30
EXACT = pa.decimal256(76, SCALE)
# A value stays below 10^36 and a sum holds 10^46, so that 10^10 rows add up without a wrap.
VALUE_LIMIT = Decimal("1e36")
SUM_LIMIT = Decimal("1e46")
_WIDE = Context(prec=160)
# Of a float64, so many digits of a decimal number are told apart from all others.
_SURE_DIGITS: Final = 15
_PLACES: Final = (2, 4, 6, 8)
_LARGEST_SUM: Final = 2**63 - 1
_MINUS: Final = ord("-")
_SLASH: Final = ord("/")
_NINE: Final = ord("9")


def first_bad_text(texts: pa.Array) -> int | None:
    """Return the index of the first text that is no number below the limit; None if all are.

    A null is not bad. At most 30 decimals are exact; a text with more is bad.
    """
    if _is_exact(texts):
        return None
    good, bad = 0, len(texts)
    while bad - good > 1:
        middle = (good + bad) // 2
        if _is_exact(texts.slice(good, middle - good)):
            good = middle
        else:
            bad = middle
    return good


def from_text(texts: pa.Array) -> pa.Array:
    """Return numbers written as text as exact decimals; null stays null.

    Raises:
        pa.ArrowInvalid: A text is no number, has more than 30 decimals, or is too large.
    """
    exact = texts.cast(EXACT)
    limit = pa.scalar(VALUE_LIMIT, EXACT)
    largest = pc.max(pc.abs(exact))
    if largest.is_valid and pc.greater_equal(largest, limit).as_py():
        raise pa.ArrowInvalid(f"a value is not below {VALUE_LIMIT}")
    return exact


def multiples(texts: pa.Array) -> tuple[pa.Array, int] | None:
    """Return numbers of few digits as whole multiples of a power of ten; null stays null.

    Their sums cannot wrap, whichever of them are added.

    Returns:
        The factors as int64, and how many decimals a unit of them has; None if a text is no such
        number, or something else than digits, signs and a point.
    """
    if not _is_short_and_plain(texts):
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


def _is_short_and_plain(texts: pa.Array) -> bool:
    """Whether all texts are of few characters, and these are digits, signs or points."""
    longest = pc.max(pc.binary_length(texts)).as_py()
    if longest is None or longest > _SURE_DIGITS:
        return False
    _, offsets, characters = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    if bounds[0] == bounds[-1]:
        return False
    data = np.frombuffer(characters, np.uint8, bounds[-1] - bounds[0], bounds[0])
    return bool(data.min() >= _MINUS and data.max() <= _NINE and not (data == _SLASH).any())


def from_floats(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return floats as the shortest decimals that name them: 0.1 is 0.1, and no more.

    What lies beyond the 30th decimal is rounded.

    Raises:
        DataError: The values are so large that their sum could wrap.
    """
    _check_sum(values)
    texts = values.cast(pa.string())
    try:
        return texts.cast(EXACT)
    except pa.ArrowInvalid:
        rounded = [_rounded(text) for text in texts.to_pylist()]
        return pa.chunked_array([pa.array(rounded, EXACT)])


def to_floats(exact: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return exact decimals as the nearest float64; zero is never negative."""
    return exact.cast(pa.string()).cast(pa.float64())


def quotients(sums: pa.ChunkedArray, counts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return sum by count as the nearest float64, rounded once."""
    pairs = zip(sums.to_pylist(), counts.to_pylist(), strict=True)
    # Arrow's own division cuts the result off at a fixed scale, so small quotients lose digits.
    ratios = [float(_WIDE.divide(total, Decimal(count))) for total, count in pairs]
    return pa.chunked_array([pa.array(ratios, pa.float64())])


def _is_exact(texts: pa.Array) -> bool:
    try:
        from_text(texts)
    except pa.ArrowInvalid:
        return False
    return True


def _check_sum(values: pa.ChunkedArray) -> None:
    largest = pc.max(pc.abs(values)).as_py() or 0.0
    if Decimal(largest) * max(len(values), 1) >= SUM_LIMIT:
        raise DataError(
            f"{len(values)} values of up to {largest:.3g} are too large to be added exactly.",
            next_step="Scale the measure in the source.",
        )


def _rounded(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal(1).scaleb(-SCALE), context=_WIDE)
