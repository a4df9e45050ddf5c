"""Operations are shared, watched, cancelled and handed back; nothing half done is published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    CredentialsRefusedError,
    OperationEndedError,
    RefreshCancelledError,
    ServiceStoppingError,
    SourceConflictError,
    UnexpectedError,
    UnknownDatasetError,
    UnknownOperationError,
)
from app.pipeline.operations import (
    KEPT_FOR,
    MOST_KEPT,
    Asked,
    Operation,
    Operations,
    OperationState,
)
from app.pipeline.refresh import RefreshService
from app.records import CachedSeries, Progress, RefreshOptions, RefreshOutcome, SeriesMetadata
from app.reports import Attempt, AttemptOutcome, FreshnessState
from tests.fakes import (
    FakeAttempts,
    FakeCache,
    FakeCatalogue,
    FakeClock,
    FakeSource,
    a_page,
    a_standing,
)

ROWS = (("202601", "EMEA", "Bike", "10.5"), ("202602", "EMEA", "Bike", "11"))
REFUSED = CredentialsRefusedError("SAP Analytics Cloud refused the client credentials.")
FULL = RefreshOptions(full=True)
LONG_S = 3600.0


class SlowCache(FakeCache):
    """A cache whose commits wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.committing = asyncio.Event()
        self.go: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    def save(self, rows: pa.Table, metadata: SeriesMetadata) -> CachedSeries:
        """Say that a commit has begun, and wait."""
        self._loop.call_soon_threadsafe(self.committing.set)
        if self.go is not None:
            asyncio.run_coroutine_threadsafe(_waited(self.go), self._loop).result()
        return super().save(rows, metadata)


async def _waited(future: asyncio.Future[None]) -> None:
    await future


class Bench:
    """A refresh service on fakes, whose pulls wait at a gate once it is closed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = SlowCache()
        self.attempts = FakeAttempts()
        self.source = FakeSource([a_page(ROWS)])
        self.over: list[Operation] = []
        catalogue = FakeCatalogue()
        self.standing = a_standing(catalogue, self.clock, self.attempts)
        self.service = RefreshService(
            catalogue,
            {"sac": self.source, "fixture": FakeSource([a_page(ROWS[:1])])},
            self.cache,
            self.clock,
            standing=self.standing,
            breakers={},
            ended=self.over.append,
        )
        self.operations = self.service.operations

    async def in_mid_pull(self) -> Operation:
        """Begin a refresh, and return it when its pull waits at the gate."""
        self.source.gate = asyncio.Event()
        self.source.started.clear()
        operation = self.service.start("default")
        await self.source.started.wait()
        return operation

    async def in_mid_commit(self) -> Operation:
        """Begin a refresh, and return it when its commit has begun."""
        self.cache.go = asyncio.get_running_loop().create_future()
        operation = self.service.start("default")
        await self.cache.committing.wait()
        return operation

    def open_gate(self) -> None:
        """Let pulls go on."""
        assert self.source.gate is not None
        self.source.gate.set()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A service with an empty cache."""
    bench = Bench()
    yield bench
    await bench.operations.close()


@pytest.fixture
async def filled(bench: Bench) -> Bench:
    """A service that has refreshed once, an hour ago."""
    await bench.service.refresh("default")
    bench.clock.tick()
    return bench


async def test_an_operation_runs_from_queued_to_succeeded(bench: Bench) -> None:
    """Its times, progress and outcome are told as they come."""
    operation = bench.service.start("default")
    assert (operation.state, operation.started, operation.ended) == ("queued", None, None)
    assert operation.created == bench.clock.now()
    outcome = await bench.operations.result(operation)
    assert (operation.state, operation.outcome) == (OperationState.SUCCEEDED, outcome)
    assert operation.problem is None
    assert operation.started == operation.ended == bench.clock.now()
    assert operation.progress == Progress(rows=2, pages=1, bytes=1000, expected_rows=None)
    assert bench.over == [operation]
    assert bench.operations.get(operation.id) is operation


async def test_the_same_again_is_the_same_operation(bench: Bench) -> None:
    """Who asks for what runs already joins it; other options are another operation."""
    operation = await bench.in_mid_pull()
    assert bench.service.start("default") is operation
    other = bench.service.start("default", options=FULL)
    await asyncio.sleep(0)
    assert other is not operation
    assert (operation.state, other.state) == (OperationState.RUNNING, OperationState.QUEUED)
    assert bench.operations.all() == (other, operation)
    bench.open_gate()
    await bench.operations.result(other)
    assert operation.state is OperationState.SUCCEEDED
    assert bench.service.start("default") is not operation


async def test_every_listener_is_told_of_every_page(bench: Bench) -> None:
    """Callers that share a pull all learn how far it has come."""
    operation = await bench.in_mid_pull()
    told: list[list[Progress]] = [[], []]
    calls = [
        asyncio.create_task(bench.service.refresh("default", progress=one.append)) for one in told
    ]
    await asyncio.sleep(0)
    bench.open_gate()
    await asyncio.gather(*calls)
    assert told[0] == told[1] == [operation.progress]


async def test_a_failure_with_a_cache_has_both_a_problem_and_an_outcome(filled: Bench) -> None:
    """It failed, and what is served all the same is told beside the reason."""
    filled.source.error = REFUSED
    operation = filled.service.start("default")
    outcome = await filled.operations.result(operation)
    assert (operation.state, operation.problem) == (OperationState.FAILED, REFUSED)
    assert operation.outcome is outcome
    assert outcome.status == "stale"


async def test_a_failure_without_a_cache_has_a_problem_alone(bench: Bench) -> None:
    """Who waits gets the error itself; who polls finds it."""
    bench.source.error = REFUSED
    operation = bench.service.start("default")
    with pytest.raises(CredentialsRefusedError):
        await bench.operations.result(operation)
    assert (operation.state, operation.problem, operation.outcome) == ("failed", REFUSED, None)


async def test_a_callers_mistake_that_shows_late_is_a_failure(filled: Bench) -> None:
    """That sample data would replace a tenant's shows only after a look at the cache."""
    operation = filled.service.start("default", source="fixture")
    with pytest.raises(SourceConflictError):
        await filled.operations.result(operation)
    assert operation.state is OperationState.FAILED


async def test_a_callers_mistake_that_shows_at_once_makes_no_operation(bench: Bench) -> None:
    """An unknown dataset is refused before anything begins."""
    with pytest.raises(UnknownDatasetError):
        bench.service.start("other")
    assert bench.operations.all() == ()


async def test_cancelling_stops_the_pull_and_publishes_nothing(filled: Bench) -> None:
    """The source is let go, the old version is served, and readers are told nothing new."""
    kept = dict(filled.attempts.kept)
    operation = await filled.in_mid_pull()
    waiting = asyncio.create_task(filled.operations.result(operation))
    assert await filled.operations.cancel(operation.id) is operation
    assert operation.state is OperationState.CANCELLED
    assert isinstance(operation.problem, RefreshCancelledError)
    assert filled.source.closed == len(filled.source.pulls)
    outcome = await waiting
    assert (outcome.status, outcome.warning_code) == ("stale", "refresh_cancelled")
    assert (outcome.version, outcome.freshness.state) == (0, FreshnessState.FRESH)
    assert len(filled.cache.versions["default"]) == 1
    assert filled.attempts.kept == kept


async def test_cancelling_without_a_cache_leaves_none(bench: Bench) -> None:
    """Who waits for a cancelled first refresh is told so."""
    operation = await bench.in_mid_pull()
    waiting = asyncio.create_task(bench.operations.result(operation))
    await asyncio.sleep(0)
    await bench.operations.cancel(operation.id)
    with pytest.raises(RefreshCancelledError):
        await waiting
    assert bench.cache.versions == {}


async def test_cancelling_is_idempotent_and_may_be_asked_twice_at_once(bench: Bench) -> None:
    """Whoever cancels what is cancelled, or is being cancelled, is told the same."""
    operation = await bench.in_mid_pull()
    both = [bench.operations.cancel(operation.id) for _ in range(2)]
    assert await asyncio.gather(*both) == [operation, operation]
    assert await bench.operations.cancel(operation.id) is operation
    assert bench.over == [operation]


async def test_an_operation_that_was_not_yet_begun_can_be_cancelled(bench: Bench) -> None:
    """Cancelled in the same breath in which it was asked for, it never begins."""
    operation = bench.service.start("default")
    await bench.operations.cancel(operation.id)
    assert (operation.state, operation.started) == (OperationState.CANCELLED, None)
    assert bench.source.pulls == []
    assert operation.elapsed == timedelta()


async def test_a_queued_operation_can_be_cancelled_alone(bench: Bench) -> None:
    """The one before it goes on."""
    first = await bench.in_mid_pull()
    queued = bench.service.start("default", options=FULL)
    await bench.operations.cancel(queued.id)
    assert (first.state, queued.state) == (OperationState.RUNNING, OperationState.CANCELLED)
    bench.open_gate()
    assert (await bench.operations.result(first)).status == "refreshed"
    assert len(bench.source.pulls) == 1


async def test_what_has_ended_cannot_be_cancelled(filled: Bench) -> None:
    """A success stays one, and so does a failure; each says which it was."""
    good = filled.operations.all()[0]
    filled.source.error = REFUSED
    await filled.service.refresh("default")
    bad = filled.operations.all()[0]
    for operation, word in ((good, "succeeded"), (bad, "failed")):
        with pytest.raises(OperationEndedError, match=word):
            await filled.operations.cancel(operation.id)


async def test_a_commit_cannot_be_called_back(bench: Bench) -> None:
    """Once the data is being published, cancelling is refused, and it is published."""
    operation = await bench.in_mid_commit()
    with pytest.raises(OperationEndedError, match="being published"):
        await bench.operations.cancel(operation.id)
    assert bench.cache.go is not None
    bench.cache.go.set_result(None)
    assert (await bench.operations.result(operation)).status == "refreshed"


@pytest.mark.parametrize("operation_id", ["", "x", "0" * 32])
async def test_an_unknown_operation_says_where_they_live(bench: Bench, operation_id: str) -> None:
    """The words explain why an id that was right once may be unknown."""
    with pytest.raises(UnknownOperationError, match="live in one process, and are forgotten"):
        bench.operations.get(operation_id)
    with pytest.raises(UnknownOperationError):
        await bench.operations.cancel(operation_id)


async def test_those_that_ended_are_forgotten_in_time(bench: Bench) -> None:
    """An hour after its end an operation is gone; one that runs is not."""
    await bench.service.refresh("default")
    running = await bench.in_mid_pull()
    bench.clock.tick(KEPT_FOR)
    assert len(bench.operations.all()) == 2
    bench.clock.tick(timedelta(seconds=1))
    assert bench.operations.all() == (running,)


async def test_no_more_than_so_many_are_kept() -> None:
    """However fast they end, memory is bounded; the newest stay."""

    async def perform(operation: Operation) -> RefreshOutcome:
        raise UnexpectedError

    async def fall_back(dataset: str, error: Exception) -> RefreshOutcome:
        raise error

    operations = Operations(perform, fall_back, FakeClock())
    for number in range(MOST_KEPT + 5):
        operation = operations.start(Asked(str(number)))
        await operation.changed(operation.revision)
    kept = operations.all()
    assert len(kept) == MOST_KEPT
    assert kept[0] is operation


class Panic(BaseException):
    """What a panic of native code arrives as."""


@pytest.mark.parametrize("fault", [RuntimeError("oops"), Panic("oops")], ids=["fault", "panic"])
async def test_a_fault_of_ours_ends_an_operation_too(fault: BaseException) -> None:
    """An error that nobody expected is told as such, and nobody waits for ever."""

    async def perform(operation: Operation) -> RefreshOutcome:
        raise fault

    async def fall_back(dataset: str, error: Exception) -> RefreshOutcome:
        raise error

    operations = Operations(perform, fall_back, FakeClock())
    operation = operations.start(Asked("default"))
    with pytest.raises(UnexpectedError):
        await operations.result(operation)
    assert operation.state is OperationState.FAILED


async def test_finishing_lets_what_runs_end_and_begins_nothing(filled: Bench) -> None:
    """Within the grace a pull is published; new refreshes are refused meanwhile."""
    operation = await filled.in_mid_pull()
    finishing = asyncio.create_task(filled.operations.finish(LONG_S))
    await asyncio.sleep(0)
    assert filled.operations.stopping
    with pytest.raises(ServiceStoppingError):
        filled.service.start("default")
    filled.open_gate()
    await finishing
    assert operation.state is OperationState.SUCCEEDED


@pytest.mark.parametrize("hurried", [False, True], ids=["out of time", "hurried"])
async def test_what_takes_too_long_is_handed_back(filled: Bench, hurried: bool) -> None:
    """After the grace a pull is stopped, and the attempt is noted as interrupted."""
    operation = await filled.in_mid_pull()
    finishing = asyncio.create_task(filled.operations.finish(LONG_S if hurried else 0.0))
    await asyncio.sleep(0)
    if hurried:
        filled.operations.hurry()
    await finishing
    assert operation.state is OperationState.CANCELLED
    assert isinstance(operation.problem, ServiceStoppingError)
    assert len(filled.cache.versions["default"]) == 1
    assert filled.attempts.kept["default"].interrupted
    assert filled.standing.of(filled.cache.load("default")).freshness.state == "fresh"


async def test_an_interruption_does_not_hide_a_failure(filled: Bench) -> None:
    """Readers are told of the failed refresh before, as if the interrupted one had not been."""
    filled.source.error = REFUSED
    await filled.service.refresh("default")
    await filled.in_mid_pull()
    await filled.operations.finish(0.0)
    kept = filled.attempts.kept["default"]
    assert (kept.outcome, kept.code, kept.interrupted) == ("failed", REFUSED.code, True)
    freshness = filled.standing.of(filled.cache.load("default")).freshness
    assert (freshness.state, freshness.reason) == ("stale", REFUSED.code)


async def test_a_refresh_that_ends_makes_up_for_an_interruption(filled: Bench) -> None:
    """The next attempt, good or bad, is no interrupted one."""
    filled.attempts.keep(
        Attempt(
            dataset="default",
            outcome=AttemptOutcome.SUCCEEDED,
            at=filled.clock.now(),
            interrupted=True,
        )
    )
    await filled.service.refresh("default")
    assert not filled.attempts.kept["default"].interrupted


async def test_queued_operations_are_handed_back_at_once(bench: Bench) -> None:
    """What has not begun does not begin any more."""
    running = await bench.in_mid_pull()
    queued = bench.service.start("default", options=FULL)
    await asyncio.sleep(0)
    finishing = asyncio.create_task(bench.operations.finish(LONG_S))
    await queued.changed(queued.revision)
    assert queued.state is OperationState.CANCELLED
    bench.open_gate()
    await finishing
    assert running.state is OperationState.SUCCEEDED
    assert len(bench.source.pulls) == 1


async def test_a_commit_is_waited_for_whatever_the_grace(bench: Bench) -> None:
    """Stopping does not leave a version behind that nobody acknowledged."""
    operation = await bench.in_mid_commit()
    finishing = asyncio.create_task(bench.operations.finish(0.0))
    await asyncio.sleep(0.01)
    assert not finishing.done()
    assert bench.cache.go is not None
    bench.cache.go.set_result(None)
    await finishing
    assert operation.state is OperationState.SUCCEEDED
    assert not bench.attempts.kept["default"].interrupted


async def test_finishing_with_nothing_to_do_is_quick(bench: Bench) -> None:
    """An idle service stops at once, and may be told so twice."""
    await bench.operations.finish(LONG_S)
    await bench.operations.finish(LONG_S)
    assert bench.operations.stopping


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_what_was_read_is_counted_over_all_beginnings(pulls: list[int]) -> None:
    """However often a pull begins anew, no page of it is lost from the count, none doubled."""
    operation = Operation(Asked("default"), FakeClock())
    for pages in pulls:
        for page in range(1, pages + 1):
            operation.progressed(
                Progress(rows=10 * page, pages=page, bytes=7 * page, expected_rows=None)
            )
    assert operation.progress is not None
    assert operation.retraced.pages + operation.progress.pages == sum(pulls)
    assert operation.retraced.rows + operation.progress.rows == 10 * sum(pulls)
    assert operation.retraced.bytes + operation.progress.bytes == 7 * sum(pulls)


async def test_a_clock_set_back_makes_no_negative_time(bench: Bench) -> None:
    """An operation took no less than no time."""
    operation = await bench.in_mid_pull()
    bench.clock.tick(-timedelta(hours=2))
    assert operation.elapsed == timedelta()
