"""`docs/access.md`: what it tells a second engineer to type works as it stands."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app import errors
from app.errors import SeriesError
from tests.service_process import settings_for
from tests.simulated_tenant import SimulatedTenant

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="no bash or curl")
def test_the_calls_of_the_page_work(tenant: SimulatedTenant, tmp_path: Path) -> None:
    """All `bash` blocks run in one session, on the variables of section 3 and nothing else."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],  # noqa: S607 - whichever is there
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "SAC_DATE_COLUMN": "Date", **settings_for(tenant)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "bearer token for 3599 seconds" in done.stderr
    assert "keys: Version,Date,Region,Product" in done.stdout
    assert "measures: Revenue Headcount" in done.stderr
    assert '"@odata.count":' in done.stdout
    assert "HTTP 4" not in done.stderr
    assert tenant.secret not in done.stdout + done.stderr


def test_the_codes_of_the_page_exist() -> None:
    """Every error code that the page names in italics is one of ours."""
    table = PAGE.split("## 6. When it fails")[1].split("## 7.")[0]
    named = set(re.findall(r"(?<!\*)\*([a-z]+(?:_[a-z]+)+)\*(?!\*)", table))
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    known = {kind.code for kind in kinds if issubclass(kind, SeriesError)}
    assert named
    assert named <= known
