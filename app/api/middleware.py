"""The outermost door: gives every request an id, counts it, and writes its line.

All in one place, because every answer passes here, and each door more costs as much as a short
answer itself.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from random import getrandbits
from time import perf_counter
from typing import Final
from urllib.parse import unquote_plus

import structlog
from opentelemetry.trace import Span, SpanKind
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.access.callers import ANYONE
from app.api.fields import QUERY_NAMES
from app.api.meters import Meters, Served, route_of
from app.api.next_page import whole_query
from app.api.problems import internal_problem, problem_response
from app.observability.request_lines import write_request
from app.spans import PROPAGATOR, TRACEPARENT, fail, span, trace_id_of

REQUEST_ID_HEADER: Final = "X-Request-ID"
_RAW_ID_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
_RAW_PARENT_HEADER: Final = TRACEPARENT.encode()
# As many as a UUID has.
_ID_BITS: Final = 128
_ESCAPE: Final = re.compile(r"[%+]")
_USABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A platform asks this every few seconds.
_QUIET_PATH: Final = "/health/live"

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Counts and times requests, binds id and trace, and answers what nobody caught.

    Pure ASGI: Starlette's base class would run the app in another task, out of reach of the
    context that is bound here.

    Args:
        app: The app inside.
        meters: Count requests.
    """

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP requests are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["query_string"] = whole_query(scope["query_string"])
        asked_id, parent = _told(scope["headers"])
        answer = _Answer(send, asked_id)
        context = None if parent is None else PROPAGATOR.extract({TRACEPARENT: parent})
        with span(scope["method"], kind=SpanKind.SERVER, context=context) as found:
            await self._counted(scope, receive, answer, trace_id_of(found))
            _describe(found, scope, answer)

    async def _counted(
        self, scope: Scope, receive: Receive, answer: _Answer, trace_id: str | None
    ) -> None:
        meters, request_id = self._meters, answer.request_id
        scope.setdefault("state", {})["request_id"] = request_id
        told = {"request_id": request_id} | ({"trace_id": trace_id} if trace_id else {})
        bound = bind_contextvars(**told)
        meters.in_progress += 1
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            log.exception("request_crashed")
            if answer.status is not None:
                # Half an answer must not look whole: the server breaks the connection.
                raise
            response = problem_response(Request(scope), internal_problem())
            await response(scope, receive, answer.send)
        finally:
            meters.in_progress -= 1
            answer.end()
            meters.served(scope, answer)
            _log_request(scope, answer)
            reset_contextvars(**bound)


class _Answer(Served):
    """Passes an answer on, with the request's id, and remembers how it went.

    Args:
        send: Where it goes.
        asked_id: The id that the caller gave the request; None if one must be made.

    Attributes:
        request_id: The id of the request.
        made_id: The same if it was made here; else None.
    """

    __slots__ = ("_send", "_started", "made_id", "request_id")

    def __init__(self, send: Send, asked_id: str | None) -> None:
        self._send = send
        # It need not be unknown to anybody, only another each time.
        made_id = None if asked_id else f"{getrandbits(_ID_BITS):032x}"
        self.made_id = made_id
        self.request_id = asked_id or made_id or ""
        self.status = None
        self.headers = ()
        self.begun_s = self.ended_s = 0.0
        self._started = perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun_s = perf_counter() - self._started
            self.status = message["status"]
            self.headers = headers = message["headers"]
            message["headers"] = [*headers, (_RAW_ID_HEADER, self.request_id.encode())]
        await self._send(message)

    def end(self) -> None:
        """Note that the request has ended."""
        self.ended_s = perf_counter() - self._started


def _told(headers: list[tuple[bytes, bytes]]) -> tuple[str | None, str | None]:
    """Return the id that the caller gave the request, if it can be used, and its `traceparent`."""
    asked = parent = None
    for name, value in headers:
        if name == _RAW_ID_HEADER:
            asked = value.decode("latin-1") if asked is None else asked
        elif name == _RAW_PARENT_HEADER:
            parent = value.decode("latin-1") if parent is None else parent
    return (asked if asked and _USABLE_ID.fullmatch(asked) else None), parent


def _log_request(scope: Scope, answer: _Answer) -> None:
    path, state = scope["path"], scope["state"]
    names = state.get(QUERY_NAMES)
    pairs: dict[str, str | int | tuple[str, ...] | None] = {
        "method": scope["method"],
        "path": path,
        # Names only: a value may be a key that someone put into a URL.
        "query": _query_names(scope["query_string"]) if names is None else names,
        "status": answer.status,
    }
    if (code := state.get("problem_code")) is not None:
        pairs["code"] = code
    if (caller := state.get("caller", ANYONE)) is not ANYONE:
        pairs["caller"] = caller.name
    level = logging.DEBUG if path == _QUIET_PATH else logging.INFO
    write_request(__name__, level, pairs, answer.ended_s * 1000, answer.made_id)


def _query_names(query: bytes) -> tuple[str, ...]:
    if not query:
        return ()
    text = query.decode("latin-1")
    names = {pair.partition("=")[0] for pair in text.split("&") if pair}
    if _ESCAPE.search(text):
        names = set(map(unquote_plus, names))
    return tuple(sorted(names))


def _describe(found: Span, scope: Scope, served: Served) -> None:
    if not found.is_recording():
        return
    method, route, status = scope["method"], route_of(scope), served.status or 0
    found.update_name(f"{method} {route}")
    # Neither path nor query: both may name what the series hold.
    found.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        fail(found, str(status))
