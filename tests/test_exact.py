"""Exact numbers between text and float64."""

from __future__ import annotations

import math
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exact import (
    LONGEST_CHARACTERS,
    added,
    from_multiples,
    multiples,
    number,
    read,
    to_floats,
    total,
)
from tests import number_texts

ROOT = Path(__file__).resolve().parent.parent
texts = st.decimals(min_value=Decimal("-1e25"), max_value=Decimal("1e25"), places=20).map(
    lambda number: format(number, "f")
)
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
every_float = st.floats(allow_nan=False, allow_infinity=False)
BAD = ["abc", "", " 1", "1 ", "NaN", "inf", "-Infinity", "1_0", "0x1", ".", "-", "1-2", "e5", "1e"]
# Each of these is read by Arrow as something else, or ends the process.
FATAL = ["1E-9999999", "0." + "0" * 400 + "1", "9" * 60 + "e-7969", "1e-325", "1.8e308", "1e999999"]


def chunked(values: list[float]) -> pa.ChunkedArray:
    """Return floats as Arrow's tables hold them."""
    return pa.chunked_array([pa.array(values, pa.float64())])


def sum_of(values: list[Decimal]) -> Decimal:
    """Add up in plain arithmetic."""
    with localcontext(prec=2_000):
        return sum(values, Decimal(0))


def whole(found: list[str | None]) -> list[Decimal | None]:
    """Read texts, and return each number wherever it was put."""
    numbers = read(pa.array(found, pa.string()))
    assert numbers.bad is None
    return [numbers.odd.get(place, usual) for place, usual in enumerate(numbers.usual.to_pylist())]


@given(st.lists(texts | st.none()))
def test_a_decimal_becomes_the_nearest_float(found: list[str | None]) -> None:
    """The way from text over exact decimals to float64 rounds once, as `float` does."""
    numbers = read(pa.array(found, pa.string()))
    assert not numbers.odd
    exact = pa.chunked_array([numbers.usual])
    assert to_floats(exact).to_pylist() == [None if text is None else float(text) for text in found]


@given(st.lists(every_float.map(repr) | texts | st.none()))
def test_whatever_a_double_holds_is_read_exactly(found: list[str | None]) -> None:
    """The smallest, the largest and the longest numbers are what Python's decimals say."""
    assert whole(found) == [None if text is None else Decimal(text) for text in found]


@given(st.lists(every_float))
def test_the_total_of_any_floats_is_exact(values: list[float]) -> None:
    """Floats add up as the decimals that name them, in any order."""
    expected = sum_of([Decimal(repr(value)) for value in values])
    assert total(chunked(values)) == total(chunked(values[::-1])) == expected


@given(st.lists(every_float.map(lambda value: Decimal(repr(value))), min_size=1))
def test_sums_of_decimals_lose_no_digit(values: list[Decimal]) -> None:
    """However far apart numbers are, each digit of their sum is kept."""
    assert added(*values) == sum_of(values)


@pytest.mark.parametrize("bad", [*BAD, *FATAL, "0" * LONGEST_CHARACTERS + "1"])
def test_text_that_is_no_number_is_found(bad: str) -> None:
    """The place of the first bad text is found among good ones, odd ones and nulls."""
    assert read(pa.array(["1", None, "-2.5e3", bad, "4", bad])).bad == 3
    assert read(pa.array(["1", None, "1e-300", bad, "4", bad])).bad == 3


@given(st.lists(texts | st.none(), max_size=30), st.integers(0, 29))
def test_the_first_of_several_bad_texts_is_found(good: list[str | None], place: int) -> None:
    """The first bad text is found wherever it stands, if there is any."""
    place = min(place, len(good))
    assert read(pa.array(good, pa.string())).bad is None
    found = pa.array([*good[:place], "bad", *good[place:], "bad"], pa.string())
    assert read(found).bad == place


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("2.220446049250313E-16", "2.220446049250313e-16"),
        ("1e-222", "1e-222"),
        ("0E-9999999", "0"),
        ("-0e+999999999999999999999", "0"),
        ("1e-" + "0" * 50 + "1", "0.1"),
        ("0" * 1_000 + "7", "7"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("2e-324", None),
        ("1.7976931348623159e308", None),
    ],
)
def test_the_ends_of_what_a_double_holds(text: str, found: str | None) -> None:
    """The smallest and the largest double are numbers, what lies beyond is none, zero always is."""
    assert number(text) == (None if found is None else Decimal(found))


@pytest.mark.parametrize("seed", range(3))
def test_no_number_ends_the_process(seed: int) -> None:
    """Digits and exponents of any size are what `decimal` says, or bad; the process lives on."""
    ended = subprocess.run(
        [sys.executable, "-m", number_texts.__name__, str(seed)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, number_texts.DONE, "")


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
        assert from_multiples(*pair).equals(read(column).usual)


@given(st.lists(nearly_short, max_size=8))
def test_multiples_are_exact_or_there_are_none(found: list[str | None]) -> None:
    """Of any texts: the very decimals that are read without them, or nothing."""
    for column in columns_of(found):
        if (pair := multiples(column)) is not None:
            assert from_multiples(*pair).equals(read(column).usual)
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


@given(st.lists(st.floats(min_value=-1e20, max_value=1e20, allow_nan=False)))
def test_zero_loses_its_sign(values: list[float]) -> None:
    """Floats are the same after they have been exact decimals, but for a negative zero."""
    numbers = read(pa.array([repr(value) for value in values], pa.string()))
    back = to_floats(pa.chunked_array([numbers.usual])).to_pylist()
    for place, value in numbers.odd.items():
        back[place] = float(value)
    assert back == values
    assert not any(math.copysign(1, value) < 0 for value in back if value == 0)
