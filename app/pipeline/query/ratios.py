"""Exact values as whole numbers over a denominator, rounded to float64 once, at the very end.

The stored floats stand for the shortest decimals that name them. Over a common power of ten these
are whole numbers, and sums, differences and averages of them stay whole numbers over another. They
are 64-bit numbers where no sum can wrap, else Python's own, which have no limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Below this two decimals of so many digits are never the same float (DBL_DIG).
_SURE_DIGITS: Final = 15
_SURE: Final = 10**_SURE_DIGITS
# A float holds every whole number up to here, so that one division is rounded once.
_FLOAT_WHOLE: Final = 2**53
# Half of what 64 bits hold: a difference of two such sums fits, too.
SUM_BOUND: Final = 2**62
_SAMPLE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ratios:
    """Exact values.

    Attributes:
        tops: Numerators, 64-bit or Python's own whole numbers (or fractions).
        bottom: What they are over: one number, or one for each.
    """

    tops: Whole
    bottom: int | Whole

    def __len__(self) -> int:
        return len(self.tops)

    def take(self, places: Any) -> Ratios:  # noqa: ANN401 - whatever numpy takes as an index
        """Return the values at some places."""
        if isinstance(self.bottom, int):
            return Ratios(self.tops[places], self.bottom)
        return Ratios(self.tops[places], self.bottom[places])

    def floats(self) -> Floats:
        """Return the nearest floats; zero is never negative, and what is too large is infinite."""
        bottom = self.bottom
        if self.tops.dtype == object or _is_long(bottom):
            return _divided(self.tops, bottom)
        found: Floats = self.tops / bottom + 0.0
        long = np.abs(self.tops) >= _FLOAT_WHOLE
        if long.any():
            below = bottom if isinstance(bottom, int) else bottom[long]
            found[long] = _divided(self.tops[long], below)
        return found


def scaled(values: Floats) -> Ratios:
    """Return floats as the decimals that name them, over a common power of ten."""
    for digits in range(_SURE_DIGITS + 1):
        scale = 10**digits
        if _whole(values[:_SAMPLE], scale) is None:
            continue
        tops = _whole(values, scale)
        if tops is not None:
            return Ratios(_summable(tops), scale)
    return _scaled_one_by_one(values.tolist())


def roomy(tops: Whole, terms: int) -> Whole:
    """Return whole numbers in a form in which the sum of so many of them cannot wrap.

    Args:
        tops: The numbers.
        terms: At most so many of the largest are added up, or multiplied by so much.
    """
    if tops.dtype == object or not len(tops):
        return tops
    largest = max(int(tops.max()), -int(tops.min()))
    if largest * terms < SUM_BOUND:
        return tops
    return tops.astype(object)


def _whole(values: Floats, scale: int) -> Whole | None:
    """Return the values times a scale if these are whole and short, else None."""
    with np.errstate(over="ignore"):
        found = np.rint(values * scale)
    if (np.abs(found) >= _SURE).any() or (found / scale != values).any():
        return None
    return found.astype(np.int64)


def _summable(tops: Whole) -> Whole:
    # The floats' own sum is off by far less than the bound leaves free.
    fits = float(np.abs(tops).sum(dtype=np.float64)) < SUM_BOUND
    return tops if fits else tops.astype(object)


def _scaled_one_by_one(values: Sequence[float]) -> Ratios:
    exact = [Decimal(repr(value)) for value in values]
    digits = max(-int(number.as_tuple().exponent) for number in exact)
    scale = 10 ** max(digits, 0)
    tops = [_times(number, scale) for number in exact]
    fits = sum(map(abs, tops)) < SUM_BOUND
    return Ratios(np.array(tops, np.int64 if fits else object), scale)


def _times(number: Decimal, scale: int) -> int:
    top, bottom = number.as_integer_ratio()
    return top * scale // bottom


def _is_long(bottom: int | Whole) -> bool:
    if isinstance(bottom, int):
        # Also a power of ten beyond 2^53 may be a float; this one is not asked that closely.
        return bottom > _FLOAT_WHOLE
    if bottom.dtype == object:
        return True
    return bool(len(bottom)) and bool((np.abs(bottom) > _FLOAT_WHOLE).any())


def _divided(tops: Whole, bottom: int | Whole) -> Floats:
    below = [bottom] * len(tops) if isinstance(bottom, int) else bottom.tolist()
    return np.array([_quotient(*pair) for pair in zip(tops.tolist(), below, strict=True)], float)


def _quotient(top: int | Fraction, bottom: int) -> float:
    # Python divides whole numbers of any length and rounds once.
    try:
        return float(top / bottom) + 0.0
    except OverflowError:
        return inf
