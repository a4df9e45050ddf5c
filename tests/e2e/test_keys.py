"""API keys at the service as users run it: made, rotated and revoked while it runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo.processes import ROOT
from tests.issuer import bearer
from tests.service_process import running_service
from tests.simulated_tenant import PATIENCE_S

LIMITS = {"RATE_LIMIT_FAILURES": "none", "RATE_LIMIT_REFRESH": "3/hour"}


def keys(folder: Path, *words: str) -> str:
    """Run the command of keys, and return what it prints."""
    command = [sys.executable, "-m", "demo.keys", *words, "--file", str(folder / "keys.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[httpx.Client]:
    """A service in production, with one key that refreshes."""
    (tmp_path / "key").write_text(keys(tmp_path, "make", "first", "--role", "refresh"))
    settings = {"ENVIRONMENT": "production", "API_KEYS_FILE": str(tmp_path / "keys.json")}
    with running_service(tmp_path, {**settings, **LIMITS}) as service:
        yield service


def wait_for(service: httpx.Client, key: str, status: int) -> None:
    """Ask until the answer has a status; a changed file is seen within a second."""
    ends_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        if service.get("/datasets", headers={"X-API-Key": key}).status_code == status:
            return
    raise AssertionError(f"no {status} in time")


def test_keys_are_rotated_without_a_restart(service: httpx.Client, tmp_path: Path) -> None:
    """A key that was made is let in, one that was revoked is not, and nobody else ever was."""
    first = (tmp_path / "key").read_text()
    assert service.get("/series").status_code == 401
    assert service.get("/health/ready").status_code == 200
    filled = service.post("/refresh", json={"source": "fixture"}, headers=bearer(first))
    assert filled.status_code == 200
    assert service.get("/series", headers={"X-API-Key": first}).status_code == 200
    second = keys(tmp_path, "make", "second")
    wait_for(service, second, 200)
    keys(tmp_path, "revoke", first.split("_")[1])
    wait_for(service, first, 401)
    assert service.get("/series", headers={"X-API-Key": second}).status_code == 200


def test_refreshes_are_limited(service: httpx.Client, tmp_path: Path) -> None:
    """The one too many is told when to come back, and reading goes on."""
    key = {"X-API-Key": (tmp_path / "key").read_text()}
    answers = [service.post("/refresh", json={"source": "fixture"}, headers=key) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 3_600
    assert service.get("/series", headers=key).status_code == 200
