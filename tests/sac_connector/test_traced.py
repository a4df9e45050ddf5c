"""Requests to the tenant are timed, and nothing of what they ask for stands in a span."""

from __future__ import annotations

import httpx
import pytest
import respx
from opentelemetry import trace

from app.sac_connector.traced import TracedClient
from app.spans import PROPAGATOR, TRACEPARENT, span
from tests.test_spans import PARENT, Traces, trace_of

URL = "https://t.example/api/v1/dataexport/providers/sac/C1/FactData?$filter=Region eq 'EMEA'"


@respx.mock
async def test_a_request_has_a_span_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """Method, host, path and status; the tenant can join its own spans to it."""
    traces = Traces(monkeypatch)
    route = respx.get(url__startswith="https://t.example/").respond(200, json={})
    async with TracedClient() as client:
        await client.get(URL, headers={"X-Key": "hunter2"})
    (ended,) = traces.spans
    assert (ended.name, ended.kind) == ("GET", trace.SpanKind.CLIENT)
    assert ended.attributes == {
        "http.request.method": "GET",
        "server.address": "t.example",
        "server.port": 443,
        "url.path": "/api/v1/dataexport/providers/sac/C1/FactData",
        "http.response.status_code": 200,
    }
    sent = route.calls.last.request.headers["traceparent"]
    assert sent.split("-")[1] == trace_of(ended)
    assert not {"EMEA", "hunter2"} & set(ended.to_json().split("'"))


@respx.mock
@pytest.mark.parametrize(
    ("answer", "code"),
    [(httpx.Response(503), "503"), (httpx.ConnectError("no"), "ConnectError")],
    ids=["status", "no answer"],
)
async def test_a_failure_is_a_failure_of_the_span(
    answer: httpx.Response | Exception, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status that is an error, and no answer at all, are told by their code."""
    traces = Traces(monkeypatch)
    respx.get(url__startswith="http://t.example").mock(
        return_value=answer if isinstance(answer, httpx.Response) else None,
        side_effect=answer if isinstance(answer, Exception) else None,
    )
    async with TracedClient() as client:
        try:
            await client.get("http://t.example:8080/x")
        except httpx.ConnectError:
            assert isinstance(answer, Exception)
    (ended,) = traces.spans
    assert ended.attributes is not None
    assert ended.attributes["error.type"] == code
    assert ended.attributes["server.port"] == 8080
    assert ended.status.status_code is trace.StatusCode.ERROR


@respx.mock
async def test_without_tracing_nothing_is_sent_along() -> None:
    """A tenant does not learn of traces that nobody asked for, nor of a caller's own."""
    route = respx.get("http://t.example/x").respond(200)
    with span("GET", context=PROPAGATOR.extract({TRACEPARENT: PARENT})):
        async with TracedClient() as client:
            await client.get("http://t.example/x")
    assert "traceparent" not in route.calls.last.request.headers
