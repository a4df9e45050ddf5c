"""The ends of a window are read as people write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.pipeline.query import parse_end, parse_start


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-Q4", date(2024, 10, 1), date(2024, 12, 31)),
        ("2024-q1", date(2024, 1, 1), date(2024, 3, 31)),
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("9999", date(9999, 1, 1), date(9999, 12, 31)),
    ],
)
def test_a_bound_is_read_to_its_end(text: str, first: date, last: date) -> None:
    """A start is the first day of what is written, an end the last."""
    assert parse_start(text) == first
    assert parse_end(text) == last


@given(st.text(max_size=12))
def test_any_bound_is_a_date_or_an_error_that_names_its_parameter(text: str) -> None:
    """No text raises anything else, and a start never lies after its own end."""
    try:
        assert parse_start(text, "from") <= parse_end(text, "from")
    except BadQueryError as error:
        parameter = error.parameter
        assert parameter == "from"


@pytest.mark.parametrize("text", ["2024-13", "2024-02-30", "2024-Q5", "0000", "24", "٢٠٢٤", ""])
def test_a_bound_of_no_form_is_refused(text: str) -> None:
    """What is no date is shown back with the forms there are."""
    with pytest.raises(BadQueryError, match=r"end is .* no date.*2024-Q1"):
        parse_end(text)
