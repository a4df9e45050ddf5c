"""Counts what happens, from the start of the process on; one set for each application."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from starlette.types import Scope

from app.api.access import route_path
from app.api.answer_headers import FRESHNESS_HEADER
from app.api.roles import template_of
from app.errors import ServiceStoppingError
from app.pipeline.operations import Operation, OperationState

PREFIX: Final = "sac_series_"
# Whatever nobody serves, lest a scanner of paths fills the memory with labels.
UNMATCHED: Final = "unmatched"
OTHER_METHOD: Final = "OTHER"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATES: Final = (b"fresh", b"stale", b"expired", b"unknown")
# Headers as they are sent: an answer names them in any case, and a server in lower case.
_FRESHNESS: Final = FRESHNESS_HEADER.lower().encode()
_TYPE: Final = b"content-type"
_EVENTS: Final = b"text/event-stream"
_REQUEST_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_PULL_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(slots=True)
class Served:
    """How a request was answered.

    Attributes:
        status: Of the answer; None if there was none.
        headers: Of the answer, as they are sent.
        begun_s: Seconds until its first byte.
        ended_s: Seconds until its last.
    """

    status: int | None = None
    headers: Iterable[tuple[bytes, bytes]] = ()
    begun_s: float = 0.0
    ended_s: float = 0.0


class Meters:
    """All counters.

    Attributes:
        registry: What holds them.
        in_progress: Requests that are being answered.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # A second series for each counter, which says when it began, would help nobody here.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
        # Memory, processor time and open files, where the system tells them.
        ProcessCollector(registry=self.registry)
        self.in_progress = 0
        Gauge(
            f"{PREFIX}http_requests_in_progress",
            "Requests that are being answered",
            registry=self.registry,
        ).set_function(lambda: self.in_progress)
        self._requests = Histogram(
            f"{PREFIX}http_request_duration_seconds",
            "Time from a request to the last byte of its answer; of event streams to the first",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=_REQUEST_S,
        )
        # To look a row up by its labels costs more than to count in it.
        self._rows_of_requests: dict[tuple[str, str, int | None], Histogram] = {}
        self._answers = self._counter(
            "answers", "Series that were served, by how fresh they were", "freshness"
        )
        self._rows_of_answers = {state: self._answers.labels(state.decode()) for state in _STATES}
        self._refreshes = self._counter(
            "refreshes", "Refreshes that have ended", "dataset", "outcome", "code"
        )
        self._refresh_s = self._histogram("refresh_duration_seconds", "Time of a refresh")
        self._pull_s = self._histogram("pull_duration_seconds", "Time of a pull that succeeded")
        self._rows = self._counter("pull_rows", "Rows that were pulled", "dataset")
        self._pages = self._counter("pull_pages", "Pages that were pulled", "dataset")
        self._bytes = self._counter(
            "pull_bytes", "Bytes of these pages, after decompression", "dataset"
        )
        self._restarts = self._counter(
            "pull_restarts", "Pulls that began anew because the data changed", "dataset"
        )
        self._retries = self._counter("source_retries", "Requests to the source sent again")
        self._tokens = self._counter("tokens_issued", "Tokens that the source issued")

    def served(self, scope: Scope, answer: Served) -> None:
        """Count an answer.

        Args:
            scope: The request, after the application has seen it.
            answer: How it was answered.
        """
        method = scope["method"] if scope["method"] in _METHODS else OTHER_METHOD
        key = method, route_of(scope), answer.status
        row = self._rows_of_requests.get(key)
        if row is None:
            labels = method, key[1], str(answer.status or "none")
            row = self._rows_of_requests[key] = self._requests.labels(*labels)
        seconds = answer.ended_s
        for name, value in answer.headers:
            if name == _FRESHNESS and value in self._rows_of_answers:
                self._rows_of_answers[value].inc()
            elif name == _TYPE and value.startswith(_EVENTS):
                seconds = answer.begun_s
        row.observe(seconds)

    def ended(self, operation: Operation) -> None:
        """Count a refresh."""
        dataset, done = operation.asked.dataset, operation.progress
        problem, outcome = operation.problem, operation.outcome
        code = problem.code if problem else (outcome.warning_code if outcome else None)
        self._refreshes.labels(dataset, _outcome(operation), code or "none").inc()
        self._refresh_s.labels(dataset).observe(operation.elapsed.total_seconds())
        for counter, before, now in (
            (self._rows, operation.retraced.rows, done.rows if done else 0),
            (self._pages, operation.retraced.pages, done.pages if done else 0),
            (self._bytes, operation.retraced.bytes, done.bytes if done else 0),
        ):
            counter.labels(dataset).inc(before + now)
        report = outcome.report if outcome else None
        self._restarts.labels(dataset).inc(report.restarts if report else 0)
        if report is not None:
            self._pull_s.labels(dataset).observe(report.seconds)

    def retried(self) -> None:
        """Count a request to the source that is sent again."""
        self._retries.inc()

    def token_issued(self) -> None:
        """Count a token."""
        self._tokens.inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(PREFIX + name, text, ("dataset",), registry=self.registry, buckets=_PULL_S)


def _outcome(operation: Operation) -> str:
    if operation.state is OperationState.CANCELLED:
        interrupted = isinstance(operation.problem, ServiceStoppingError)
        return "interrupted" if interrupted else "cancelled"
    return "failed" if operation.outcome is None else operation.outcome.status.value


def route_of(scope: Scope) -> str:
    """Return the template of a request's path; all that nobody serves share one."""
    route = scope.get("route")
    if route is not None:
        path: str = route.path
        return path
    # What stands before the routes has answered: a middleware, or what it keeps.
    return template_of(route_path(scope)) or UNMATCHED
