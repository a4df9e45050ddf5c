"""The breaker leaves a failing source alone, and finds out when it is back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.errors import (
    ConfigError,
    CredentialsRefusedError,
    EmptyPullError,
    ModelNotFoundError,
    SeriesError,
    SourcePausedError,
    SourceTimeoutError,
)
from app.pipeline.breaker import LONGEST_COOL_DOWN, Breaker, BreakerLimits, Circuit
from app.reports import BreakerState
from tests.fakes import START, FakeClock, a_breaker

LATE = SourceTimeoutError("No answer came.", next_step="Try again.")
REFUSED = CredentialsRefusedError("Refused.")
LIMITS = BreakerLimits(failures=3, cool_down=timedelta(seconds=60))
MINUTE = timedelta(minutes=1)


def pull(breaker: Breaker, error: BaseException | None = None) -> None:
    """Send one pull through a breaker; it ends with the error, if there is one."""
    if error is None:
        with breaker.guard():
            return
    with pytest.raises(type(error)), breaker.guard():
        raise error


def opened(clock: FakeClock) -> Breaker:
    """Return a breaker that has just opened."""
    breaker = a_breaker(clock, LIMITS)
    for error in (LATE, REFUSED, LATE):
        assert breaker.status().state is BreakerState.CLOSED
        pull(breaker, error)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """After so many, nothing is sent, and the caller learns until when and why."""
    clock = FakeClock()
    with capture_logs() as lines:
        breaker = opened(clock)
    assert (breaker.status().state, breaker.status().next_attempt) == ("open", START + MINUTE)
    with pytest.raises(SourcePausedError) as raised:
        pull(breaker)
    assert raised.value.retry_after_s == 60
    assert raised.value.sentence == (
        "The source failed 3 times in a row and is left alone until 21 Nov 2026, 14:06 UTC. "
        "The last time: No answer came. Try again."
    )
    assert [line["event"] for line in lines] == ["breaker_open"]


def test_one_pull_finds_out_whether_it_is_back() -> None:
    """After the cool-down one pull may try, others wait; a success closes the breaker."""
    clock = FakeClock()
    breaker = opened(clock)
    clock.tick(MINUTE)
    assert breaker.status().state is BreakerState.HALF_OPEN
    assert breaker.status().next_attempt is None
    refused = pytest.raises(SourcePausedError, match="finds out")
    with capture_logs() as lines, breaker.guard(), refused:
        pull(breaker)
    assert breaker.status().state is BreakerState.CLOSED
    assert [line["event"] for line in lines] == ["breaker_half_open", "breaker_closed"]


def test_each_further_failure_doubles_the_cool_down() -> None:
    """Up to a limit, so that a source that is back is noticed."""
    clock = FakeClock()
    breaker = opened(clock)
    waits = []
    for _ in range(7):
        until = breaker.status().next_attempt
        assert until is not None
        waits.append(until - clock.now())
        clock.tick(waits[-1])
        pull(breaker, LATE)
    assert waits == [MINUTE * n for n in (1, 2, 4, 8, 15, 15, 15)]


@pytest.mark.parametrize(
    "error", [EmptyPullError("Empty."), ModelNotFoundError("None.")], ids=lambda e: e.code
)
def test_an_answer_in_order_is_no_failure(error: SeriesError) -> None:
    """A source that says what is wrong with the question is there."""
    clock = FakeClock()
    breaker = a_breaker(clock, LIMITS)
    for each in (LATE, LATE, error, LATE, LATE):
        pull(breaker, each)
    assert breaker.status().state is BreakerState.CLOSED


@pytest.mark.parametrize(
    "error", [ConfigError(()), RuntimeError(), asyncio.CancelledError()], ids=type
)
def test_what_teaches_nothing_changes_nothing(error: BaseException) -> None:
    """Without an answer of the source, the count stands, and the next pull may try again."""
    clock = FakeClock()
    breaker = a_breaker(clock, LIMITS)
    for each in (LATE, LATE, error, LATE):
        pull(breaker, each)
    assert breaker.status().state is BreakerState.OPEN
    clock.tick(MINUTE)
    pull(breaker, error)
    assert breaker.status().state is BreakerState.HALF_OPEN
    pull(breaker)
    assert breaker.status().state is BreakerState.CLOSED


def test_a_clock_that_was_set_back_does_not_keep_it_open() -> None:
    """The cool-down is a length of time, not a date."""
    clock = FakeClock()
    breaker = opened(clock)
    clock.tick(timedelta(days=-1))
    assert breaker.status().state is BreakerState.HALF_OPEN
    pull(breaker)


def test_it_can_be_switched_off() -> None:
    """With 0 failures it never opens."""
    clock = FakeClock()
    breaker = a_breaker(clock, BreakerLimits(failures=0))
    for _ in range(50):
        pull(breaker, LATE)


@given(
    limits=st.builds(
        BreakerLimits, st.integers(1, 5), st.timedeltas(timedelta(seconds=1), LONGEST_COOL_DOWN)
    ),
    count=st.integers(0, 2_000),
)
def test_a_circuit_opens_exactly_when_it_should(limits: BreakerLimits, count: int) -> None:
    """For any number of failures, it is open from the limit on, and never for too long."""
    circuit = Circuit()
    for _ in range(count):
        circuit = circuit.failed(limits, START)
    assert (circuit.state(START) is BreakerState.OPEN) == (count >= limits.failures)
    assert circuit.admits(START + LONGEST_COOL_DOWN)
