"""Times what happens as a span of OpenTelemetry; unless somebody traces, nothing comes of it.

No attribute of a span may hold an address with its query, a header or a body: filters name members.
The words of an error may name them, too, so a span tells its code alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from app.errors import SeriesError

NAME: Final = "sac-series"
TRACEPARENT: Final = "traceparent"
# Not the one of the environment: what else callers send along is not for the tenant.
PROPAGATOR: Final = TraceContextTextMapPropagator()
# Set when the service starts. OpenTelemetry has one for all libraries of a process, and what those
# put into their spans is not known here.
tracer: trace.Tracer = trace.NoOpTracer()


@contextmanager
def span(
    name: str,
    attributes: Attributes = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    context: Context | None = None,
) -> Iterator[Span]:
    """Time a block; an error that leaves it makes the span fail, by the error's code alone.

    Args:
        name: What is done.
        attributes: What is known of it.
        kind: Which side of a request it is on.
        context: Of the caller; None for the span around it.
    """
    found = tracer.start_span(name, context, kind, attributes)
    token = attach(trace.set_span_in_context(found))
    try:
        yield found
    except BaseException as error:
        fail(found, error.code if isinstance(error, SeriesError) else type(error).__name__)
        raise
    finally:
        detach(token)
        found.end()


def fail(found: Span, code: str) -> None:
    """Say that what a span times failed, and by which code."""
    found.set_attribute("error.type", code)
    found.set_status(trace.StatusCode.ERROR)


def trace_id_of(found: Span) -> str | None:
    """Return the trace that a span belongs to; None if it belongs to none."""
    context = found.get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
