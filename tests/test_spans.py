"""Spans tell what was done, for whom and how it ended, and no word of what was read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import spans
from app.errors import SourceTimeoutError
from app.spans import PROPAGATOR, TRACEPARENT, span, trace_id_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Traces:
    """Keeps the spans of a test, which alone is traced.

    Args:
        monkeypatch: Undoes it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._kept = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._kept))
        monkeypatch.setattr(spans, "tracer", self.provider.get_tracer(spans.NAME))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that have ended, in that order."""
        return tuple(self._kept.get_finished_spans())


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """Traces in memory."""
    traces = Traces(monkeypatch)
    yield traces
    traces.provider.shutdown()


def trace_of(found: ReadableSpan) -> str:
    """Return the trace that a span belongs to."""
    context = found.get_span_context()
    assert context is not None
    return trace.format_trace_id(context.trace_id)


def test_a_span_within_another_is_its_child(traces: Traces) -> None:
    """The tree of spans is the tree of what was done."""
    with span("refresh", {"sac.dataset": "sales"}) as outer, span("pull"):
        assert trace_id_of(outer) is not None
    inner, around = traces.spans
    assert (inner.name, around.name) == ("pull", "refresh")
    assert inner.parent == around.get_span_context()
    assert around.attributes == {"sac.dataset": "sales"}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_caller_s_trace_goes_on(traces: Traces) -> None:
    """The span of a request belongs to the trace that the caller began; nonsense begins anew."""
    for parent in (PARENT, "nonsense"):
        context = PROPAGATOR.extract({TRACEPARENT: parent})
        with span("GET", kind=trace.SpanKind.SERVER, context=context) as found:
            assert (trace_id_of(found) == TRACE) == (parent == PARENT)
    first, second = traces.spans
    assert first.kind is trace.SpanKind.SERVER
    assert first.parent is not None
    assert second.parent is None


@pytest.mark.parametrize(
    ("error", "code"),
    [(SourceTimeoutError("No answer for EMEA."), "source_timeout"), (KeyError("EMEA"), "KeyError")],
)
def test_an_error_is_told_by_its_code_alone(traces: Traces, error: Exception, code: str) -> None:
    """Its words may hold what a member is called, and stay here."""
    with pytest.raises(type(error)), span("pull"):
        raise error
    (ended,) = traces.spans
    assert ended.attributes == {"error.type": code}
    assert ended.status.status_code is trace.StatusCode.ERROR
    assert "EMEA" not in ended.to_json()
    assert ended.events == ()


@pytest.mark.parametrize("parent", [PARENT, "nonsense", None])
def test_unless_somebody_traces_nothing_is_recorded(parent: str | None) -> None:
    """Only the caller's trace is known, for the logs."""
    context = None if parent is None else PROPAGATOR.extract({TRACEPARENT: parent})
    with span("x", {"a": 1}, context=context) as found:
        assert not found.is_recording()
        assert trace_id_of(found) == (TRACE if parent == PARENT else None)
