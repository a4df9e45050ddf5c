"""What ends a refresh from our side, and what a caller may get wrong about one."""

from __future__ import annotations

from app.errors.base import SeriesError
from app.errors.local import RequestError


class RefreshCancelledError(SeriesError):
    """A caller cancelled the refresh; nothing was published."""

    code = "refresh_cancelled"

    def __init__(self) -> None:
        super().__init__(
            "The refresh was cancelled; nothing was published.", next_step="Refresh again."
        )


class ServiceStoppingError(SeriesError):
    """The service is stopping: it starts no refresh, and ends those that take too long."""

    code = "service_stopping"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "The service is stopping, and nothing was published.",
            next_step="Refresh again in a moment.",
        )


class UnknownOperationError(RequestError):
    """No operation has this id, or it ended long ago."""

    code = "unknown_operation"


class OperationEndedError(RequestError):
    """The operation cannot be cancelled any more."""

    code = "operation_ended"
