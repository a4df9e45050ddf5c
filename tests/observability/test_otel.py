"""Spans tell what was done, for whom and how it ended, and no word of what was read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.errors import SourceTimeoutError
from app.observability.otel import OtelTracing
from app.spans import SpanKind, trace_id_of
from tests.test_spans import PARENT, TRACE


class Traces:
    """A tracing whose spans are kept.

    Attributes:
        tracing: Makes them.
    """

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        self.tracing = OtelTracing(SimpleSpanProcessor(self._kept))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, in that order."""
        return tuple(self._kept.get_finished_spans())


def trace_of(span: ReadableSpan) -> str:
    """Return the trace that a span belongs to."""
    context = span.get_span_context()
    assert context is not None
    return trace.format_trace_id(context.trace_id)


@pytest.fixture
def traces() -> Iterator[Traces]:
    """Traces in memory."""
    traces = Traces()
    yield traces
    traces.tracing.close()


def test_a_span_within_another_is_its_child(traces: Traces) -> None:
    """The tree of spans is the tree of what was done."""
    with (
        traces.tracing.span("refresh", {"sac.dataset": "sales"}) as outer,
        traces.tracing.span("pull"),
    ):
        assert outer.trace_id is not None
    inner, around = traces.spans
    assert (inner.name, around.name) == ("pull", "refresh")
    assert inner.parent == around.get_span_context()
    assert around.attributes == {"sac.dataset": "sales"}
    assert around.resource.attributes["service.name"] == "sac-series"


def test_a_caller_s_trace_goes_on(traces: Traces) -> None:
    """The span of a request belongs to the trace that the caller began; nonsense begins anew."""
    with traces.tracing.span("GET", kind=SpanKind.SERVER, parent=PARENT) as span:
        assert span.trace_id == TRACE
    with traces.tracing.span("GET", kind=SpanKind.SERVER, parent="nonsense") as span:
        assert span.trace_id not in {TRACE, None}
    first, second = traces.spans
    assert first.kind is trace.SpanKind.SERVER
    assert first.parent is not None
    assert second.parent is None


def test_what_is_sent_names_the_span(traces: Traces) -> None:
    """The receiver of a request learns which span it belongs to."""
    headers: dict[str, str] = {}
    with traces.tracing.span("GET", kind=SpanKind.CLIENT) as span:
        span.inject(headers)
        assert trace_id_of(headers["traceparent"]) == span.trace_id


@pytest.mark.parametrize(
    ("error", "code"),
    [(SourceTimeoutError("No answer for EMEA."), "source_timeout"), (KeyError("EMEA"), "KeyError")],
)
def test_an_error_is_told_by_its_code_alone(traces: Traces, error: Exception, code: str) -> None:
    """Its words may hold what a member is called, and stay here."""
    with pytest.raises(type(error)), traces.tracing.span("pull"):
        raise error
    (span,) = traces.spans
    assert span.attributes == {"error.type": code}
    assert span.status.status_code is trace.StatusCode.ERROR
    assert "EMEA" not in span.to_json()
    assert span.events == ()


def test_a_span_can_be_named_later(traces: Traces) -> None:
    """What a request was for is known after it was answered."""
    with traces.tracing.span("GET") as span:
        span.rename("GET /series")
        span.tell({"http.route": "/series"})
    (ended,) = traces.spans
    assert (ended.name, ended.attributes) == ("GET /series", {"http.route": "/series"})


def test_a_name_of_the_service_is_taken_from_the_usual_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several services of one receiver can be told apart."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "plan-series")
    traces = Traces()
    with traces.tracing.span("x"):
        pass
    assert traces.spans[0].resource.attributes["service.name"] == "plan-series"
