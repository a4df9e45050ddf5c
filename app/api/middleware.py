"""Gives every request an id, one log line, and an answer even when something breaks."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from time import perf_counter
from typing import Final
from urllib.parse import unquote_plus

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import ANYONE
from app.api.problems import internal_problem, problem_response
from app.observability.request_lines import write_request

REQUEST_ID_HEADER: Final = "X-Request-ID"
_RAW_ID_HEADER: Final = REQUEST_ID_HEADER.lower().encode()
# As many as a UUID has.
_ID_BYTES: Final = 16
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
        asked = _asked_id(scope["headers"])
        request_id = asked or os.urandom(_ID_BYTES).hex()
        scope.setdefault("state", {})["request_id"] = request_id
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        answer = _Answer(send, request_id)
        started = perf_counter()
        try:
            await self._serve(scope, receive, answer)
        finally:
            made_id = None if asked else request_id
            _log_request(scope, answer.status, (perf_counter() - started) * 1000, made_id)
            structlog.contextvars.reset_contextvars(**bound)

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            log.exception("request_crashed")
            if answer.status is not None:
                # Half an answer must not look whole: the server breaks the connection.
                raise
            response = problem_response(Request(scope), internal_problem())
            await response(scope, receive, answer.send)


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


def _asked_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the id that the caller gave the request; None if there is none that can be used."""
    for name, value in headers:
        if name == _RAW_ID_HEADER:
            asked = value.decode("latin-1")
            return asked if _USABLE_ID.fullmatch(asked) else None
    return None


def _log_request(scope: Scope, status: int | None, duration_ms: float, made_id: str | None) -> None:
    pairs: dict[str, str | int | tuple[str, ...] | None] = {
        "method": scope["method"],
        "path": scope["path"],
        # Names only: a value may be a key that someone put into a URL.
        "query": _query_names(scope["query_string"]),
        "status": status,
    }
    state = scope["state"]
    if (code := state.get("problem_code")) is not None:
        pairs["code"] = code
    if (caller := state.get("caller", ANYONE)) is not ANYONE:
        pairs["caller"] = caller.name
    level = logging.DEBUG if scope["path"] == _QUIET_PATH else logging.INFO
    write_request(__name__, level, pairs, duration_ms, made_id)


def _query_names(query: bytes) -> tuple[str, ...]:
    if not query:
        return ()
    text = query.decode("latin-1")
    names = {pair.partition("=")[0] for pair in text.split("&") if pair}
    if _ESCAPE.search(text):
        names = set(map(unquote_plus, names))
    return tuple(sorted(names))
