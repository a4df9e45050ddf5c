"""Which web pages of other origins may read what the service answers: none unless listed."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.api.answer_headers import (
    FRESHNESS_HEADER,
    NEXT_HEADER,
    TOTAL_HEADER,
    VERSION_HEADER,
    WARNING_CODE_HEADER,
    WARNING_HEADER,
)
from app.api.middleware import REQUEST_ID_HEADER
from app.api.problems import http_problem, problem_response

# A browser shows a page only the headers that are listed here, and a few harmless ones.
EXPOSED: Final = (
    *("ETag", "Link", "Age", "Location", "Retry-After", "Content-Disposition", "Allow"),
    *(WARNING_HEADER, WARNING_CODE_HEADER, VERSION_HEADER, FRESHNESS_HEADER, TOTAL_HEADER),
    NEXT_HEADER,
    *(REQUEST_ID_HEADER, "Preference-Applied", "WWW-Authenticate", "RateLimit", "RateLimit-Policy"),
)
# What a page may send beside the headers that every page may send.
TAKEN: Final = (
    *("Authorization", "X-API-Key", "If-None-Match", "Prefer", "Last-Event-ID"),
    *(REQUEST_ID_HEADER, "traceparent", "tracestate"),
)
_ASKED_METHOD: Final = "access-control-request-method"
# What Starlette says of a refusal, before it names what is refused.
_REFUSED: Final = "Disallowed CORS "
_DETAIL: Final = (
    "Pages of this origin may not ask so; what is not allowed: {what}. CORS_ORIGINS lists the "
    "origins, access-control-allow-methods and -headers the rest."
)
_METHODS: Final = ("GET", "HEAD", "POST")
_REMEMBERED_S: Final = 600


class PreflightMiddleware(CORSMiddleware):
    """Answers what a browser asks before it lets a page read; a refusal is a problem."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        # Only HTTP has a method: the app starts and stops through here as well.
        headers = Headers(scope=scope) if scope.get("method") == "OPTIONS" else Headers()
        if "origin" not in headers or _ASKED_METHOD not in headers:
            await super().__call__(scope, receive, send)
            return
        answer = self.preflight_response(headers)
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            what = bytes(answer.body).decode().removeprefix(_REFUSED)
            problem = http_problem(HTTPStatus.BAD_REQUEST, _DETAIL.format(what=what))
            told = {n: v for n, v in answer.headers.items() if not n.startswith("content-")}
            answer = problem_response(Request(scope), problem, told)
        await answer(scope, receive, send)


def install_cors(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let the pages of these origins read answers; with none, do nothing.

    Credentials of the browser (cookies) are never asked for: callers send a key or a token.

    Args:
        app: The app.
        origins: Exact origins, as `https://bi.example.com`.
    """
    if origins:
        app.add_middleware(
            PreflightMiddleware,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=TAKEN,
            expose_headers=EXPOSED,
            max_age=_REMEMBERED_S,
        )
