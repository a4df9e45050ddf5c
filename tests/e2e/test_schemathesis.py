"""Schemathesis finds nothing: every answer to every request is what the OpenAPI document says.

All its checks and phases, links between operations included, against a running service. A longer
run: `SCHEMATHESIS_EXAMPLES=1000 pytest tests/e2e/test_schemathesis.py -s`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.service_process import running_service, settings_for
from tests.simulated_tenant import ROOT, SimulatedTenant

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "15")
CONFIG = Path(__file__).with_name("schemathesis.toml")


def run(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run schemathesis on a service, with a fixed seed and all checks."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
    options = ["--checks", "all", "--max-examples", EXAMPLES, "--seed", "1", "--no-color"]
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


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """No failure in any phase, over all operations; the summary is printed."""
    quiet = {"LOG_LEVEL": "error"}
    with (
        SimulatedTenant(rows=500) as tenant,
        running_service(tmp_path, settings_for(tenant, **quiet)) as service,
    ):
        assert service.post("/refresh").status_code == 200
        found = run(str(service.base_url).rstrip("/"), tmp_path)
    summary = found.stdout[found.stdout.find("= SUMMARY =") :]
    sys.stdout.write(summary)
    assert found.returncode == 0, found.stdout + found.stderr
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ {phase}\b", summary), summary
    tested = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", summary)
    assert tested is not None
    assert len(set(tested.groups())) == 1
