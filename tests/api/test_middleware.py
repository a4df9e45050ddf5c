"""Every request has an id and one line in the log, and every crash an answer that tells nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import get_contextvars

from app.api.meters import Meters
from app.api.middleware import RequestMiddleware
from app.api.problems import INTERNAL_DETAIL
from tests.api.bench import Bench, problem
from tests.api.log import SECRET, Log


async def test_a_request_has_one_line(bench: Bench, log: Log) -> None:
    """Method, path, status and time of a request stand in one line, without query values."""
    await bench.get(f"/series?limit=5&api_key={SECRET}&dim_region=EMEA")
    (line,) = log.lines("http_request")
    assert line["duration_ms"] >= 0
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])
    told = {key: line[key] for key in ("level", "method", "path", "query", "status", "code")}
    assert told == {
        "level": "info",
        "method": "GET",
        "path": "/series",
        "query": ["api_key", "dim_region", "limit"],
        "status": 422,
        "code": "bad_query",
    }
    assert "EMEA" not in log.stream.getvalue()
    assert SECRET not in log.stream.getvalue()


async def test_a_good_request_has_no_code(filled: Bench, log: Log) -> None:
    """The line of a request that went well names no problem."""
    await filled.get("/series")
    (line,) = log.lines("http_request")
    assert "code" not in line


async def test_the_platforms_probe_is_a_debug_line(bench: Bench, log: Log) -> None:
    """A probe every few seconds does not fill the log."""
    await bench.get("/health/live")
    assert [line["level"] for line in log.lines("http_request")] == ["debug"]


@pytest.mark.parametrize("asked", ["abc", "A-1_b.2", "x" * 64])
async def test_a_callers_id_is_kept(bench: Bench, asked: str) -> None:
    """A well-formed id of the caller comes back and stands in the log."""
    response = await bench.get("/health/live", X_Request_ID=asked)
    assert response.headers["x-request-id"] == asked


@pytest.mark.parametrize(
    "asked", ["", "a b", "x" * 65, "a\tb", '"><script>', "ä".encode().decode("latin-1")]
)
async def test_a_malformed_id_is_replaced(bench: Bench, asked: str) -> None:
    """An id that could break a log or a header is not taken over."""
    headers = [(b"X-Request-ID", asked.encode("latin-1"))]
    response = await bench.client.get("/health/live", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


async def test_every_line_of_a_request_holds_its_id(bench: Bench, log: Log) -> None:
    """Lines of the pipeline carry the id of the request that caused them, also from threads."""
    await bench.client.post("/refresh", headers={"X-Request-ID": "my-id"})
    assert {line["event"] for line in log.lines()} >= {"refresh_done", "http_request"}
    assert {line["request_id"] for line in log.lines()} == {"my-id"}


async def test_requests_at_the_same_time_keep_their_ids_apart(filled: Bench, log: Log) -> None:
    """Ids do not leak from one request to another, nor to what comes after."""
    ids = [f"id-{number}" for number in range(20)]
    await asyncio.gather(*(filled.get("/series", X_Request_ID=one) for one in ids))
    assert sorted(line["request_id"] for line in log.lines("http_request")) == sorted(ids)
    assert get_contextvars() == {}


async def test_a_crash_tells_the_caller_nothing(bench: Bench, log: Log) -> None:
    """An unexpected error is a fixed sentence and an id; its secret is in neither body nor log."""

    @bench.app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(f"cannot send {SECRET}")

    response = await bench.get("/crash")
    body = problem(response, 500)
    assert (body["code"], body["detail"]) == ("internal", INTERNAL_DETAIL)
    assert "cannot send" not in response.text
    (crashed,) = log.lines("request_crashed")
    assert "RuntimeError: cannot send ***" in crashed["exception"]
    assert crashed["request_id"] == body["request_id"]
    assert [line["status"] for line in log.lines("http_request")] == [500]
    assert SECRET not in response.text + log.stream.getvalue()


async def test_half_an_answer_is_broken_off(bench: Bench, log: Log) -> None:
    """An answer that fails in the middle does not end as if it were whole."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError(SECRET)

    @bench.app.get("/half")
    async def half() -> StreamingResponse:
        return StreamingResponse(parts())

    with pytest.raises(RuntimeError):
        await bench.get("/half")
    assert [line["status"] for line in log.lines("http_request")] == [200]
    assert SECRET not in log.stream.getvalue()


async def test_what_is_not_http_passes_untouched() -> None:
    """The lifespan of the app goes through without an id or a line."""
    seen: list[Scope] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await RequestMiddleware(inside, Meters())({"type": "lifespan"}, receive, send)
    assert seen == [{"type": "lifespan"}]


async def test_a_cancelled_request_has_a_line_too(bench: Bench, log: Log) -> None:
    """A request whose caller went away leaves a line without a status."""
    bench.source.gate = asyncio.Event()
    call: asyncio.Task[httpx.Response] = asyncio.create_task(bench.refresh())
    await bench.source.started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [line["status"] for line in log.lines("http_request")] == [None]
    bench.source.gate.set()
