"""Gives every request an id, one log line, and an answer even when something breaks."""

from __future__ import annotations

import logging
import re
from time import perf_counter
from typing import Final
from urllib.parse import parse_qsl
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import ANYONE
from app.api.problems import internal_problem, problem_response

REQUEST_ID_HEADER: Final = "X-Request-ID"
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
        request_id = _request_id(Headers(scope=scope))
        Request(scope).state.request_id = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send, Request(scope).state.request_id)
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
        self._request_id = request_id
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self._request_id
        await self._send(message)


def _request_id(headers: Headers) -> str:
    asked = headers.get(REQUEST_ID_HEADER, "")
    return asked if _USABLE_ID.fullmatch(asked) else uuid4().hex


def _log_request(scope: Scope, status: int | None, seconds: float) -> None:
    state = Request(scope).state
    code = getattr(state, "problem_code", None)
    caller = getattr(state, "caller", ANYONE)
    log.log(
        logging.DEBUG if scope["path"] == _QUIET_PATH else logging.INFO,
        "http_request",
        method=scope["method"],
        path=scope["path"],
        # Names only: a value may be a key that someone put into a URL.
        query=_query_names(scope),
        status=status,
        duration_ms=round(seconds * 1000, 1),
        **({} if code is None else {"code": code}),
        **({} if caller is ANYONE else {"caller": caller.name}),
    )


def _query_names(scope: Scope) -> list[str]:
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return sorted({name for name, _ in pairs})
