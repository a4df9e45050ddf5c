"""Requests as the server hands them on."""

from __future__ import annotations

from starlette.requests import Request


def a_request(query: str = "", **headers: str) -> Request:
    """Return a `GET /series`; underscores in header names stand for hyphens."""
    raw = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/series",
            "query_string": query.encode("latin-1"),
            "headers": raw,
        }
    )
