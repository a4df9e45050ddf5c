"""A service that is asked to sends its traces to a receiver, over a real socket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant
from tests.test_spans import PARENT, TRACE

KEY = "receiver-key-0815"


class Receiver(ThreadingHTTPServer):
    """Takes traces as OTLP over HTTP has it.

    Attributes:
        bodies: What was sent.
        keys: The credentials that came with it.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.keys: set[str | None] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        """The spans that came."""
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take what is sent to the path of traces."""
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers["X-Key"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that runs."""
    with Receiver() as receiver, contextlib.ExitStack() as stack:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(receiver.shutdown)
        yield receiver


def test_one_trace_leads_from_the_caller_to_the_tenant(
    tenant: SimulatedTenant, receiver: Receiver, tmp_path: Path
) -> None:
    """Request, refresh, pull, commit and the tenant's requests are one tree, and tell no data."""
    settings = settings_for(
        tenant,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"x-key={KEY}",
    )
    with running_service(tmp_path, settings) as service:
        refreshed = service.post("/refresh", headers={"traceparent": PARENT})
        assert refreshed.json()["status"] == "refreshed"
        series = service.get("/series", params={"dim_region": "EMEA"})
        assert series.json()["points"]
    ours = [span for span in receiver.spans if span.trace_id.hex() == TRACE]
    names = {span.span_id: span.name for span in ours}
    tree = {(names.get(span.parent_span_id), span.name) for span in ours}
    assert tree >= {
        (None, "POST /refresh"),
        ("POST /refresh", "refresh"),
        ("refresh", "pull"),
        ("refresh", "commit"),
        ("pull", "GET"),
        ("pull", "POST"),
    }
    # The framework makes none of its own, which would hold whole addresses.
    ours_alone = {"GET", "POST", "refresh", "pull", "commit", "POST /refresh", "GET /series"}
    assert ours_alone == {span.name for span in receiver.spans} - {"GET /health/live"}
    assert "GET /series" not in names.values()
    sent = b"".join(receiver.bodies)
    for word in (tenant.secret, tenant.client_id, "EMEA", "public.Actual", "filter"):
        assert word.encode() not in sent
    assert receiver.keys == {KEY}


def test_the_tenant_is_told_of_no_trace_unless_one_is_made(
    tenant: SimulatedTenant, tmp_path: Path
) -> None:
    """A caller's trace ends here while nothing is traced."""
    with running_service(tmp_path, settings_for(tenant)) as service:
        service.post("/refresh", headers={"traceparent": PARENT})
    sent = [name.lower() for request in tenant.log()["requests"] for name in request["headers"]]
    assert "accept" in sent
    assert "traceparent" not in sent
