"""Lets in whom the guard knows, to what the table of roles allows; all others get a problem."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.callers import ANYONE, Caller, Role, calling
from app.access.guard import Guard, admit
from app.access.limiting import Allowance, Bucket
from app.api.problems import error_response
from app.api.roles import Rule, rule_of
from app.errors import SeriesError


class AccessMiddleware:
    """Finds out who calls before anything else looks at a request.

    Pure ASGI, so that whatever is inside runs in a context that knows the caller: datasets that
    the caller may not see do not exist there. The caller stands in `scope["state"]["caller"]`.

    Args:
        app: The app inside.
        guard: Knows the keys, the issuer and the limits.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only HTTP requests are touched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule = rule_of(scope["method"], route_path(scope))
        if rule.roles is None:
            await self._app(scope, receive, send)
            return
        if rule.bucket is None and self._guard.counts_nothing:
            # Whoever it is may do everything, and nobody else is ever bound to the context.
            scope.setdefault("state", {})["caller"] = ANYONE
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._let_in(scope, rule, rule.roles)
        except SeriesError as error:
            response = error_response(Request(scope), error)
            await response(scope, receive, send)
            return
        if rule.bucket is not None:
            left = self._guard.left(caller, _address(scope), rule.bucket)
            send = send if left is None else _Telling(send, left).send
        with calling(caller):
            await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, rule: Rule, roles: frozenset[Role]) -> Caller:
        address = _address(scope)
        caller = await self._guard.identify(scope["headers"], address)
        scope.setdefault("state", {})["caller"] = caller
        self._guard.count(caller, address, Bucket.CALLS)
        admit(caller, roles, whole=rule.whole)
        if rule.bucket is not None:
            self._guard.count(caller, address, rule.bucket)
        return caller


class _Telling:
    """Passes an answer on, and tells how many more requests of its kind are let through.

    Args:
        send: Where it goes.
        left: How many.
    """

    def __init__(self, send: Send, left: Allowance) -> None:
        self._send = send
        self._left = left

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            left = self._left
            headers["RateLimit-Policy"] = f'"{left.bucket}";q={left.limit};w={left.window_s}'
            headers["RateLimit"] = f'"{left.bucket}";r={left.remaining};t={left.reset_s}'
        await self._send(message)


def allowed(scope: Scope, datasets: Iterable[str]) -> bool:
    """Tell whether the caller of a request may have an answer that tells of some datasets.

    Args:
        scope: Of a request that has passed the middleware.
        datasets: Their names; no name stands for the default dataset, which may be another for
            a caller who is bound.
    """
    caller = scope.get("state", {}).get("caller")
    if not isinstance(caller, Caller):
        return False
    if caller.datasets is None:
        return True
    named = tuple(datasets)
    return bool(named) and all(map(caller.sees, named))


def route_path(scope: Scope) -> str:
    """Return the path that the router goes by: without the prefix that a proxy cuts off."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :]
    return path


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None
