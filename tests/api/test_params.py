"""The query string of GET /series is read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.params import Format, preferred


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Format.JSON),
        ("", Format.JSON),
        ("*/*", Format.JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Format.JSON),
        ("text/csv", Format.CSV),
        ("Text/CSV; header=present", Format.CSV),
        ("text/csv, */*;q=0.1", Format.CSV),
        ("text/csv, application/json", Format.JSON),
        ("text/csv;q=0.4, application/json;q=0.5", Format.JSON),
        ("text/csv; q = 0.9, application/*;q=0.5", Format.CSV),
        ("text/csv;q=0", Format.JSON),
        ("text/csv;q=high", Format.JSON),
        ("application/xml", Format.JSON),
    ],
)
def test_csv_comes_only_if_it_is_preferred(accept: str | None, expected: Format) -> None:
    """A caller gets CSV by saying so more clearly than anything that means JSON."""
    assert preferred(accept) is expected


@given(accept=st.text(max_size=60))
def test_no_accept_header_breaks_anything(accept: str) -> None:
    """Whatever the header holds, a format comes of it."""
    assert preferred(accept) in Format
