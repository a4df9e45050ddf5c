"""The framework, with our middlewares outside its own.

FastAPI puts three of its own around all others: for crashes, for traces, for the size of bodies.
Each costs every request, and the first answers a crash in its own words. Here they stand inside,
next to the routes, which are what they are for.
"""

from __future__ import annotations

import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from app.api.problems import internal_problem, problem_response

log = structlog.get_logger(__name__)


class CrashMiddleware:
    """Answers what nobody caught, and breaks off an answer that had begun.

    Args:
        app: The app inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP requests are looked at."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if has_begun:
                # Half an answer must not look whole: the server breaks the connection.
                raise
            log.exception("request_crashed")
            response = problem_response(Request(scope), internal_problem())
            await response(scope, receive, send)


class SeriesApp(FastAPI):
    """An app that passes a request to its middlewares first, and then to the framework's.

    The framework's telemetry must be off: requests do not pass it.
    """

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        stack = self.middleware_stack
        if scope["type"] != "http" or stack is None or self.root_path:
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await stack(scope, receive, send)

    @override
    def build_middleware_stack(self) -> ASGIApp:
        """Return the app with all that stands before it."""
        ours, self.user_middleware = self.user_middleware, [Middleware(CrashMiddleware)]
        try:
            app = super().build_middleware_stack()
        finally:
            self.user_middleware = ours
        for middleware, args, options in reversed(ours):
            app = middleware(app, *args, **options)
        return app
