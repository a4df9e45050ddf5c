"""Which web pages of other origins may read what the service answers: none unless listed."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.api.answer_headers import (
    FRESHNESS_HEADER,
    TOTAL_HEADER,
    VERSION_HEADER,
    WARNING_CODE_HEADER,
    WARNING_HEADER,
)
from app.api.middleware import REQUEST_ID_HEADER

# A browser shows a page only the headers that are listed here, and a few harmless ones.
EXPOSED: Final = (
    *("ETag", "Link", "Age", "Location", "Retry-After", "Content-Disposition", "Allow"),
    *(WARNING_HEADER, WARNING_CODE_HEADER, VERSION_HEADER, FRESHNESS_HEADER, TOTAL_HEADER),
    *(REQUEST_ID_HEADER, "Preference-Applied", "WWW-Authenticate"),
)
# What a page may send beside the headers that every page may send.
TAKEN: Final = (
    *("Authorization", "X-API-Key", "If-None-Match", "Prefer", "Last-Event-ID"),
    *(REQUEST_ID_HEADER, "traceparent", "tracestate"),
)
_METHODS: Final = ("GET", "HEAD", "POST", "DELETE")
_REMEMBERED_S: Final = 600


def install_cors(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let the pages of these origins read answers; with none, do nothing.

    Credentials of the browser (cookies) are never asked for: callers send a key or a token.

    Args:
        app: The app.
        origins: Exact origins, as `https://bi.example.com`.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=TAKEN,
            expose_headers=EXPOSED,
            max_age=_REMEMBERED_S,
        )
