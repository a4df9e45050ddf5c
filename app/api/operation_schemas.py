"""What an operation looks like on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.api.problems import problem_of
from app.api.schemas import Problem, RefreshResponse
from app.pipeline.operations import Operation, OperationState

_RUNNING: Final[dict[str, JsonValue]] = {
    "id": "4f1c0d3b5a7e4e0f9d2c6b8a1e3f5d7c",
    "dataset": "default",
    "source": None,
    "full": False,
    "verify": False,
    "force": False,
    "state": "running",
    "created": "2026-11-21T14:05:00Z",
    "started": "2026-11-21T14:05:00Z",
    "ended": None,
    "progress": {
        "rows": 10000,
        "pages": 2,
        "bytes": 2360000,
        "expected_rows": 12480,
        "elapsed_s": 3.2,
    },
    "result": None,
    "problem": None,
}


class ProgressModel(BaseModel):
    """How far the pull of an operation has come."""

    rows: int = Field(description="Rows so far; a pull that begins anew begins to count anew.")
    pages: int = Field(description="Pages so far.")
    bytes: int = Field(description="Bytes of these pages, after decompression.")
    expected_rows: int | None = Field(
        description="Rows that the source announced; null if it has not, or does not."
    )
    elapsed_s: float = Field(description="Seconds since the operation started, until its end.")

    @classmethod
    def of(cls, operation: Operation) -> Self:
        """Translate what an operation tells."""
        done = operation.progress
        return cls(
            rows=0 if done is None else done.rows,
            pages=0 if done is None else done.pages,
            bytes=0 if done is None else done.bytes,
            expected_rows=None if done is None else done.expected_rows,
            elapsed_s=round(operation.elapsed.total_seconds(), 3),
        )


class OperationResponse(BaseModel):
    """One refresh, from being asked for to its end."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RUNNING]})

    id: str
    dataset: str
    source: str | None = Field(description="The source that was named; null for its own.")
    full: bool
    verify: bool
    force: bool
    state: OperationState = Field(
        description="`queued`: another refresh of the dataset runs before it. `running`. "
        "`succeeded`: `result` says how. `failed`: `problem` says why, and `result` what is "
        "served all the same. `cancelled`: likewise; nothing was published."
    )
    created: datetime = Field(description="When it was first asked for, UTC.")
    started: datetime | None = Field(description="When it began, UTC; null if it has not.")
    ended: datetime | None = Field(description="When it ended, UTC; null if it has not.")
    progress: ProgressModel
    result: RefreshResponse | None = Field(
        description="What `POST /refresh` would answer; null before the end, and if there is "
        "no version to serve."
    )
    problem: Problem | None = Field(
        description="Why it did not succeed; null if it did, and before the end."
    )

    @classmethod
    def of(cls, operation: Operation, base: str = "") -> Self:
        """Translate an operation, as it is now.

        Args:
            operation: The operation.
            base: What a proxy cuts off the path of the problem's page.
        """
        asked, outcome, error = operation.asked, operation.outcome, operation.problem
        problem = None if error is None else problem_of(error)
        if problem is not None:
            problem.type = base + problem.type
        return cls(
            id=operation.id,
            dataset=asked.dataset,
            source=asked.source,
            full=asked.options.full,
            verify=asked.options.verify,
            force=asked.options.force,
            state=operation.state,
            created=operation.created,
            started=operation.started,
            ended=operation.ended,
            progress=ProgressModel.of(operation),
            result=None if outcome is None else RefreshResponse.of(outcome),
            problem=problem,
        )


class OperationsResponse(BaseModel):
    """The operations that are remembered, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refreshes": [_RUNNING]}]})

    refreshes: list[OperationResponse]
