"""Refreshes, restarts, clocks and readers in any order: the cache never lies.

A model keeps what must hold: the time of the data, the rows that a reader gets, and whether the
last refresh failed. After every step the service's own word is compared with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.errors import CacheError, ExpiredError, SeriesError, SourceTimeoutError
from app.pipeline.breaker import Breaker, BreakerLimits
from app.pipeline.freshness import CLOCK_SKEW
from app.pipeline.query import SeriesQuery
from app.pipeline.refresh import RefreshService
from app.pipeline.series import SeriesReader, SeriesView
from app.records import RefreshOptions, RefreshOutcome, RefreshStatus
from app.reports import BreakerState, DatasetPolicy, FreshnessState
from tests.fakes import (
    FakeAttempts,
    FakeCache,
    FakeCatalogue,
    FakeClock,
    FakeSource,
    a_page,
    a_standing,
)

HOUR = timedelta(hours=1)
POLICY = DatasetPolicy(stale_after=24 * HOUR, expire_after=72 * HOUR)
LATE = SourceTimeoutError("No answer came.", next_step="Try again.")
# Opens after two failures, so that a run of Hypothesis gets there.
LIMITS = BreakerLimits(failures=2, cool_down=timedelta(minutes=1))
MONTHS = [f"2026{month:02}" for month in range(1, 11)]
ResultT = TypeVar("ResultT")


@dataclass
class Model:
    """What must hold.

    Attributes:
        data_time: When the source last confirmed the rows; None before the first success.
        rows: How many rows a reader gets.
        failed: The code of the last refresh, if it failed after that; else None.
        failed_until: Data confirmed after this are newer than the failure.
        restored: Whether the rows are an older version that was brought back.
        failures: Failures of the source in a row, since the service started.
        until: When the source may be asked again; None if it may be now.
    """

    data_time: datetime | None = None
    rows: int = 0
    failed: str | None = None
    failed_until: datetime | None = None
    restored: bool = False
    failures: int = 0
    until: datetime | None = None


class Refreshes(RuleBasedStateMachine):
    """A service on one cache and one store of attempts, restarted now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.cache = FakeCache()
        self.attempts = FakeAttempts()
        self.catalogue = FakeCatalogue()
        self.catalogue.rules = POLICY
        self.source = FakeSource()
        self.model = Model()
        self.published: list[tuple[datetime, int]] = []
        self.value = 0

    def teardown(self) -> None:
        """Close the loop."""
        self.loop.close()

    @initialize()
    def start(self) -> None:
        """Start a service; only the cache and the attempts were there before."""
        standing = a_standing(self.catalogue, self.clock, self.attempts)
        self.breaker = Breaker(LIMITS, self.clock)
        self.service = RefreshService(
            self.catalogue,
            {"sac": self.source},
            self.cache,
            self.clock,
            standing=standing,
            breakers={"sac": self.breaker},
        )
        self.reader = SeriesReader(self.catalogue, self.cache, standing.of)
        self.model.failures, self.model.until = 0, None

    @rule()
    def restart(self) -> None:
        """Restart the service."""
        self.start()

    @rule(hours=st.sampled_from([1, 20, 80]))
    def wait(self, hours: int) -> None:
        """Let time pass."""
        self.clock.tick(hours * HOUR)

    @rule(minutes=st.integers(1, 2))
    def breathe(self, minutes: int) -> None:
        """Let a little time pass, about as long as a cool-down."""
        self.clock.tick(timedelta(minutes=minutes))

    @rule(hours=st.sampled_from([1, 30]))
    def set_back(self, hours: int) -> None:
        """Set the clock back."""
        self.clock.tick(-hours * HOUR)

    @rule(count=st.integers(1, 10), force=st.booleans(), changed=st.booleans())
    def pull(self, count: int, force: bool, changed: bool) -> None:
        """Refresh; the source holds so many rows."""
        self.value += changed
        rows = [(month, "EMEA", "Bike", str(self.value)) for month in MONTHS[:count]]
        outcome = self.refresh(rows, force=force)
        if outcome is None:
            return
        if self.paused():
            self.expect_refusal(outcome, "source_paused", attempt=False)
        elif count < self.model.rows / 2 and not force:
            self.answered()
            self.expect_refusal(outcome, "drift_rejected")
        else:
            self.answered()
            assert outcome.status in {RefreshStatus.REFRESHED, RefreshStatus.UNCHANGED}
            self.succeeded(count)

    @rule(force=st.booleans())
    def pull_nothing(self, force: bool) -> None:
        """Refresh; the source is empty, which nobody can force into the cache."""
        outcome = self.refresh([], force=force)
        if self.paused():
            self.expect_refusal(outcome, "source_paused", attempt=False)
        else:
            self.answered()
            self.expect_refusal(outcome, "empty_pull")

    @rule(force=st.booleans())
    def fail(self, force: bool) -> None:
        """Refresh; the source does not answer."""
        self.source.error = LATE
        outcome = self.refresh([], force=force)
        self.source.error = None
        if self.paused():
            self.expect_refusal(outcome, "source_paused", attempt=False)
            return
        self.model.failures += 1
        if self.model.failures >= LIMITS.failures:
            wait = min(LIMITS.cool_down * 2 ** (self.model.failures - 2), timedelta(minutes=15))
            self.model.until = self.clock.now() + wait
        self.expect_refusal(outcome, "source_timeout")

    @precondition(lambda self: not self.paused())
    @rule()
    def interrupt(self) -> None:
        """Stop the service in the middle of a pull, and start it again."""
        self.run(self.in_mid_pull(lambda _: self.service.operations.close()))
        self.start()

    @precondition(lambda self: not self.paused())
    @rule()
    def cancel(self) -> None:
        """Cancel a refresh in the middle of its pull; readers are told nothing new."""
        self.run(self.in_mid_pull(self.service.operations.cancel))

    async def in_mid_pull(self, act: Callable[[str], Awaitable[object]]) -> None:
        """Refresh, and do something to the operation once its pull has begun."""
        self.source.gate = asyncio.Event()
        self.source.started.clear()
        operation = self.service.start("default")
        await self.source.started.wait()
        await act(operation.id)
        assert operation.state == "cancelled"
        self.source.gate = None

    @precondition(lambda self: not self.paused())
    @rule()
    def many_at_once(self) -> None:
        """Ten callers and ten readers at once; the callers share a pull."""
        rows = [(month, "EMEA", "Bike", str(self.value)) for month in MONTHS]
        self.source.pages = (a_page(rows),)
        before = len(self.source.pulls)

        async def together() -> list[Any]:
            calls = [self.service.refresh("default") for _ in range(10)]
            reads = [self.read(allow_expired=True) for _ in range(10)]
            found = await asyncio.gather(*calls, *reads, return_exceptions=True)
            return found[10:]

        seen = {self.model.rows, len(MONTHS)}
        for view in self.run(together()):
            assert isinstance(view, CacheError) or view.result.total in seen
        assert len(self.source.pulls) == before + 1
        self.answered()
        self.succeeded(len(MONTHS))

    @precondition(lambda self: self.published)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """Bring an older version back; its data stay as old as they are."""
        version = data.draw(st.integers(0, len(self.published) - 1), label="version")
        self.cache.roll_back("default", version)
        self.published.append(self.published[version])
        self.model.data_time, self.model.rows = self.published[version]
        self.model.restored = True

    @invariant()
    def every_version_is_still_there(self) -> None:
        """Refreshes and rollbacks add versions, failures do not, and none changes or goes."""
        kept = self.cache.versions.get("default", [])
        told = [(one.metadata.last_refresh_time, one.rows.num_rows) for one in kept]
        assert told == self.published

    @invariant()
    def readers_are_told_the_truth(self) -> None:
        """Rows and time are those of the last success; the state is what the model says."""
        if self.model.data_time is None:
            return
        view = self.run(self.read(allow_expired=True))
        freshness = view.freshness
        assert (freshness.data_time, view.result.total) == (self.model.data_time, self.model.rows)
        assert freshness.state is self.expected()
        if freshness.state is FreshnessState.STALE:
            otherwise = "restored_version" if self.model.restored else "too_old"
            assert freshness.reason == (self.failure() or otherwise)
        assert (view.notice.text is None) == (freshness.state is FreshnessState.FRESH)

    @invariant()
    def old_data_takes_an_explicit_wish(self) -> None:
        """Past the hard limit a plain question is an error, and only then."""
        if self.model.data_time is None:
            return
        try:
            self.run(self.read())
        except ExpiredError:
            assert self.expected() is FreshnessState.EXPIRED
        else:
            assert self.expected() is not FreshnessState.EXPIRED

    @invariant()
    def the_breaker_is_open_exactly_when_it_should_be(self) -> None:
        """What health shows is what a refresh meets."""
        assert (self.breaker.status().state is BreakerState.OPEN) == self.paused()

    def expected(self) -> FreshnessState:
        """Return the state that the model demands."""
        assert self.model.data_time is not None
        age = self.clock.now() - self.model.data_time
        if age < -CLOCK_SKEW:
            return FreshnessState.UNKNOWN
        if age > 72 * HOUR:
            return FreshnessState.EXPIRED
        stale = self.failure() is not None or self.model.restored or age > 24 * HOUR
        return FreshnessState.STALE if stale else FreshnessState.FRESH

    def failure(self) -> str | None:
        """Return the code of the last failure, if the data are not newer than it."""
        until, shown = self.model.failed_until, self.model.data_time
        return self.model.failed if until and shown and shown <= until else None

    def succeeded(self, rows: int) -> None:
        """Note that a refresh published so many rows."""
        self.model.data_time, self.model.rows = self.clock.now(), rows
        self.model.failed = self.model.failed_until = None
        self.model.restored = False
        self.published.append((self.clock.now(), rows))

    def paused(self) -> bool:
        """Return whether the source must be left alone now."""
        until, now = self.model.until, self.clock.now()
        return until is not None and until - timedelta(minutes=15) <= now < until

    def answered(self) -> None:
        """Note that the source answered, well or not."""
        self.model.failures, self.model.until = 0, None

    def expect_refusal(
        self, outcome: RefreshOutcome | None, code: str, *, attempt: bool = True
    ) -> None:
        """Check that nothing was published, and that it is said why."""
        if outcome is not None:
            assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, code)
            assert outcome.metadata.last_refresh_time == self.model.data_time
        if attempt and self.model.data_time is not None:
            self.model.failed = code
            self.model.failed_until = max(self.clock.now(), self.model.data_time)

    def refresh(self, rows: Sequence[tuple[str, ...]], *, force: bool) -> RefreshOutcome | None:
        """Refresh; None if there was nothing to fall back to."""
        self.source.pages = (a_page(rows),)
        try:
            return self.run(self.service.refresh("default", options=RefreshOptions(force=force)))
        except SeriesError:
            assert self.model.data_time is None
            return None

    async def read(self, *, allow_expired: bool = False) -> SeriesView:
        """Read the series."""
        answer = await self.reader.read((), SeriesQuery(), allow_expired=allow_expired)
        return answer.views[0]

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run to the end."""
        return self.loop.run_until_complete(work)


TestRefreshes = Refreshes.TestCase
TestRefreshes.settings = settings(stateful_step_count=40)
