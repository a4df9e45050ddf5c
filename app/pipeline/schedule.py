"""Refreshes datasets by itself, each at its own pace and never twice at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Final

import structlog

from app.errors import SeriesError
from app.pipeline.breaker import Breaker
from app.pipeline.ports import AttemptStore, Clock

# Services that were started together must not stay in step for ever.
JITTER_SHARE: Final = 0.1
# The clock is looked at again after so long: a machine may have slept, or its clock been set.
LONGEST_NAP: Final = timedelta(minutes=1)

_RANDOM: Final = SystemRandom()

log = structlog.get_logger(__name__)


class Timetable:
    """Knows when each dataset will be refreshed without being asked.

    Args:
        breaker: Stands before the tenant; while it is open, nothing is really tried.
    """

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._due: dict[str, datetime] = {}

    def next_attempt(self, dataset: str) -> datetime | None:
        """Return when a dataset will be refreshed; None if nothing is planned."""
        due = self._due.get(dataset)
        if due is None:
            return None
        reopens = self._breaker.status().next_attempt
        return due if reopens is None else max(due, reopens)

    def plan(self, dataset: str, due: datetime) -> None:
        """Note when a dataset is due."""
        self._due[dataset] = due

    def clear(self, dataset: str) -> None:
        """Note that nothing is planned for a dataset."""
        self._due.pop(dataset, None)


class Schedule:
    """Refreshes each dataset again and again.

    Args:
        refresh: Refreshes one dataset; its failures do not end the schedule.
        every: The pace of each dataset that has one.
        attempts: Tells when a dataset was last refreshed, also before a restart.
        timetable: Where the plans are noted.
        clock: Tells the time.
        sleep: Waits for so many seconds.
        jitter: Returns a random number from 0 to 1.
    """

    def __init__(
        self,
        refresh: Callable[[str], Awaitable[object]],
        every: Mapping[str, timedelta],
        attempts: AttemptStore,
        timetable: Timetable,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._refresh = refresh
        self._every = dict(every)
        self._attempts = attempts
        self._timetable = timetable
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run while the context lasts."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Refresh all datasets at their paces, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for dataset, every in self._every.items():
                group.create_task(self._keep(dataset, every))

    async def _keep(self, dataset: str, every: timedelta) -> None:
        due = await self._first(dataset, every)
        try:
            while True:
                await self._wait(dataset, due, every)
                await self._once(dataset)
                due = self._clock.now() + self._pace(every)
        finally:
            self._timetable.clear(dataset)

    async def _first(self, dataset: str, every: timedelta) -> datetime:
        """Return when to begin: a restart neither skips a refresh nor repeats one too soon."""
        last = await asyncio.to_thread(self._attempts.last, dataset)
        now = self._clock.now()
        if last is not None and last.interrupted:
            return now
        due = now if last is None or last.at is None else max(now, last.at + every)
        return due + self._pace(every) - every

    async def _wait(self, dataset: str, due: datetime, every: timedelta) -> None:
        while (left := due - self._clock.now()) > timedelta():
            # If the clock was set back, the pace still holds.
            due = min(due, self._clock.now() + every * (1 + JITTER_SHARE))
            self._timetable.plan(dataset, due)
            await self._sleep(min(left, LONGEST_NAP).total_seconds())

    async def _once(self, dataset: str) -> None:
        self._timetable.clear(dataset)
        try:
            await self._refresh(dataset)
        except SeriesError as error:
            # There was no cache to fall back to; the service has told the log why.
            log.info("scheduled_refresh_failed", dataset=dataset, code=error.code)
        except Exception:
            log.exception("scheduled_refresh_crashed", dataset=dataset)

    def _pace(self, every: timedelta) -> timedelta:
        return every * (1 + JITTER_SHARE * self._jitter())
