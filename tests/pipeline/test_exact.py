"""Exact numbers between text and float64."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DataError
from app.pipeline.exact import (
    EXACT,
    first_bad_text,
    from_floats,
    from_text,
    quotients,
    to_floats,
)

texts = st.decimals(min_value=Decimal("-1e30"), max_value=Decimal("1e30"), places=20).map(str)
floats = st.floats(min_value=-1e20, max_value=1e20, allow_nan=False)


def chunked(values: list[float]) -> pa.ChunkedArray:
    """Return floats as Arrow's tables hold them."""
    return pa.chunked_array([pa.array(values, pa.float64())])


@given(st.lists(texts | st.none()))
def test_a_decimal_becomes_the_nearest_float(found: list[str | None]) -> None:
    """The way from text over exact decimals to float64 rounds once, as `float` does."""
    exact = pa.chunked_array([from_text(pa.array(found, pa.string()))])
    assert to_floats(exact).to_pylist() == [None if text is None else float(text) for text in found]


@given(st.lists(floats.filter(lambda x: x == 0 or abs(x) > 1e-13)))
def test_floats_come_back_unchanged(values: list[float]) -> None:
    """A float is the same after it has been an exact decimal; zero loses its sign."""
    back = to_floats(from_floats(chunked(values))).to_pylist()
    assert back == values
    assert not any(math.copysign(1, value) < 0 for value in back if value == 0)


@given(st.lists(st.floats(min_value=-1, max_value=1), min_size=1))
def test_what_lies_beyond_thirty_decimals_is_rounded(values: list[float]) -> None:
    """However small the floats are, the exact decimals are no further off than half a unit."""
    exact = from_floats(chunked(values)).to_pylist()
    with localcontext(prec=400):
        off = [abs(one - Decimal(repr(other))) for one, other in zip(exact, values, strict=True)]
    assert max(off) <= Decimal("5e-31")


@pytest.mark.parametrize(
    "bad",
    ["abc", "", " 1", "1 ", "NaN", "inf", "-Infinity", "1_0", "0x1", "1e36", "-1e36", "1e-31"],
)
def test_text_that_is_no_number_is_found(bad: str) -> None:
    """The index of the first bad text is found among good ones and nulls."""
    found = pa.array(["1", None, "-2.5e3", bad, "4", bad])
    assert first_bad_text(found) == 3
    with pytest.raises(pa.ArrowInvalid):
        from_text(found)


@given(st.lists(texts | st.none(), max_size=30), st.integers(0, 29))
def test_the_first_of_several_bad_texts_is_found(good: list[str | None], place: int) -> None:
    """The search by halves finds the first bad text wherever it stands, if there is any."""
    place = min(place, len(good))
    assert first_bad_text(pa.array(good, pa.string())) is None
    found = pa.array([*good[:place], "bad", *good[place:], "bad"], pa.string())
    assert first_bad_text(found) == place


def test_sums_that_could_wrap_are_refused() -> None:
    """Values are not added if their sum could exceed what an exact decimal holds."""
    with pytest.raises(DataError, match="too large"):
        from_floats(chunked([9e45, 9e45]))


@given(st.lists(st.tuples(texts, st.integers(1, 400)), min_size=1))
def test_quotients_are_rounded_once(pairs: list[tuple[str, int]]) -> None:
    """Sum by count is the float nearest to the true quotient."""
    sums = pa.chunked_array([pa.array([Decimal(text) for text, _ in pairs], EXACT)])
    counts = pa.chunked_array([pa.array([count for _, count in pairs])])
    with localcontext(prec=300):
        expected = [float(Decimal(text) / count) for text, count in pairs]
    assert quotients(sums, counts).to_pylist() == expected
