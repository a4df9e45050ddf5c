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
    from_multiples,
    from_text,
    multiples,
    quotients,
    to_floats,
)

texts = st.decimals(min_value=Decimal("-1e30"), max_value=Decimal("1e30"), places=20).map(str)
short = st.builds(
    lambda digits, places: str(Decimal(digits).scaleb(-places)),
    st.integers(-(10**9), 10**9),
    st.integers(0, 4),
)
# What a short number may be made of, and much that is none, or too long to be told by a float.
nearly_short = st.one_of(
    short,
    texts,
    st.text("0159-.", max_size=17),
    st.from_regex(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", fullmatch=True),
    st.sampled_from(
        ["-0", "-0.0", "00.10", "1e3", "1E-2", "inf", "NaN", "0x10", "1/2", " 1", "+1"]
    ),
    st.none(),
)
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


def columns_of(values: list[str | None]) -> list[pa.Array]:
    """Return texts as a column, and as a part of a larger one."""
    return [
        pa.array(values, pa.string()),
        pa.array(["77", None, *values, "x"], pa.string()).slice(2, len(values)),
    ]


@given(st.lists(short | st.none(), min_size=1).filter(any))
def test_numbers_of_few_digits_are_whole_multiples(found: list[str | None]) -> None:
    """As such they are the numbers that the text says, null for null."""
    for column in columns_of(found):
        pair = multiples(column)
        assert pair is not None
        assert from_multiples(*pair).equals(from_text(column))


@given(st.lists(nearly_short, max_size=8))
def test_multiples_are_exact_or_there_are_none(found: list[str | None]) -> None:
    """Of any texts: the very decimals that are read without them, or nothing."""
    for column in columns_of(found):
        if (pair := multiples(column)) is not None:
            assert from_multiples(*pair).equals(from_text(column))
            factors = [factor for factor in pair[0].to_pylist() if factor is not None]
            assert sum(map(abs, factors)) < 2**63


@pytest.mark.parametrize(
    "text", ["123456789012345", "99999999999999", "0.00000000001", "1234567.12345678"]
)
def test_numbers_that_are_not_surely_told_by_a_float_are_no_multiples(text: str) -> None:
    """At the edge of what 15 digits hold, the way over decimals is taken."""
    assert multiples(pa.array([text])) is None


def test_multiples_whose_sum_could_wrap_are_none() -> None:
    """Numbers are multiples only if whichever of them are added stay within 64 bits."""
    large = "9999999999999"
    assert multiples(pa.array([large] * 9_000)) is not None
    assert multiples(pa.array([large] * 10_000)) is None
