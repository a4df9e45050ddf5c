"""What happens is counted once, under labels that nobody outside can multiply."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from starlette.types import Scope

from app.api.meters import Meters, Served, route_of
from app.api.roles import template_of
from app.errors import CredentialsRefusedError
from tests.api.bench import ROWS, Bench
from tests.fakes import a_page

SERVED = "sac_series_http_request_duration_seconds_count"


def value(meters: Meters, name: str, **labels: str) -> float | None:
    """Return what was counted; None if nothing was under these labels."""
    return meters.registry.get_sample_value(name, labels)


def routes(meters: Meters) -> set[tuple[str, str, str]]:
    """Return method, route and status of all requests."""
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for family in meters.registry.collect()
        for sample in family.samples
        if sample.name == SERVED
    }


async def test_requests_are_counted_by_route_and_status(filled: Bench) -> None:
    """A path with a name in it is counted under its template."""
    await filled.get("/datasets/default/versions")
    await filled.get("/datasets/other/versions")
    await filled.get(f"/refreshes/{'0' * 32}")
    await filled.get("/docs")
    assert routes(filled.meters) == {
        ("POST", "/refresh", "200"),
        ("GET", "/datasets/{name}/versions", "200"),
        ("GET", "/datasets/{name}/versions", "404"),
        ("GET", "/refreshes/{operation_id}", "404"),
        ("GET", "/docs", "200"),
    }
    assert value(filled.meters, "sac_series_http_requests_in_progress") == 0


async def test_strangers_make_no_labels(bench: Bench) -> None:
    """Whatever paths and methods a scanner tries, they share one row."""
    for number in range(20):
        await bench.get(f"/wp-admin/{number}.php")
        await bench.client.request(f"X{number}", "/nothing")
    assert routes(bench.meters) == {("GET", "unmatched", "404"), ("OTHER", "unmatched", "404")}


async def test_a_crash_is_counted_as_what_was_answered(bench: Bench) -> None:
    """A request that nobody caught is a 500 of its route."""

    @bench.app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("oops")

    await bench.get("/crash")
    assert routes(bench.meters) == {("GET", "/crash", "500")}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/series", "/series"),
        ("/datasets/a b/versions", "/datasets/{name}/versions"),
        ("/openapi.json", "/openapi.json"),
        ("/datasets/a/b/versions", "unmatched"),
        ("", "unmatched"),
    ],
)
def test_an_answer_before_the_routes_has_its_route_too(path: str, route: str) -> None:
    """What a middleware answers is counted where the application would have, behind a proxy too."""
    scope: Scope = {"type": "http", "method": "GET", "path": path}
    assert route_of(scope) == route
    assert route_of({**scope, "root_path": "/sac", "path": f"/sac{path}"}) == route


async def test_series_are_counted_by_freshness(filled: Bench) -> None:
    """Stale serves are seen, and answers that are no series are not."""
    await filled.get("/series")
    filled.source.error = CredentialsRefusedError("No.")
    await filled.refresh()
    await filled.get("/series")
    await filled.get("/series")
    await filled.get("/datasets")
    name = "sac_series_answers_total"
    assert value(filled.meters, name, freshness="fresh") == 1
    assert value(filled.meters, name, freshness="stale") == 2
    assert value(filled.meters, name, freshness="expired") == 0


async def test_refreshes_are_counted_by_outcome(bench: Bench) -> None:
    """Each end has its word and its code; what was pulled is added up, also of those in vain."""
    bench.source.error = CredentialsRefusedError("No.")
    await bench.refresh()
    bench.source.error = None
    await bench.refresh()
    await bench.refresh()
    bench.source.pages = (a_page(ROWS[:1]),)
    await bench.refresh()
    name = "sac_series_refreshes_total"
    for outcome, code in (
        ("failed", "credentials_refused"),
        ("refreshed", "none"),
        ("unchanged", "none"),
        ("stale", "drift_rejected"),
    ):
        assert value(bench.meters, name, dataset="default", outcome=outcome, code=code) == 1
    for part, count in (("rows", 13), ("pages", 4), ("bytes", 4000), ("restarts", 0)):
        assert value(bench.meters, f"sac_series_pull_{part}_total", dataset="default") == count
    for part, count in (("refresh", 4), ("pull", 2)):
        name = f"sac_series_{part}_duration_seconds_count"
        assert value(bench.meters, name, dataset="default") == count


@pytest.mark.parametrize("stops", [False, True], ids=["cancelled", "interrupted"])
async def test_what_was_stopped_is_told_apart_from_what_failed(filled: Bench, stops: bool) -> None:
    """A caller's wish and the end of the service are no failures."""
    operation = filled.services.refresh.start("default")
    if stops:
        await filled.services.operations.close()
    else:
        await filled.services.operations.cancel(operation.id)
    outcome, code = (
        ("interrupted", "service_stopping") if stops else ("cancelled", "refresh_cancelled")
    )
    name = "sac_series_refreshes_total"
    assert value(filled.meters, name, dataset="default", outcome=outcome, code=code) == 1


def test_retries_and_tokens_are_counted() -> None:
    """Also of pulls that fail in the end, and of the health check."""
    meters = Meters()
    meters.retried()
    meters.token_issued()
    meters.token_issued()
    assert value(meters, "sac_series_source_retries_total") == 1
    assert value(meters, "sac_series_tokens_issued_total") == 2


async def test_a_stream_counts_until_it_begins(filled: Bench) -> None:
    """How long somebody watches says nothing of how fast the service is."""
    (operation,) = filled.services.operations.all()
    await filled.get(f"/refreshes/{operation.id}/events")
    labels = {"method": "GET", "route": "/refreshes/{operation_id}/events", "status": "200"}
    assert value(filled.meters, SERVED, **labels) == 1
    meters = Meters()
    answer = Served(200, [(b"content-type", b"text/event-stream; charset=utf-8")], 1.0, 900.0)
    meters.served({"method": "GET", "path": "/x"}, answer)
    (total,) = (
        sample.value
        for family in meters.registry.collect()
        for sample in family.samples
        if sample.name == SERVED.replace("_count", "_sum")
    )
    assert total == 1.0


@given(st.text(), st.text(), st.none() | st.integers(100, 599), st.text())
def test_any_request_is_counted(method: str, path: str, status: int | None, freshness: str) -> None:
    """Nothing that a client sends makes counting fail, nor a label of its own."""
    assume(template_of(path) is None)
    meters = Meters()
    scope: dict[str, Any] = {"method": method, "path": path}
    headers = [(b"x-series-freshness", freshness.encode()), (b"content-type", b"")]
    meters.served(scope, Served(status, headers))
    assert {route for _, route, _ in routes(meters)} == {"unmatched"}
