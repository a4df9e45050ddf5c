"""Our middlewares stand outside the framework's own, which do their work all the same."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.application import CrashMiddleware
from tests.api.bench import Bench, problem
from tests.api.log import SECRET, Log


async def test_a_crash_of_a_route_is_answered_once(bench: Bench, log: Log) -> None:
    """One problem, and one line that tells it to us; the framework adds none."""

    @bench.app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    body = problem(await bench.get("/crash"), 500)
    assert body["code"] == "internal"
    assert len(log.lines("request_crashed")) == 1
    assert SECRET not in log.stream.getvalue()


async def test_a_crash_of_a_middleware_is_answered_too(bench: Bench, log: Log) -> None:
    """What stands before the framework may break as well."""

    def broken(app: ASGIApp) -> ASGIApp:
        async def crash(scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError(SECRET)

        return crash

    # The innermost of ours.
    bench.app.user_middleware.append(Middleware(broken))
    assert problem(await bench.get("/health/live"), 500)["code"] == "internal"
    assert len(log.lines("request_crashed")) == 1
    assert SECRET not in log.stream.getvalue()


async def test_what_is_not_http_passes_untouched() -> None:
    """The lifespan of the app goes through."""
    seen: list[object] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, send))

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await CrashMiddleware(inside)({"type": "lifespan"}, receive, send)
    assert seen == [({"type": "lifespan"}, send)]


async def test_an_app_can_be_built_again(bench: Bench) -> None:
    """To build the stack changes nothing of what it is built from."""
    before = list(bench.app.user_middleware)
    assert bench.app.build_middleware_stack() is not bench.app.build_middleware_stack()
    assert bench.app.user_middleware == before
