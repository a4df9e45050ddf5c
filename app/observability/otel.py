"""Traces through OpenTelemetry. Imported only if the variables of OpenTelemetry ask for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SERVICE_NAME
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.errors import SeriesError
from app.spans import TRACEPARENT, Attributes, Span, SpanKind, trace_id_of

NAME: Final = "sac-series"
_NOTHING: Final[Attributes] = {}
_KINDS: Final = {
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
}
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def exporting(exporter: str) -> OtelTracing:
    """Return what sends traces where the variables of OpenTelemetry say.

    Args:
        exporter: `otlp` (over HTTP) or `console`.
    """
    processor: SpanProcessor = (
        SimpleSpanProcessor(ConsoleSpanExporter())
        if exporter == "console"
        else BatchSpanProcessor(OTLPSpanExporter())
    )
    return OtelTracing(processor)


class OtelTracing:
    """Makes spans of OpenTelemetry.

    Args:
        processor: Sends them.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        # Without a name of its own the service would be called after the interpreter.
        named = Resource.create({SERVICE_NAME: os.environ.get(OTEL_SERVICE_NAME) or NAME})
        self._provider = TracerProvider(resource=named)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(NAME)

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes = _NOTHING,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str | None = None,
    ) -> Iterator[Span]:
        """Time a block; an error that leaves it makes it fail, by the error's code alone."""
        known = parent is not None and trace_id_of(parent) is not None
        with self._tracer.start_as_current_span(
            name,
            _PROPAGATOR.extract({TRACEPARENT: parent}) if known else None,
            _KINDS[kind],
            attributes,
            # The words of an error may hold what a member is called.
            record_exception=False,
            set_status_on_exception=False,
        ) as found:
            span = _OtelSpan(found)
            try:
                yield span
            except BaseException as error:
                code = error.code if isinstance(error, SeriesError) else type(error).__name__
                span.fails(code)
                raise

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


class _OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str | None:
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fails(self, code: str) -> None:
        self._span.set_attribute("error.type", code)
        self._span.set_status(trace.StatusCode.ERROR)

    def inject(self, headers: MutableMapping[str, str]) -> None:
        _PROPAGATOR.inject(headers, trace.set_span_in_context(self._span))
