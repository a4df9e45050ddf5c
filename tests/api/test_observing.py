"""Every request is counted, and traced if that is asked for; its lines name its trace."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from app.api.meters import Meters
from app.api.middleware import RequestMiddleware
from app.observability.logs import configure_logging
from app.observability.masking import Masker
from tests.api.bench import Bench
from tests.api.log import SECRET, Log
from tests.test_spans import PARENT, TRACE, Traces, trace_of


@pytest.fixture
def log() -> Iterator[Log]:
    """The real logging, written to memory at level debug."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    log = Log()
    configure_logging("debug", "json", Masker([SECRET]), log.stream)
    yield log
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("parent", [PARENT, "nonsense", None], ids=str)
async def test_lines_name_the_trace_of_the_caller(
    filled: Bench, log: Log, parent: str | None
) -> None:
    """A well-formed `traceparent` gives every line its trace; a malformed one is passed over."""
    headers = {} if parent is None else {"traceparent": parent}
    await filled.client.post("/refresh", headers=headers)
    found = {line.get("trace_id") for line in log.lines()}
    assert found == {TRACE if parent == PARENT else None}


async def test_a_request_is_a_span_of_its_route(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Method, template and status stand in it; what the query names does not, nor the path."""
    traces, bench = Traces(monkeypatch), Bench()
    await bench.refresh()
    await bench.get("/series?dim_region=EMEA", traceparent=PARENT)
    await bench.get("/datasets/EMEA/versions")
    await bench.get("/EMEA")
    names = [span.name for span in traces.spans]
    assert names == [
        *("pull", "commit", "refresh", "POST /refresh", "GET /series"),
        *("GET /datasets/{name}/versions", "GET unmatched"),
    ]
    series = traces.spans[4]
    assert series.attributes == {
        "http.request.method": "GET",
        "http.route": "/series",
        "http.response.status_code": 200,
    }
    assert trace_of(series) == TRACE
    assert [line["trace_id"] for line in log.lines("http_request")][1] == TRACE
    assert all("EMEA" not in span.to_json() for span in traces.spans)


async def test_a_crash_is_a_failed_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody caught is seen in the traces as what was answered."""
    traces, bench = Traces(monkeypatch), Bench()

    @bench.app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    await bench.get("/crash")
    (span,) = traces.spans
    assert span.attributes is not None
    assert (span.name, span.attributes["error.type"]) == ("GET /crash", "500")
    assert SECRET not in span.to_json()


async def test_what_is_not_http_passes_untouched() -> None:
    """The lifespan of the app goes through without a count."""
    seen: list[Scope] = []
    meters = Meters()

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await RequestMiddleware(inside, meters)({"type": "lifespan"}, receive, send)
    assert seen == [{"type": "lifespan"}]


async def test_requests_that_are_being_answered_are_counted(bench: Bench) -> None:
    """While one is answered it is there, and when it has gone it is not."""
    seen: list[int] = []

    @bench.app.get("/count")
    async def count() -> None:
        seen.append(bench.meters.in_progress)

    await bench.get("/count")
    assert (seen, bench.meters.in_progress) == ([1], 0)
