"""The header `Prefer`: what is asked for is done, and what is not understood is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.prefer import LONGEST_WAIT_S, Preference, preference


@pytest.mark.parametrize(
    ("headers", "respond_async", "wait_s"),
    [
        ([], False, None),
        ([""], False, None),
        (["respond-async"], True, None),
        (["Respond-Async"], True, None),
        (["wait=10"], False, 10),
        (['wait="10"'], False, 10),
        (["respond-async, wait=10"], True, 10),
        (["wait=10", "respond-async"], True, 10),
        (["wait = 10 ; why=that"], False, 10),
        (['return=minimal; x="a, wait=1", wait=5'], False, 5),
        (["wait=5, wait=9"], False, 5),
        (["wait=0"], False, 0),
        (["wait=100000"], False, LONGEST_WAIT_S),
        (["wait=-1"], False, None),
        (["wait=1.5"], False, None),
        (["wait=٣"], False, None),
        (["wait"], False, None),
        (["wait=ten, respond-async"], True, None),
        (["respond-async=yes"], False, None),
        (["respond-asynchronously"], False, None),
        ([",,=;wait=3"], False, None),
    ],
    ids=str,
)
def test_a_header_is_read_as_the_standard_has_it(
    headers: list[str], respond_async: bool, wait_s: int | None
) -> None:
    """Case, quotes, parameters, several lines and doubled names are as in RFC 7240."""
    assert preference(headers) == Preference(respond_async, wait_s)


@pytest.mark.parametrize(
    ("wanted", "longest_s", "applied"),
    [
        (Preference(), None, ""),
        (Preference(respond_async=True), 0, "respond-async"),
        (Preference(wait_s=3), 3, "wait=3"),
        (Preference(respond_async=True, wait_s=3), 3, "respond-async, wait=3"),
    ],
)
def test_what_it_means(wanted: Preference, longest_s: int | None, applied: str) -> None:
    """Without a wish a refresh is waited for; a wait alone is a wish not to wait longer."""
    assert (wanted.longest_s, wanted.applied) == (longest_s, applied)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_no_header_is_an_error(headers: list[str]) -> None:
    """Whatever a caller sends, it is read in bounds or passed over."""
    wanted = preference(headers)
    assert wanted.wait_s is None or 0 <= wanted.wait_s <= LONGEST_WAIT_S


@given(st.booleans(), st.none() | st.integers(0, LONGEST_WAIT_S))
def test_what_was_applied_reads_back(respond_async: bool, wait_s: int | None) -> None:
    """`Preference-Applied` is itself a preference of the same meaning."""
    wanted = Preference(respond_async, wait_s)
    assert preference([wanted.applied]) == wanted


def test_a_long_header_takes_no_time() -> None:
    """Quotes that never close do not make reading slow."""
    assert preference(['a;"' * 20_000 + "," + 'b="' * 20_000]) == Preference()
