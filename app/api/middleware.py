"""Gives every request an id, one log line, and an answer even when something breaks."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from time import perf_counter
from typing import Final
from urllib.parse import unquote_plus
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import ANYONE
from app.api.problems import internal_problem, problem_response
from app.observability.request_lines import write_request

REQUEST_ID_HEADER: Final = "X-Request-ID"
_RAW_ID_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
_ESCAPE: Final = re.compile(r"[%+]")
_USABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A platform asks this every few seconds.
_QUIET_PATH: Final = "/health/live"

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Binds the request id, answers what nobody caught, and writes one line per request.

    Pure ASGI: Starlette's base class would run the app in another task, out of reach of the
    context that is bound here.

    Args:
        app: The app inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP requests are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._serve(scope, receive, send, request_id)
        finally:
            structlog.contextvars.reset_contextvars(**bound)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        answer = _Answer(send, request_id)
        started = perf_counter()
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
            _log_request(scope, answer.status, perf_counter() - started)


class _Answer:
    """Passes an answer on, with the request's id, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (_RAW_ID_HEADER, request_id.encode())
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], self._header]
        await self._send(message)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == _RAW_ID_HEADER:
            asked = value.decode("latin-1")
            return asked if _USABLE_ID.fullmatch(asked) else uuid4().hex
    return uuid4().hex


def _log_request(scope: Scope, status: int | None, seconds: float) -> None:
    pairs = {
        "method": scope["method"],
        "path": scope["path"],
        # Names only: a value may be a key that someone put into a URL.
        "query": _query_names(scope["query_string"]),
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    state = scope["state"]
    if (code := state.get("problem_code")) is not None:
        pairs["code"] = code
    if (caller := state.get("caller", ANYONE)) is not ANYONE:
        pairs["caller"] = caller.name
    level = logging.DEBUG if scope["path"] == _QUIET_PATH else logging.INFO
    write_request(__name__, level, pairs)


def _query_names(query: bytes) -> list[str]:
    if not query:
        return []
    names = {pair.partition("=")[0] for pair in query.decode("latin-1").split("&") if pair}
    return sorted({unquote_plus(name) if _ESCAPE.search(name) else name for name in names})
