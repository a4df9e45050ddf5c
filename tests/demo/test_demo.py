"""The demo scripts, run as users run them."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.errors import SECRET_VARIABLE
from demo.processes import ROOT
from tests.service_process import MODEL, settings_for
from tests.simulated_tenant import SimulatedTenant


def run(
    module: str, *arguments: str, folder: Path, settings: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a demo module in a folder of its own, with nothing but these settings."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), **(settings or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_auth_check_prints_ok_and_the_expiry(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """With a good login it prints `OK` and the expiry as ISO time in UTC, and exits with 0."""
    done = run("demo.auth_check", folder=tmp_path, settings=settings_for(tenant))
    assert done.returncode == 0
    assert re.fullmatch(r"OK, .* \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", done.stdout)
    assert tenant.secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {SECRET_VARIABLE: "a-wrong-secret"},
            "refused the client credentials. Check SAC_CLIENT_ID",
        ),
        ({"SAC_TOKEN_URL": "{tenant}/nowhere/oauth/token"}, "SAC_TOKEN_URL does not lead"),
        ({"SAC_TOKEN_URL": "http://127.0.0.1:9/oauth/token"}, "cannot be reached"),
        ({SECRET_VARIABLE: ""}, "found nothing, expected the OAuth client's secret"),
    ],
    ids=["wrong secret", "wrong URL", "no network", "no secret"],
)
def test_auth_check_says_in_one_line_what_to_do(
    tenant: SimulatedTenant, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    """Any failure of the login is one actionable line and a non-zero exit code."""
    filled = {name: value.replace("{tenant}", tenant.url) for name, value in changes.items()}
    done = run("demo.auth_check", folder=tmp_path, settings=settings_for(tenant, **filled))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert tenant.secret not in done.stderr
    assert "a-wrong-secret" not in done.stderr


def test_refresh_pulls_falls_back_and_says_so(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """A pull fills the cache; a broken login then exits with 0 and the warning on stdout."""
    settings = settings_for(tenant)
    first = run("demo.refresh", "--source", "sac", folder=tmp_path, settings=settings)
    again = run("demo.refresh", "--source", "sac", folder=tmp_path, settings=settings)
    settings[SECRET_VARIABLE] = "a-wrong-secret"
    broken = run("demo.refresh", "--source", "sac", folder=tmp_path, settings=settings)
    assert (first.returncode, again.returncode, broken.returncode) == (0, 0, 0)
    assert "status     refreshed" in first.stdout
    assert "rows in" in first.stderr
    assert "status     unchanged" in again.stdout
    assert _series_line(first.stdout) == _series_line(again.stdout) == _series_line(broken.stdout)
    assert "status     stale" in broken.stdout
    assert "WARNING    Showing data of " in broken.stdout
    assert "a-wrong-secret" not in broken.stdout + broken.stderr
    assert list((tmp_path / "data" / "cache").iterdir())


def test_refresh_with_nothing_to_show_fails(tmp_path: Path) -> None:
    """No configuration and no cache: a non-zero exit code and a line that says what is missing."""
    done = run("demo.refresh", "--source", "sac", folder=tmp_path)
    assert done.returncode == 1
    assert "SAC_TENANT_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_refresh_from_the_fixture_needs_no_configuration(tmp_path: Path) -> None:
    """The sample is cached offline, and the reader is told that it is a sample."""
    done = run("demo.refresh", "--source", "fixture", folder=tmp_path)
    assert done.returncode == 0
    assert "status     refreshed" in done.stdout
    assert "built-in sample data" in done.stdout


def test_smoke_is_ok_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The smoke run ends with `SMOKE OK` and touches no cache."""
    done = run("demo.smoke", folder=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["SMOKE OK"])
    assert not list(tmp_path.iterdir())


def test_the_demo_checks_itself(tmp_path: Path) -> None:
    """`make demo CHECK=1` goes through refresh, series and fallback, and ends by itself."""
    done = run("demo", "--check", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "DEMO OK"
    assert "Showing data of " in done.stdout


def _series_line(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("series"))


def test_discover_lists_models_and_says_that_names_are_not_unique(
    tenant: SimulatedTenant, tmp_path: Path
) -> None:
    """Every model is listed with its whole id, and shared names are marked."""
    done = run("demo.discover", folder=tmp_path, settings=settings_for(tenant))
    assert done.returncode == 0, done.stderr
    assert MODEL in done.stdout
    assert done.stdout.count("(not unique)") >= 2
    assert "bind a dataset to the id" in done.stdout


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        "CSIMACCT0000000000000000B2",
        "CSIMWEEK00000000000000000G7",
        "CSIMQUARTER000000000000D4",
        "CSIMOWNDATES00000000000H8",
        "CSIMTWODATES000000000000J1",
    ],
)
def test_discover_prints_a_definition_that_works_as_it_is(
    tenant: SimulatedTenant, tmp_path: Path, model: str
) -> None:
    """The TOML that it prints can be pasted into a file and refreshed from."""
    settings = settings_for(tenant)
    described = run("demo.discover", model, folder=tmp_path, settings=settings)
    assert described.returncode == 0, described.stderr
    toml = described.stdout[described.stdout.index("[datasets.") :]
    (tmp_path / "datasets.toml").write_text(toml, encoding="utf-8")
    settings["DATASETS_FILE"] = "datasets.toml"
    done = run("demo.refresh", "--dataset", "my-series", folder=tmp_path, settings=settings)
    assert done.returncode == 0, done.stderr
    assert "status     refreshed" in done.stdout


def test_discover_of_an_unknown_model_says_what_to_do(
    tenant: SimulatedTenant, tmp_path: Path
) -> None:
    """A wrong id is one line that names the next step."""
    done = run("demo.discover", "CNOSUCHMODEL", folder=tmp_path, settings=settings_for(tenant))
    assert done.returncode == 1
    assert "has no model 'CNOSUCHMODEL'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_refresh_verifies_both_ways(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """`--verify` pulls aggregates and facts, and tells how many points were compared."""
    done = run("demo.refresh", "--verify", folder=tmp_path, settings=settings_for(tenant))
    assert done.returncode == 0, done.stderr
    assert re.search(r"verified   [1-9]\d* points, 0 differ", done.stdout)
