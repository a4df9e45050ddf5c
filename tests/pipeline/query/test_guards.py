"""What would be too large is refused in words."""

from __future__ import annotations

import pytest

from app.errors import QueryTooLargeError
from app.pipeline.query import Guards


def test_what_fits_passes() -> None:
    """As many rows as are allowed are no error, and without a deadline nothing ends a query."""
    guards = Guards(max_rows=3)
    guards.refuse_beyond(3)
    guards.check()


@pytest.mark.parametrize(("filled", "hint"), [(False, "limit, cursor"), (True, "shorter window")])
def test_the_refusal_says_how_to_narrow(filled: bool, hint: str) -> None:
    """How many rows there would be, how many may be, and what to do."""
    with pytest.raises(QueryTooLargeError) as caught:
        Guards(max_rows=3).refuse_beyond(4_000, filled=filled)
    assert "4,000 rows, and at most 3" in caught.value.problem
    assert hint in caught.value.next_step
