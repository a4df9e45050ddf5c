"""One pull at a time, a bounded one, and a tenant that is left alone; over real sockets."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service_process import running_service, settings_for, until_in_progress
from tests.simulated_tenant import PATIENCE_S, SimulatedTenant

CALLERS = 50


def asked(tenant: SimulatedTenant) -> int:
    """Count the requests that the tenant has seen."""
    return len(tenant.log()["requests"])


def refresh(service: httpx.Client, **body: object) -> dict[str, Any]:
    """Refresh the default dataset."""
    answer = service.post("/refresh", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def cost(tenant: SimulatedTenant, tmp_path: Path) -> int:
    """How many requests one pull of a fresh service takes."""
    with running_service(tmp_path / "alone", settings_for(tenant)) as service:
        refresh(service)
    requests = asked(tenant)
    tenant.reset()
    return requests


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    """Make the folders that services run in."""
    (tmp_path / "alone").mkdir()


def test_fifty_callers_cause_one_pull(tenant: SimulatedTenant, cost: int, tmp_path: Path) -> None:
    """Fifty refreshes at once are one pull at the tenant, and all get its outcome."""
    tenant.fault("hold", times=None)
    settings = settings_for(tenant)
    with running_service(tmp_path, settings) as service, ThreadPoolExecutor(CALLERS) as threads:
        calls = [threads.submit(refresh, service) for _ in range(CALLERS)]
        until_in_progress(service, CALLERS)
        tenant.clear_faults()
        answers = [call.result(PATIENCE_S) for call in calls]
    assert asked(tenant) == cost
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0]["status"], answers[0]["version"]) == ("refreshed", 0)


def test_a_caller_that_hangs_up_does_not_stop_the_pull(
    tenant: SimulatedTenant, cost: int, tmp_path: Path
) -> None:
    """The pull of a caller who went away is finished, for the next one."""
    tenant.fault("hold", times=None)
    with running_service(tmp_path, settings_for(tenant)) as service:
        hanging_up = httpx.Timeout(PATIENCE_S, read=0.1)
        with pytest.raises(httpx.ReadTimeout):
            service.post("/refresh", timeout=hanging_up)
        tenant.until_held()
        tenant.clear_faults()
        assert refresh(service)["status"] == "refreshed"
    assert asked(tenant) == cost


def test_a_tenant_that_hangs_is_given_up(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """The deadline ends a pull that gets no answer."""
    with running_service(tmp_path, settings_for(tenant)) as service:
        refresh(service)
    tenant.fault("hang", match="page", times=None)
    with running_service(tmp_path, settings_for(tenant, SAC_PULL_DEADLINE_S="0.5")) as service:
        answer = refresh(service)
        assert (answer["status"], answer["warning_code"]) == ("stale", "deadline_exceeded")


def test_readers_are_served_while_a_pull_waits(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """However long the tenant takes, what was there before is answered, as fresh as it is."""
    with running_service(tmp_path, settings_for(tenant)) as service, ThreadPoolExecutor(1) as one:
        refresh(service)
        tenant.fault("hold", match="page", times=None)
        waiting = one.submit(refresh, service)
        tenant.until_held()
        assert service.get("/series").json()["freshness"]["state"] == "fresh"
        assert not waiting.done()
        tenant.clear_faults()
        assert waiting.result(PATIENCE_S)["status"] == "unchanged"


def test_a_restart_forgets_neither_the_failure_nor_the_age(
    tenant: SimulatedTenant, tmp_path: Path
) -> None:
    """A service that starts after a failed refresh warns at once, with the time of the data."""
    settings = settings_for(tenant, SAC_RETRY_ATTEMPTS="1")
    with running_service(tmp_path, settings) as service:
        good = refresh(service)
        tenant.fault("status", match="page", status=503, times=None)
        stale = refresh(service)
    with running_service(tmp_path, settings) as service:
        series = service.get("/series")
        (listed,) = service.get("/datasets").json()["datasets"]
    assert series.json()["warning"] == stale["warning"]
    assert series.headers["x-series-freshness"] == listed["freshness"]["state"] == "stale"
    assert series.json()["freshness"]["last_attempt"] == stale["freshness"]["last_attempt"]
    assert listed["freshness"]["data_time"] == good["metadata"]["last_refresh_time"]


def test_a_failing_tenant_is_left_alone(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """After failures in a row nothing is sent, and it shows; a restart tries again."""
    settings = settings_for(tenant, SAC_RETRY_ATTEMPTS="1", BREAKER_FAILURES="2")
    with running_service(tmp_path, settings) as service:
        refresh(service)
        tenant.fault("status", match="page", status=503, times=None)
        codes = [refresh(service)["warning_code"] for _ in range(2)]
        before = asked(tenant)
        codes.append(refresh(service)["warning_code"])
        assert codes == ["source_unavailable", "source_unavailable", "source_paused"]
        assert asked(tenant) == before
        health = service.get("/health/auth").json()
        assert health["breaker"] == "open"
        assert health["next_attempt"] > health["checked_at"]
    tenant.clear_faults()
    with running_service(tmp_path, settings) as service:
        assert refresh(service)["warning"] is None


def test_a_schedule_refreshes_by_itself(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """With a pace the service fills and confirms its cache unasked, and says when again."""
    with running_service(tmp_path, settings_for(tenant, REFRESH_EVERY_S="1")) as service:
        ends_at = time.monotonic() + PATIENCE_S
        found: dict[str, Any] = {}
        while (found.get("version") or 0) < 2:
            assert time.monotonic() < ends_at
            (found,) = service.get("/datasets").json()["datasets"]
        while found["freshness"]["next_attempt"] is None:
            assert time.monotonic() < ends_at
            (found,) = service.get("/datasets").json()["datasets"]
    assert found["freshness"]["next_attempt"] > found["freshness"]["data_time"]
