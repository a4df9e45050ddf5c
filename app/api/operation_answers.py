"""Answers about operations: at their end or before it, as a resource, and as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import structlog
from pydantic import JsonValue
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from app.api.operation_schemas import OperationResponse
from app.api.prefer import Preference, preference
from app.api.problems import base_path
from app.api.schemas import RefreshResponse
from app.pipeline.operations import Operation, Operations

# Soon enough for a small pull, and rare enough for a long one.
POLL_S: Final = 2
HEARTBEAT_S: Final = 15
# A reader that takes nothing for so long has gone away, or might as well have.
SEND_TIMEOUT_S: Final = 60
# Of one event, not of the stream; its data is an operation as JSON.
EVENT_SCHEMA: Final[dict[str, JsonValue]] = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "For `Last-Event-ID`."},
        "event": {"type": "string", "enum": ["progress", "done"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/OperationResponse"},
        },
        "retry": {"type": "integer", "description": "Milliseconds before connecting again."},
    },
}
_LONGEST_ID: Final = 18
# What the library waits for a stream to end by itself once the server stops: the last event of
# an operation comes first.
_FAREWELL_S: Final = 5

log = structlog.get_logger(__name__)


async def refresh_answer(
    operations: Operations, operation: Operation, request: Request
) -> Response:
    """Answer a refresh as the caller prefers: at its end, or with where to ask for it.

    Raises:
        SeriesError: It ended in time, and failed with nothing to serve.
    """
    wanted = preference(request.headers.getlist("prefer"))
    waiting = asyncio.create_task(operations.result(operation))
    try:
        await asyncio.wait({waiting}, timeout=wanted.longest_s)
        if not waiting.done():
            return _accepted(operation, request, wanted)
        body = RefreshResponse.of(waiting.result())
    finally:
        waiting.cancel()
    return _json(body, headers=_applied(wanted))


def operation_answer(operation: Operation, base: str) -> Response:
    """Answer with an operation as it is now, and with when to ask again."""
    headers = {} if operation.is_over else {"Retry-After": str(POLL_S)}
    return _json(OperationResponse.of(operation, base), headers=headers)


def events_answer(operation: Operation, last_event_id: str | None, base: str = "") -> Response:
    """Answer with a stream of what happens to an operation, from an event on that was seen.

    An operation whose end was seen has nothing more to tell: the answer is a 204, after which
    browsers do not connect again.
    """
    seen = _revision(last_event_id, operation)
    if operation.is_over and seen == operation.revision:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return _Events(operation_events(operation, seen, base))


async def operation_events(
    operation: Operation, seen: int, base: str = ""
) -> AsyncIterator[ServerSentEvent]:
    """Yield the operation as it is, then after changes, and last its end.

    Each event is the whole operation, so a reader that comes late, comes back, or is slow, has
    missed nothing when it has the newest one.

    Args:
        operation: The operation.
        seen: The revision that the reader has.
        base: What a proxy cuts off the path of a problem's page.
    """
    while True:
        await operation.changed(seen)
        seen, over = operation.revision, operation.is_over
        yield ServerSentEvent(
            OperationResponse.of(operation, base).model_dump_json(),
            event="done" if over else "progress",
            id=str(seen),
            retry=POLL_S * 1000,
        )
        if over:
            return


class _Events(EventSourceResponse):
    """A stream that a reader who takes nothing cannot hold open."""

    def __init__(self, events: AsyncIterator[ServerSentEvent]) -> None:
        super().__init__(
            events,
            ping=HEARTBEAT_S,
            send_timeout=SEND_TIMEOUT_S,
            shutdown_grace_period=_FAREWELL_S,
        )

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("reader_too_slow", path=scope["path"])


def _revision(last_event_id: str | None, operation: Operation) -> int:
    text = last_event_id or ""
    with suppress(ValueError):
        seen = int(text[:_LONGEST_ID]) if text.isascii() and text.isdigit() else 0
        # An id from elsewhere says nothing of what was seen of this operation.
        return seen if seen <= operation.revision else 0
    return 0


def _accepted(operation: Operation, request: Request, wanted: Preference) -> Response:
    # From the address of the refresh: a proxy may have cut off what stands before.
    headers = {"Location": f"refreshes/{operation.id}", "Retry-After": str(POLL_S)}
    body = OperationResponse.of(operation, base_path(request.scope))
    return _json(body, HTTPStatus.ACCEPTED, headers | _applied(wanted))


def _applied(wanted: Preference) -> dict[str, str]:
    return {"Preference-Applied": wanted.applied} if wanted.applied else {}


def _json(
    body: OperationResponse | RefreshResponse,
    status: HTTPStatus = HTTPStatus.OK,
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(
        body.model_dump_json(),
        status.value,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )
