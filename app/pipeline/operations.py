"""Refreshes as operations: shared, watched, cancelled, and ended in order when the service stops.

Every refresh is one, whoever asked for it: a caller that waits, one that does not, or the schedule.
They live in the memory of one process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

import structlog

from app.errors import (
    OperationEndedError,
    RefreshCancelledError,
    SeriesError,
    ServiceStoppingError,
    UnexpectedError,
    UnknownOperationError,
)
from app.pipeline.ports import Clock
from app.records import Progress, ProgressCallback, RefreshOptions, RefreshOutcome, RefreshStatus

# Those that ended are remembered for whoever polls; more than so many only if pulls are very short.
KEPT_FOR: Final = timedelta(hours=1)
MOST_KEPT: Final = 500

log = structlog.get_logger(__name__)


class OperationState(StrEnum):
    """How far an operation has come."""

    QUEUED = "queued"  # another refresh of the dataset runs before it
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the last good version is served, if there is one
    CANCELLED = "cancelled"  # likewise, and a caller or the end of the service wanted it so


@dataclass(frozen=True, slots=True)
class Asked:
    """What a refresh is asked to do; who asks for the same while it runs shares it.

    Attributes:
        dataset: Name of the dataset.
        source: Pull from this source instead of the dataset's own.
        options: Everything instead of a window, or both ways compared.
    """

    dataset: str
    source: str | None = None
    options: RefreshOptions = field(default_factory=RefreshOptions)


class Operation:
    """One refresh, from being asked for to its end. Not for other threads.

    Attributes:
        id: Its name; cannot be guessed.
        asked: What it is to do.
        state: How far it has come.
        created: When it was asked for (UTC).
        started: When it began; None if it is queued, or ended before.
        ended: When it ended; None if it has not.
        progress: How far its pull has come; None before the first page.
        outcome: What it did, or what is served in spite of its failure; None before the end, and
            if there is nothing to serve.
        problem: Why it did not succeed; None if it did.
        revision: Grows with every change of what is above.
        retraced: Rows, pages and bytes of pulls that it began anew; `progress` is without them.

    Args:
        asked: What it is to do.
        clock: Tells the time.
    """

    def __init__(self, asked: Asked, clock: Clock) -> None:
        self.id = uuid4().hex
        self.asked = asked
        self.state = OperationState.QUEUED
        self.created = clock.now()
        self.started: datetime | None = None
        self.ended: datetime | None = None
        self.progress: Progress | None = None
        self.outcome: RefreshOutcome | None = None
        self.problem: SeriesError | None = None
        self.revision = 1
        self.retraced = Progress(rows=0, pages=0, bytes=0, expected_rows=None)
        self._clock = clock
        self._changed = asyncio.Event()
        self._listeners: list[ProgressCallback] = []
        self._publishing = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.ended is not None

    @property
    def publishing(self) -> bool:
        """Whether it is past the point of no return: a commit cannot be called back."""
        return self._publishing

    @property
    def elapsed(self) -> timedelta:
        """How long it has been running, or ran; nothing before it starts."""
        if self.started is None:
            return timedelta()
        return max(timedelta(), (self.ended or self._clock.now()) - self.started)

    def listen(self, progress: ProgressCallback) -> None:
        """Have someone told after every page."""
        self._listeners.append(progress)

    def begins(self) -> None:
        """Note that its turn has come."""
        self.state, self.started = OperationState.RUNNING, self._clock.now()
        self._tell()

    def progressed(self, progress: Progress) -> None:
        """Note a page; a pull that begins anew begins to count anew."""
        before = self.progress
        if before is not None and progress.pages <= before.pages:
            self.retraced = _sum(self.retraced, before)
        self.progress = progress
        for listener in self._listeners:
            listener(progress)
        self._tell()

    def publishes(self) -> None:
        """Note that from here on it cannot be stopped."""
        self._publishing = True

    def ends(self, outcome: RefreshOutcome | None, problem: SeriesError | None) -> None:
        """Note what came of it."""
        self.outcome, self.problem = outcome, problem
        self.ended = self._clock.now()
        self.state = OperationState.SUCCEEDED if problem is None else OperationState.FAILED
        if isinstance(problem, RefreshCancelledError | ServiceStoppingError):
            self.state = OperationState.CANCELLED
        self._tell()

    async def changed(self, seen: int) -> None:
        """Wait until there is more to tell than a revision that was seen."""
        while self.revision <= seen:
            await self._changed.wait()

    def _tell(self) -> None:
        # Whoever waits looks at what is there when it comes to it: a slow reader misses steps,
        # and holds up nobody.
        self.revision += 1
        self._changed.set()
        self._changed = asyncio.Event()


def _sum(one: Progress, other: Progress) -> Progress:
    return Progress(
        rows=one.rows + other.rows,
        pages=one.pages + other.pages,
        bytes=one.bytes + other.bytes,
        expected_rows=None,
    )


@dataclass(slots=True)
class _Run:
    """An operation that has not ended.

    Attributes:
        operation: The operation.
        work: Does it; may be cancelled.
        stopped_by: Why it was cancelled; None if it was not.
        end: Ends once the operation has; never cancelled.
    """

    operation: Operation
    work: asyncio.Task[RefreshOutcome]
    stopped_by: SeriesError | None = None
    end: asyncio.Task[None] | None = None

    def stop(self, reason: SeriesError) -> None:
        if self.stopped_by is None and not self.operation.publishing:
            self.stopped_by = reason
            self.work.cancel()


class Operations:
    """Runs refreshes, each once however many ask for it.

    Attributes:
        stopping: Whether no more are begun.

    Args:
        perform: Refreshes; tells the operation how far it has come.
        fall_back: Answers with what the cache holds after an operation was stopped, and raises
            the error if it holds nothing.
        clock: Tells the time.
        ended: Called with each operation that has ended.
        exists: Tells whether a dataset exists for whoever is being served: no operation of
            another one does.
    """

    def __init__(
        self,
        perform: Callable[[Operation], Coroutine[Any, Any, RefreshOutcome]],
        fall_back: Callable[[str, SeriesError], Awaitable[RefreshOutcome]],
        clock: Clock,
        ended: Callable[[Operation], None] = lambda _: None,
        exists: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._perform = perform
        self._fall_back = fall_back
        self._clock = clock
        self._ended = ended
        self._exists = exists
        self._runs: dict[Asked, _Run] = {}
        self._kept: OrderedDict[str, Operation] = OrderedDict()
        self._hurry = asyncio.Event()
        self.stopping = False

    def start(self, asked: Asked) -> Operation:
        """Begin a refresh, or join the one that does the same.

        Raises:
            ServiceStoppingError: No more are begun.
        """
        if self.stopping:
            raise ServiceStoppingError
        if (run := self._runs.get(asked)) is None:
            operation = Operation(asked, self._clock)
            work = asyncio.create_task(self._perform(operation))
            run = self._runs[asked] = _Run(operation, work)
            run.end = asyncio.create_task(self._see_through(run))
        return run.operation

    async def result(self, operation: Operation) -> RefreshOutcome:
        """Wait for the end of an operation; a caller that goes away does not stop it.

        Raises:
            SeriesError: It failed, and there is nothing to serve.
        """
        while not operation.is_over:
            await operation.changed(operation.revision)
        if operation.outcome is None:
            raise operation.problem or UnexpectedError
        return operation.outcome

    def get(self, operation_id: str) -> Operation:
        """Return an operation.

        Raises:
            UnknownOperationError: There is none of this id here.
        """
        for operation in self.all():
            if operation.id == operation_id:
                return operation
        raise UnknownOperationError(
            "There is no such operation. Operations live in one process, and are forgotten "
            "an hour after their end.",
            next_step="GET /refreshes lists them, and GET /datasets tells how each stands.",
        )

    def all(self) -> tuple[Operation, ...]:
        """Return the operations that are remembered, the newest first."""
        self._forget()
        running = [run.operation for run in self._runs.values()]
        newest_first = reversed([*self._kept.values(), *running])
        return tuple(one for one in newest_first if self._exists(one.asked.dataset))

    async def cancel(self, operation_id: str) -> Operation:
        """Stop an operation, for all who wait for it, and return it as it has ended.

        Raises:
            UnknownOperationError: There is none of this id here.
            OperationEndedError: It has ended, or its data is being published.
        """
        operation = self.get(operation_id)
        run = self._runs.get(operation.asked)
        if run is not None and run.operation is operation and not operation.publishing:
            run.stop(RefreshCancelledError())
            await _all_over([run])
        if operation.state is not OperationState.CANCELLED:
            raise _too_late(operation)
        return operation

    async def finish(self, grace_s: float) -> None:
        """Begin nothing more, let what runs end, and hand back what takes longer.

        Args:
            grace_s: Seconds to wait; `hurry` cuts them short.
        """
        self.stopping = True
        runs = list(self._runs.values())
        for run in runs:
            if run.operation.state is OperationState.QUEUED:
                run.stop(ServiceStoppingError())
        if runs:
            log.info("finishing", operations=len(runs), grace_s=grace_s)
            over = asyncio.create_task(_all_over(runs))
            hurry = asyncio.create_task(self._hurry.wait())
            await asyncio.wait({over, hurry}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
        await self.close()

    def hurry(self) -> None:
        """Wait no longer in `finish`."""
        self._hurry.set()

    async def close(self) -> None:
        """Hand back what runs: it is stopped, nothing is published, and it is noted as such."""
        self.stopping = True
        runs = list(self._runs.values())
        for run in runs:
            run.stop(ServiceStoppingError())
        await _all_over(runs)

    async def _see_through(self, run: _Run) -> None:
        """Wait for the end of the work, and note it, whatever it is."""
        operation = run.operation
        await asyncio.wait({run.work})
        outcome: RefreshOutcome | None = None
        problem: SeriesError | None = UnexpectedError()
        try:
            outcome = await self._outcome(run)
            problem = outcome.error if outcome.status is RefreshStatus.STALE else None
        except SeriesError as error:
            problem = error
        except BaseException:
            # A panic of native code is no `Exception`, and whoever waits must be told of it, too.
            log.exception("operation_crashed", dataset=operation.asked.dataset)
        finally:
            self._runs.pop(operation.asked)
            operation.ends(outcome, problem)
            self._kept[operation.id] = operation
            self._ended(operation)

    async def _outcome(self, run: _Run) -> RefreshOutcome:
        if not run.work.cancelled():
            return run.work.result()
        dataset = run.operation.asked.dataset
        reason = run.stopped_by or ServiceStoppingError()
        log.info("refresh_stopped", dataset=dataset, code=reason.code)
        return await self._fall_back(dataset, reason)

    def _forget(self) -> None:
        oldest = self._clock.now() - KEPT_FOR
        for operation in list(self._kept.values()):
            old = operation.ended is not None and operation.ended < oldest
            if old or len(self._kept) > MOST_KEPT:
                del self._kept[operation.id]


async def _all_over(runs: Iterable[_Run]) -> None:
    ends = [run.end for run in runs if run.end is not None]
    if ends:
        await asyncio.wait(ends)


def _too_late(operation: Operation) -> OperationEndedError:
    if operation.is_over:
        return OperationEndedError(
            f"The operation has ended: it {_ENDED[operation.state]}.",
            next_step="GET the operation for its result.",
        )
    return OperationEndedError(
        "The data of the operation is being published, and a commit cannot be called back.",
        next_step="Wait for its end; POST /datasets/{name}/rollback brings an older version back.",
    )


_ENDED: Final = {OperationState.SUCCEEDED: "succeeded", OperationState.FAILED: "failed"}
