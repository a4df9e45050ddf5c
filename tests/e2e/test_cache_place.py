"""The running service with folders of odd names, and with tables that another tool has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from demo.processes import ROOT
from tests.pipeline.foreign_tool import commit, configured, together, upgraded
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant

ODD = "ä u\u0308 {1} #2?100%&'*+:;\"~"
UPGRADE = together(upgraded("deletionVectors"), configured(delta__enableDeletionVectors="true"))


def module(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a module of ours to its end."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def refreshed(client: httpx.Client) -> dict[str, Any]:
    """Refresh and return the answer."""
    answer = client.post("/refresh")
    assert answer.status_code == httpx.codes.OK, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_folder_of_an_odd_name_is_one_folder(tmp_path: Path, tenant: SimulatedTenant) -> None:
    """What one process saves there, the next one serves; nothing is written elsewhere."""
    folder = tmp_path / ODD
    uri = f"file:{quote(str(folder))}/"
    settings = settings_for(tenant, CACHE_URI=uri)
    (tmp_path / "work").mkdir()
    with running_service(tmp_path / "work", settings) as client:
        assert refreshed(client)["status"] == "refreshed"
        rows = client.get("/series").json()["points"]
    with running_service(tmp_path / "work", settings) as client:
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (200, None)
        series = client.get("/series").json()
        assert (series["points"], series["warning"]) == (rows, None)
        assert refreshed(client)["status"] == "unchanged"
    assert {path.name for path in tmp_path.iterdir()} == {ODD, "work"}
    assert not list((tmp_path / "work").iterdir())
    done = module(tmp_path, "demo.cache", "verify", CACHE_URI=f"~/{ODD}/", HOME=str(tmp_path))
    assert done.stdout == "default: 2 whole, 0 broken; version 1 is served\n"


def test_a_place_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    """Before anything is served or pulled, in one line with the variable and what to write."""
    for words in (("uvicorn", "app.main:app", "--port", "0"), ("demo.cache", "verify")):
        done = module(tmp_path, *words, CACHE_URI="a[b]")
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1
        assert f"CACHE_URI: found the folder {tmp_path}/a[b], where '[' is what" in line
        assert "for example /var/lib/sac-series/cache" in line


def test_a_panic_of_the_store_is_told(tmp_path: Path, tenant: SimulatedTenant) -> None:
    """Nobody waits for ever, the process lives, and the words say what to do."""
    (tmp_path / "a[b]").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "default").symlink_to(tmp_path / "a[b]")
    settings = settings_for(tenant, CACHE_URI="cache")
    with running_service(tmp_path, settings) as client:
        for _ in range(2):
            answer = client.post("/refresh")
            assert (answer.status_code, answer.json()["code"]) == (503, "cache_unavailable")
            assert "name another folder in CACHE_URI" in answer.text
        operations = client.get("/refreshes").json()["refreshes"]
        assert {one["state"] for one in operations} == {"failed"}
        assert client.get("/series").json()["code"] == "cache_missing"
        assert client.get("/health/ready").status_code == 200
        assert client.get("/health/live").status_code == 200


def test_a_file_in_the_way_is_told_before_the_tenant_is_asked(
    tmp_path: Path, tenant: SimulatedTenant
) -> None:
    """The service says that it is not ready, and why, and no refresh pulls in vain."""
    (tmp_path / "file").write_text("")
    with running_service(tmp_path, settings_for(tenant, CACHE_URI="file")) as client:
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "cache_unavailable")
        answer = client.post("/refresh")
        assert (answer.status_code, answer.json()["code"]) == (503, "cache_unavailable")
        assert "Not a directory" in answer.text
    assert tenant.log()["counts"]["page_calls"] == 0


def test_a_table_that_another_tool_has_changed_is_told_and_mended(
    tmp_path: Path, tenant: SimulatedTenant
) -> None:
    """Served as it was, never written to, told at each refresh; after a repair all is as before."""
    table = tmp_path / "data" / "cache" / "default"
    with running_service(tmp_path, settings_for(tenant)) as client:
        refreshed(client)
        points = client.get("/series").json()["points"]
        version = commit(table, UPGRADE)
        files = sorted(path.name for path in table.rglob("*.json"))
        served = client.get("/series").json()
        assert (served["version"], served["points"]) == (0, points)
        assert served["warning_code"] == "older_version"
        assert "it has deletionVectors" in served["warning"]
        calls = tenant.log()["counts"]["page_calls"]
        stale = refreshed(client)
        assert (stale["status"], stale["warning_code"]) == ("stale", "cache_corrupt")
        assert "python -m demo.cache repair" in stale["warning"]
        assert tenant.log()["counts"]["page_calls"] == calls
        assert client.get("/series").json()["freshness"]["state"] == "stale"
        assert client.get("/datasets/default").json()["freshness"]["state"] == "stale"
        assert sorted(path.name for path in table.rglob("*.json")) >= files
        done = module(tmp_path, "demo.cache", "repair")
        assert (done.returncode, done.stderr) == (0, "")
        assert (table / "_delta_log" / f"{version:020}.json.broken").exists()
        assert client.get("/series").json()["points"] == points
        again = refreshed(client)
        assert (again["status"], again["warning"]) == ("unchanged", None)
        served = client.get("/series").json()
        assert (served["points"], served["warning"]) == (points, None)
        assert served["freshness"]["state"] == "fresh"
