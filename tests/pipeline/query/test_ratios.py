"""Exact values are rounded once, and never wrap."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.query.ratios import SUM_BOUND, Ratios, roomy, scaled

FLOATS = st.floats(-1e40, 1e40, allow_nan=False).map(lambda value: value + 0.0)
CENTS = st.decimals(-(10**12), 10**12, places=2).map(float).map(lambda value: value + 0.0)
WHOLE = st.integers(-(10**30), 10**30)


def fractions(found: Ratios) -> list[Fraction]:
    """Return the exact values."""
    bottoms = found.bottom
    below = [bottoms] * len(found) if isinstance(bottoms, int) else bottoms.tolist()
    return [Fraction(top, bottom) for top, bottom in zip(found.tops.tolist(), below, strict=True)]


@given(st.lists(st.one_of(FLOATS, CENTS), max_size=20) | st.lists(CENTS, max_size=20))
def test_floats_are_the_decimals_that_name_them(values: list[float]) -> None:
    """Each is its shortest decimal, exactly, and rounds back to itself."""
    found = scaled(np.array(values, np.float64))
    assert fractions(found) == [Fraction(repr(value)) for value in values]
    assert found.floats().tolist() == values


@given(st.lists(CENTS, min_size=1, max_size=20))
def test_money_takes_64_bits(values: list[float]) -> None:
    """What has few digits is not slowed down by what might have more."""
    assert scaled(np.array(values)).tops.dtype == np.int64


def test_sums_that_could_wrap_are_python_s_own() -> None:
    """Values whose sum has no room in 64 bits are kept as numbers without a limit."""
    found = scaled(np.array([9e14] * 10_000))
    assert found.tops.dtype == object
    assert sum(fractions(found)) == 9 * 10**18
    assert roomy(np.array([SUM_BOUND // 2]), 2).dtype == object
    assert roomy(np.array([-SUM_BOUND // 2 + 1]), 2).dtype == np.int64
    assert roomy(np.empty(0, np.int64), 2).dtype == np.int64


@given(st.lists(st.tuples(WHOLE, WHOLE.filter(bool)), min_size=1, max_size=9))
def test_a_quotient_is_the_nearest_float(pairs: list[tuple[int, int]]) -> None:
    """Every ratio is rounded once, however long its numbers are."""
    tops, bottoms = (np.array(part, object) for part in zip(*pairs, strict=True))
    assert Ratios(tops, bottoms).floats().tolist() == [
        float(Fraction(top, bottom)) for top, bottom in pairs
    ]


@given(
    st.lists(
        st.tuples(st.integers(-(2**62), 2**62), st.integers(-(2**60), 2**60).filter(bool)),
        min_size=1,
        max_size=9,
    )
)
def test_64_bit_quotients_are_the_nearest_floats(pairs: list[tuple[int, int]]) -> None:
    """Also where a float does not hold the numbers themselves."""
    tops, bottoms = (np.array(part, np.int64) for part in zip(*pairs, strict=True))
    expected = [float(Fraction(top, bottom)) for top, bottom in pairs]
    assert Ratios(tops, bottoms).floats().tolist() == expected
    whole = [float(Fraction(top, 100)) for top, _ in pairs]
    assert Ratios(tops, 100).floats().tolist() == whole


@pytest.mark.parametrize("bottom", [7, -7])
def test_zero_is_never_negative(bottom: int) -> None:
    """Nothing over something is plain zero."""
    found = Ratios(np.array([0]), np.array([bottom])).floats()
    assert not np.signbit(found).any()


def test_what_no_float_holds_is_infinite() -> None:
    """Whoever shows it must say that there is no value."""
    found = Ratios(np.array([10**400], object), 1).floats()
    assert np.isinf(found).all()
