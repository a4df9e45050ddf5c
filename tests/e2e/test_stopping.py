"""A service that is told to stop in mid-pull finishes it or hands it back; over real sockets."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.processes import ROOT, free_port, python_module, wait_until_live
from tests.service_process import settings_for, until_in_progress
from tests.simulated_tenant import PATIENCE_S, SimulatedTenant


class Service:
    """A service as a process, and a client for it.

    Attributes:
        process: The process.
        client: Speaks to it.
    """

    def __init__(self, process: subprocess.Popen[str], client: httpx.Client) -> None:
        self.process = process
        self.client = client

    def begin(self, **body: object) -> str:
        """Begin a refresh, and return where its operation is."""
        headers = {"Prefer": "respond-async"}
        answer = self.client.post("/refresh", headers=headers, json=body)
        assert answer.status_code == 202, answer.text
        place: str = answer.headers["location"]
        return place

    def last_event(self, place: str) -> dict[str, Any]:
        """Watch an operation to the end of the stream, and return the last event."""
        with self.client.stream("GET", f"{place}/events") as answer:
            lines = [line.split(": ", 1) for line in answer.iter_lines() if line]
        assert [text for name, *text in lines if name == "event"][-1] == ["done"]
        found: dict[str, Any] = json.loads([text[0] for name, *text in lines if name == "data"][-1])
        return found

    def stop(self) -> None:
        """Tell it to stop."""
        self.process.send_signal(signal.SIGTERM)

    def first_operation(self) -> dict[str, Any]:
        """Wait until an operation has ended that nobody here asked for, and return it."""
        end = time.monotonic() + PATIENCE_S
        while True:
            listed: list[dict[str, Any]] = self.client.get("/refreshes").json()["refreshes"]
            if listed and listed[0]["ended"] is not None:
                return listed[0]
            assert time.monotonic() < end

    def until_not_ready(self) -> httpx.Response:
        """Wait until it says that it is not ready."""
        end = time.monotonic() + PATIENCE_S
        while (answer := self.client.get("/health/ready")).status_code == 200:
            assert time.monotonic() < end
        return answer


@contextlib.contextmanager
def service(folder: Path, tenant: SimulatedTenant, **changes: str) -> Iterator[Service]:
    """Run a service in a folder."""
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    arguments = ("app.main:app", "--app-dir", str(ROOT), "--port", str(port))
    settings = settings_for(tenant, **changes)
    with (
        python_module("uvicorn", *arguments, folder=folder, settings=settings) as process,
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
    ):
        wait_until_live(process, url)
        yield Service(process, client)


@pytest.fixture
def filled(tmp_path: Path, tenant: SimulatedTenant) -> Path:
    """A folder whose cache holds one version."""
    with service(tmp_path, tenant) as running:
        assert running.client.post("/refresh").json()["version"] == 0
    return tmp_path


def test_a_pull_is_finished_within_the_grace(filled: Path, tenant: SimulatedTenant) -> None:
    """Until it is published readers are served, ready is 503, and refreshes are refused."""
    tenant.fault("hold", match="page", times=None)
    with service(filled, tenant) as running, ThreadPoolExecutor(1) as threads:
        place = running.begin()
        watching = threads.submit(running.last_event, place)
        until_in_progress(running.client, 1)
        running.stop()
        ready = running.until_not_ready()
        refused = running.client.post("/refresh")
        series = running.client.get("/series")
        tenant.clear_faults()
        end = watching.result(PATIENCE_S)
        running.process.wait(PATIENCE_S)
    assert ready.json()["code"] == "service_stopping"
    assert (refused.status_code, refused.json()["code"]) == (503, "service_stopping")
    assert int(refused.headers["retry-after"]) > 0
    assert series.status_code == 200
    assert (end["state"], end["result"]["version"]) == ("succeeded", 1)
    with service(filled, tenant) as again:
        assert again.client.get("/series").json()["version"] == 1


def test_a_pull_that_takes_longer_is_handed_back(filled: Path, tenant: SimulatedTenant) -> None:
    """Nothing is published, the reader of events is told, and the next start does it again."""
    tenant.fault("hang", match="page", times=None)
    with (
        service(filled, tenant, SHUTDOWN_GRACE_S="0.3") as running,
        ThreadPoolExecutor(2) as threads,
    ):
        waiting = threads.submit(running.client.post, "/refresh")
        until_in_progress(running.client, 1)
        place = running.begin()
        watching = threads.submit(running.last_event, place)
        until_in_progress(running.client, 2)
        running.stop()
        end, plain = watching.result(PATIENCE_S), waiting.result(PATIENCE_S)
        running.process.wait(PATIENCE_S)
    assert (end["state"], end["problem"]["code"]) == ("cancelled", "service_stopping")
    assert (end["result"]["status"], end["result"]["version"]) == ("stale", 0)
    assert plain.json()["code" if plain.is_error else "warning_code"] == "service_stopping"
    attempt = json.loads((filled / "data/cache/default/_sac_series/attempt.json").read_text())
    assert (attempt["outcome"], attempt["interrupted"]) == ("succeeded", True)
    tenant.clear_faults()
    with service(filled, tenant, REFRESH_EVERY_S="86400") as again:
        assert again.client.get("/series").json()["freshness"]["state"] == "fresh"
        assert again.first_operation()["state"] == "succeeded"


def test_an_idle_service_stops_at_once(filled: Path, tenant: SimulatedTenant) -> None:
    """With nothing to finish, the signal reaches the server as if nothing stood before it."""
    with service(filled, tenant, SHUTDOWN_GRACE_S="3600") as running:
        running.stop()
        assert running.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}


def test_a_pull_is_cancelled_over_the_wire(filled: Path, tenant: SimulatedTenant) -> None:
    """The tenant is asked nothing more, the old version stays, and the next refresh is sound."""
    tenant.fault("hang", match="page", times=1)
    with service(filled, tenant) as running, ThreadPoolExecutor(1) as threads:
        place = running.begin()
        watching = threads.submit(running.last_event, place)
        cancelled = running.client.post(f"{place}/cancel").json()
        assert cancelled["state"] == "cancelled"
        assert watching.result(PATIENCE_S)["id"] == cancelled["id"]
        series = running.client.get("/series").json()
        assert (series["version"], series["warning"]) == (0, None)
        tenant.clear_faults()
        assert running.client.post("/refresh").json()["status"] == "unchanged"
