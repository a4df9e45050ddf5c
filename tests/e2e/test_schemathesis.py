"""Schemathesis finds nothing: every answer to every request is what the OpenAPI document says.

All phases and all checks but one, links between operations included, against a running service. A
longer run: `SCHEMATHESIS_EXAMPLES=1000 pytest tests/e2e/test_schemathesis.py -s`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.access.keys import new_key, stored_form
from app.api.openapi_links import LINKS
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import ROOT, SimulatedTenant

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "15")
# Of the stateful phase, as schemathesis.toml asks for them.
SCENARIOS = 80
CONFIG = Path(__file__).with_name("schemathesis.toml")
# Hypothesis ends a search early whose replay went another way, as it may if a refresh took longer.
MOST_RUNS = 5
WAYS = re.compile(r"Scenarios: +(\d+)\s+API Links: +(\d+) covered / \d+ selected")


def run(
    url: str, folder: Path, key: str = "", *more: str, seed: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run schemathesis on a service, with a fixed seed, all checks, and a key if there is one."""
    config = CONFIG
    if key:
        config = folder / "schemathesis.toml"
        shown = f'\n[auth.openapi.bearer]\nbearer = "{key}"\n'
        config.write_text(CONFIG.read_text(encoding="utf-8") + shown, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)]
    options = [
        "--checks",
        "all",
        "--max-examples",
        EXAMPLES,
        "--seed",
        str(seed),
        "--no-color",
        *more,
    ]
    return subprocess.run(
        [*command, "run", f"{url}/openapi.json", *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def ways_of(found: subprocess.CompletedProcess[str]) -> tuple[int, int]:
    """Return how many ways by links a run went, and how many links they had; none may fail."""
    assert found.returncode == 0, found.stdout + found.stderr
    ways = WAYS.search(found.stdout)
    assert ways is not None, found.stdout
    sys.stdout.write(f"{ways[0]}\n")
    return int(ways[1]), int(ways[2])


def is_whole(ways: tuple[int, int]) -> bool:
    """Tell whether the search of a run went to its end."""
    scenarios, links = ways
    return scenarios >= SCENARIOS and links >= len(LINKS) / 2


@pytest.mark.parametrize("key", ["", new_key()], ids=["open", "protected"])
def test_schemathesis_finds_nothing(tmp_path: Path, key: str) -> None:
    """No failure in any phase, over all operations; the summary is printed.

    A protected service is also asked without its key, and must refuse.
    """
    changes = {"LOG_LEVEL": "error"}
    if key:
        limits = ("RATE_LIMIT", "RATE_LIMIT_REFRESH", "RATE_LIMIT_HEALTH_AUTH")
        changes |= dict.fromkeys([*limits, "RATE_LIMIT_FAILURES"], "none")
        changes["API_OPERATE_KEYS"] = stored_form(key)
    with (
        SimulatedTenant(rows=500) as tenant,
        running_service(tmp_path, settings_for(tenant, **changes)) as service,
    ):
        filled = service.post("/refresh", headers={"X-API-Key": key} if key else {})
        assert filled.status_code == 200
        url = str(service.base_url).rstrip("/")
        found = run(url, tmp_path, key)
        ways = [ways_of(found)]
        while not is_whole(ways[-1]) and len(ways) < MOST_RUNS:
            only = ("--phases", "stateful")
            ways.append(ways_of(run(url, tmp_path, key, *only, seed=len(ways) + 1)))
    summary = found.stdout[found.stdout.find("= SUMMARY =") :]
    sys.stdout.write(summary)
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ {phase}\b", summary), summary
    tested = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", summary)
    assert tested is not None
    assert len(set(tested.groups())) == 1
    assert is_whole(ways[-1]), ways
