"""`HEAD` for whatever answers `GET`, and `OPTIONS` for every address."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OFFERED: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")


class MethodsMiddleware:
    """Answers `HEAD` as `GET` without a body, and `OPTIONS` with what an address takes.

    Args:
        app: The app inside; it never sees a `HEAD`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        method = scope.get("method")
        if method == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _Bodiless(send).send)
            return
        if method == "OPTIONS" and (allowed := allowed_methods(scope)):
            answer = Response(status_code=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def allowed_methods(scope: Scope) -> str:
    """Return what an address takes, for the header `Allow`; empty if nothing is served there."""
    routes = scope["app"].routes
    found = {
        method
        for method in _OFFERED
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    }
    if "GET" in found:
        found.add("HEAD")
    return ", ".join(sorted(found | {"OPTIONS"})) if found else ""


class _Bodiless:
    """Passes the head of an answer on, and ends it where the body would begin."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self._ended:
            self._ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
