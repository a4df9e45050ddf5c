"""Who calls us is told apart from who writes nonsense; and tracing nothing does nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.spans import TRACEPARENT, UNTRACED, trace_id_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
parts = st.one_of(
    st.text("0123456789abcdefABCDEFgx-", max_size=34), st.sampled_from([TRACE, SPAN, "00", "ff"])
)


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        (PARENT, TRACE),
        (f"00-{TRACE}-{SPAN}-00", TRACE),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TRACE),
        (None, None),
        ("", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (PARENT.upper(), None),
        (f"{PARENT}\n", None),
        (f"{PARENT}, {PARENT}", None),
    ],
)
def test_a_parent_is_read_as_the_standard_has_it(header: str | None, trace_id: str | None) -> None:
    """A malformed header is passed over, as if it had not come."""
    assert trace_id_of(header) == trace_id


@given(st.lists(parts, max_size=6).map("-".join) | st.text(max_size=60))
def test_what_is_read_is_what_opentelemetry_reads(header: str) -> None:
    """The logs never name a trace that the spans do not belong to, nor the other way round."""
    context = TraceContextTextMapPropagator().extract({TRACEPARENT: header})
    found = trace.get_current_span(context).get_span_context()
    known = trace.format_trace_id(found.trace_id) if found.is_valid else None
    assert trace_id_of(header) in {known, None}
    if header == header.strip():
        assert trace_id_of(header) == known


def test_tracing_nothing_leaves_no_trace() -> None:
    """No header goes out; only the caller's trace is remembered, for the logs."""
    headers: dict[str, str] = {}
    with UNTRACED.span("x", {"a": 1}, parent=PARENT) as span:
        span.rename("y")
        span.tell({"b": 2})
        span.fails("z")
        span.inject(headers)
        assert span.trace_id == TRACE
    with UNTRACED.span("x", parent="nonsense") as span:
        assert span.trace_id is None
    UNTRACED.close()
    assert headers == {}
