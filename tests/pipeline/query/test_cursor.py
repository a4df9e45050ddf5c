"""A cursor leads on, and only with its own query."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.pipeline.query import Cursor, Place, SeriesQuery, digest_of, parse_cursor

PLACES = st.lists(st.builds(Place, st.integers(0, 2**53), st.text("0123456789abcdef", max_size=12)))
QUERY = SeriesQuery(start=date(2024, 1, 1), filters={"dim_region": ("a",)})


@given(st.integers(0, 2**53), PLACES.map(tuple))
def test_a_cursor_comes_back_as_it_was(offset: int, places: tuple[Place, ...]) -> None:
    """It survives its way through a URL."""
    cursor = Cursor(offset, "digest", places)
    assert parse_cursor(cursor.text(), "digest", len(places)) == cursor
    assert cursor.text().replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda b: urlsafe_b64encode(b).decode()))
def test_any_other_text_is_refused(text: str) -> None:
    """What is no cursor is the caller's mistake, whatever it is."""
    with pytest.raises(BadQueryError) as caught:
        parse_cursor(text, "digest")
    assert caught.value.parameter == "cursor"


@pytest.mark.parametrize("forged", [[-1, "d", [[0, ""]]], [0, "d", [[-1, ""]]], [0, "d", []]])
def test_numbers_that_no_answer_has_are_refused(forged: list[object]) -> None:
    """A forged cursor cannot reach before the first row, nor before the first version."""
    text = urlsafe_b64encode(str(forged).replace("'", '"').encode()).decode()
    with pytest.raises(BadQueryError):
        parse_cursor(text, "d")


@pytest.mark.parametrize(
    "other",
    [
        replace(QUERY, start=None),
        replace(QUERY, filters={"dim_region": ("b",)}),
        replace(QUERY, filters={}, excluded={"dim_region": ("a",)}),
        replace(QUERY, last=1),
    ],
)
def test_another_query_has_another_digest(other: SeriesQuery) -> None:
    """A cursor of one query is refused with another; the size of a page makes no other query."""
    text = Cursor(1, digest_of(QUERY, ("default",)), (Place(0, ""),)).text()
    with pytest.raises(BadQueryError, match="belongs to another query"):
        parse_cursor(text, digest_of(other, ("default",)))
    with pytest.raises(BadQueryError, match="belongs to another query"):
        parse_cursor(text, digest_of(QUERY, ("cash",)))
    longer = replace(QUERY, limit=7, cursor=text)
    assert parse_cursor(text, digest_of(longer, ("default",))).offset == 1
