"""The schedule keeps its pace, whatever happens; no test waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.errors import CacheMissingError, SourceTimeoutError
from app.pipeline.breaker import BreakerLimits
from app.pipeline.schedule import LONGEST_NAP, Schedule, Timetable
from app.reports import Attempt, AttemptOutcome
from tests.fakes import START, FakeAttempts, FakeClock, a_breaker

HOUR = timedelta(hours=1)
LIMITS = BreakerLimits(failures=1, cool_down=timedelta(minutes=15))
SLACK = timedelta(minutes=6)


class Bench:
    """A schedule whose sleeps tick the clock, and which ends after so many refreshes."""

    def __init__(self, every: Mapping[str, timedelta], *, jitter: float = 0.0) -> None:
        self.clock = FakeClock()
        self.attempts = FakeAttempts()
        self.breaker = a_breaker(self.clock, LIMITS)
        self.timetable = Timetable(self.breaker)
        self.done: list[tuple[str, datetime]] = []
        self.planned: list[datetime | None] = []
        self.enough = 3
        self.running = 0
        self.ended = asyncio.Event()
        self.fails: Callable[[str], None] = lambda _: None
        self.schedule = Schedule(
            self.refresh,
            every,
            self.attempts,
            self.timetable,
            self.clock,
            sleep=self.sleep,
            jitter=lambda: jitter,
        )

    async def refresh(self, dataset: str) -> None:
        """Note a refresh, which takes five minutes."""
        assert self.timetable.next_attempt(dataset) is None
        self.running += 1
        assert self.running == 1
        self.done.append((dataset, self.clock.now()))
        self.clock.tick(timedelta(minutes=5))
        await asyncio.sleep(0)
        self.running -= 1
        if len(self.done) >= self.enough:
            self.ended.set()
            await asyncio.Event().wait()
        self.fails(dataset)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        assert seconds <= LONGEST_NAP.total_seconds()
        self.planned.append(self.timetable.next_attempt("default"))
        self.clock.tick(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    async def run(self) -> list[datetime]:
        """Run until there were enough refreshes; return when they began."""
        async with self.schedule.running():
            await self.ended.wait()
        return [when for _, when in self.done]


def ended(at: datetime) -> Attempt:
    """Return an attempt that ended then."""
    return Attempt(dataset="default", outcome=AttemptOutcome.SUCCEEDED, at=at)


async def test_a_dataset_is_refreshed_at_its_pace() -> None:
    """The next refresh comes so long after the end of the last, and never while one runs."""
    bench = Bench({"default": HOUR})
    whole = HOUR + timedelta(minutes=5)
    assert await bench.run() == [START, START + whole, START + 2 * whole]
    assert bench.planned[0] == START + whole
    assert bench.timetable.next_attempt("default") is None


async def test_services_started_together_drift_apart() -> None:
    """Up to a tenth of the pace is added at random."""
    bench = Bench({"default": HOUR}, jitter=1.0)
    first, second, _ = await bench.run()
    assert first == START + SLACK
    assert second - first == HOUR + SLACK + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("ago", "wait"),
    [
        (timedelta(minutes=20), timedelta(minutes=40)),
        (3 * HOUR, timedelta()),
        (-9 * HOUR, 1.1 * HOUR),
    ],
    ids=["recent", "long ago", "in the future"],
)
async def test_a_restart_keeps_the_pace(ago: timedelta, wait: timedelta) -> None:
    """What was refreshed before the start is not refreshed too soon, nor put off for long."""
    bench = Bench({"default": HOUR})
    bench.attempts.keep(ended(START - ago))
    assert (await bench.run())[0] == START + wait


@pytest.mark.parametrize("error", [CacheMissingError("None."), RuntimeError("Oh.")])
async def test_a_failure_does_not_end_the_schedule(error: Exception) -> None:
    """Whatever a refresh raises, the next one comes in its time."""
    bench = Bench({"default": HOUR})

    def fail(_: str) -> None:
        raise error

    bench.fails = fail
    assert len(await bench.run()) == 3


async def test_a_clock_set_back_does_not_put_a_refresh_off() -> None:
    """No wait is longer than the pace and its jitter."""
    bench = Bench({"default": HOUR})
    bench.enough = 2

    def turn_back(_: str) -> None:
        bench.clock.tick(timedelta(days=-30))

    bench.fails = turn_back
    first, second = await bench.run()
    assert second - (first - timedelta(days=30)) < 2 * HOUR


async def test_an_open_breaker_puts_the_next_attempt_off() -> None:
    """While the tenant is left alone, no refresh is a real attempt."""
    bench = Bench({})
    bench.timetable.plan("default", START + timedelta(minutes=1))
    assert bench.timetable.next_attempt("default") == START + timedelta(minutes=1)
    with pytest.raises(SourceTimeoutError), bench.breaker.guard():
        raise SourceTimeoutError("No answer.")
    assert bench.timetable.next_attempt("default") == START + timedelta(minutes=15)
    assert bench.timetable.next_attempt("other") is None


async def test_without_a_pace_nothing_is_done() -> None:
    """The schedule is off by default, and stops as it began."""
    bench = Bench({})
    async with bench.schedule.running():
        await asyncio.sleep(0)
    assert bench.done == []


async def test_it_stops_while_it_sleeps() -> None:
    """Leaving the context ends the task, and what was planned is planned no more."""
    bench = Bench({"default": HOUR})
    bench.attempts.keep(ended(START))
    slept = asyncio.Event()

    async def for_ever(_: float) -> None:
        slept.set()
        await asyncio.Event().wait()

    schedule = Schedule(
        bench.refresh,
        {"default": HOUR},
        bench.attempts,
        bench.timetable,
        bench.clock,
        sleep=for_ever,
        jitter=lambda: 0.0,
    )
    async with schedule.running():
        await slept.wait()
        assert bench.timetable.next_attempt("default") == START + HOUR
    assert bench.timetable.next_attempt("default") is None
    assert bench.done == []


async def test_an_interrupted_refresh_is_made_up_for_at_once() -> None:
    """A start after one that was handed back does not wait for the pace."""
    bench = Bench({"default": HOUR}, jitter=1.0)
    bench.attempts.keep(replace(ended(START), interrupted=True))
    bench.enough = 1
    assert await bench.run() == [START]
