"""Counts and traces every request. The outermost door: whatever is answered inside, it sees."""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.api.meters import Meters, Served, route_of
from app.spans import TRACEPARENT, UNTRACED, Span, SpanKind, Tracing, trace_id_of

_PARENT: Final = TRACEPARENT.encode()


class ObservingMiddleware:
    """Counts and times requests, and binds the caller's trace to their log lines.

    Args:
        app: The app inside.
        meters: Count requests.
        tracing: Times them for whoever follows a trace.
    """

    def __init__(self, app: ASGIApp, meters: Meters, tracing: Tracing) -> None:
        self._app = app
        self._meters = meters
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP requests are looked at."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._tracing is UNTRACED:
            # On the way of every answer: nothing that nobody asked for.
            trace_id = trace_id_of(_parent(scope))
            if trace_id is None:
                await self._counted(scope, receive, send)
            else:
                with bound_contextvars(trace_id=trace_id):
                    await self._counted(scope, receive, send)
        else:
            await self._traced(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        with (
            self._tracing.span(method, kind=SpanKind.SERVER, parent=_parent(scope)) as span,
            bound_contextvars(trace_id=span.trace_id),
        ):
            _tell(span, scope, await self._counted(scope, receive, send))

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> Served:
        served, started = Served(), perf_counter()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                served.begun_s = perf_counter() - started
                served.status, served.headers = message["status"], message["headers"]
            await send(message)

        self._meters.in_progress += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            self._meters.in_progress -= 1
            served.ended_s = perf_counter() - started
            self._meters.served(scope, served)
        return served


def _parent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _PARENT:
            parent: str = value.decode("latin-1")
            return parent
    return None


def _tell(span: Span, scope: Scope, served: Served) -> None:
    method, route, status = scope["method"], route_of(scope), served.status or 0
    span.rename(f"{method} {route}")
    # Neither path nor query: both may name what the series hold.
    span.tell(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fails(str(status))
