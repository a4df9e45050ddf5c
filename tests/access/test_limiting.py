"""Nobody asks more often than is allowed, and each is told when to come back."""

from __future__ import annotations

import time
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse

from app.access.limiting import USUAL, Bucket, Limiter, network, pace
from app.errors import TooManyRequestsError

# A window that no test outlasts.
THREE = parse("3/hour")


def test_the_one_too_many_is_refused() -> None:
    """Three are let through and no fourth, with the wait until the window ends."""
    limiter = Limiter({Bucket.REFRESHES: THREE})
    for _ in range(3):
        limiter.check(Bucket.REFRESHES, "a")
        limiter.count(Bucket.REFRESHES, "a")
    for ask in (limiter.count, limiter.check):
        with pytest.raises(TooManyRequestsError, match="more than 3 refreshes in 3600 s") as error:
            ask(Bucket.REFRESHES, "a")
        assert 3_500 < error.value.retry_after_s <= 3_600


def test_callers_and_kinds_are_counted_apart() -> None:
    """One caller's requests are not another's, and refreshes are not checks of the login."""
    limiter = Limiter({Bucket.REFRESHES: THREE, Bucket.LOGIN_CHECKS: THREE})
    for _ in range(3):
        for who in ("a", "b"):
            limiter.count(Bucket.REFRESHES, who)
            limiter.count(Bucket.LOGIN_CHECKS, who)
    with pytest.raises(TooManyRequestsError):
        limiter.count(Bucket.REFRESHES, "a")
    limiter.count(Bucket.REFRESHES, "c")


def test_what_has_no_limit_is_not_counted() -> None:
    """Without a pace everything is let through, and nothing is left to tell."""
    limiter = Limiter({Bucket.CALLS: None})
    for _ in range(100):
        limiter.count(Bucket.CALLS, "a")
        limiter.check(Bucket.CALLS, "a")
    assert limiter.left(Bucket.CALLS, "a") is None


class Seconds:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its length, and not before, the count begins anew."""
    seconds = Seconds()
    monkeypatch.setattr(time, "time", seconds)
    limiter = Limiter({Bucket.REFRESHES: THREE})
    for _ in range(3):
        limiter.count(Bucket.REFRESHES, "a")
        seconds.now += 100
    seconds.now = 4_599.0
    with pytest.raises(TooManyRequestsError) as error:
        limiter.count(Bucket.REFRESHES, "a")
    assert error.value.retry_after_s == 1
    seconds.now = 4_600.0
    limiter.check(Bucket.REFRESHES, "a")
    limiter.count(Bucket.REFRESHES, "a")
    left = limiter.left(Bucket.REFRESHES, "a")
    assert left is not None
    assert (left.remaining, left.reset_s) == (2, 3_600)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2_000)), max_size=60))
def test_no_window_holds_more_than_the_limit(requests: list[tuple[str, int]]) -> None:
    """However requests are spread, from the first of a window on no more than three get through."""
    seconds = Seconds()
    limiter = Limiter({Bucket.CALLS: THREE})
    opened: dict[str, tuple[float, int]] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "time", seconds)
        for who, wait in requests:
            seconds.now += wait
            start, passed = opened.get(who, (-1e9, 0))
            if seconds.now - start >= 3_600:
                start, passed = seconds.now, 0
            try:
                limiter.count(Bucket.CALLS, who)
            except TooManyRequestsError:
                assert passed == 3
            else:
                passed += 1
            assert passed <= 3
            opened[who] = start, passed


def test_what_is_left_is_told() -> None:
    """Limit, window, rest and the seconds until it starts anew."""
    limiter = Limiter({Bucket.REFRESHES: THREE})
    limiter.count(Bucket.REFRESHES, "a")
    left = limiter.left(Bucket.REFRESHES, "a")
    assert left is not None
    assert (left.limit, left.window_s, left.remaining) == (3, 3_600, 2)
    assert 3_500 < left.reset_s <= 3_600


@pytest.mark.parametrize("bucket", Bucket)
def test_the_usual_paces_can_be_read(bucket: Bucket) -> None:
    """Every kind has one, and it is a limit."""
    assert pace(USUAL[bucket]) is not None


@given(st.integers(1, 10**6), st.sampled_from(["second", "minute", "hour", "day"]))
def test_a_pace_is_read(amount: int, unit: str) -> None:
    """A number per unit of time."""
    item = pace(f"{amount}/{unit}")
    assert item is not None
    assert item.amount == amount
    assert item.get_expiry() == {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[unit]


@pytest.mark.parametrize("text", ["none", " NONE "])
def test_no_pace_is_said_in_a_word(text: str) -> None:
    """`none` switches a limit off."""
    assert pace(text) is None


@given(st.text(max_size=60))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    """A malformed pace is a `ValueError` with what was found, or it is one."""
    try:
        item = pace(text)
    except ValueError as error:
        found = str(error)
        assert found.startswith("'")
        assert len(found) < 60
    else:
        assert item is None or item.amount > 0


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_neighbours_of_a_network_are_counted_together(top: int, one: int, other: int) -> None:
    """Whoever has a /64 to choose addresses from is one caller, and not the one next door."""
    first, second = (str(IPv6Address(top << 64 | host)) for host in (one, other))
    assert network(first) == network(second)
    assert network(str(IPv6Address((top ^ 1) << 64 | one))) != network(first)


def test_addresses_are_known_in_any_form() -> None:
    """IPv4 as IPv6 is the same caller; what is no address stands for itself."""
    assert network("::ffff:10.0.0.1") == network("10.0.0.1") == "10.0.0.1"
    assert network("10.0.0.2") != network("10.0.0.1")
    assert network(None) == network("") == "unknown"
    assert network("testclient") == "testclient"
