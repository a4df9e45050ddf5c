"""Every line of docs/formats.md that can be run is run, against the service as users run it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.api.media import MEDIA_TYPES, Format
from tests.service_process import running_service

PAGE: Final = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ROWS: Final = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The service with the sample data."""
    with running_service(tmp_path_factory.mktemp("service"), {}) as service:
        refreshed = service.post("/refresh", json={"source": "fixture"})
        assert refreshed.json()["status"] == "refreshed"
        yield service


@pytest.mark.parametrize(("language", "code"), BLOCKS, ids=[f"{n}" for n in range(len(BLOCKS))])
def test_every_block_of_the_page_gives_all_points(
    service: httpx.Client, tmp_path: Path, language: str, code: str
) -> None:
    """A block prints how many points it read, or how many files it saved."""
    if "jq " in code and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    address = f"{service.base_url.host}:{service.base_url.port}"
    text = code.replace("localhost:8000", address)
    command = ["bash", "-c", text] if language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    points = service.get("/series").json()["total"]
    assert points > 10
    expected = 1 if "-sOJ" in code else points
    assert (done.stdout.strip(), done.stderr) == (str(expected), "")


def test_the_page_runs_every_form() -> None:
    """No form is without a block, and none is listed that does not exist."""
    assert dict(ROWS) == {form.value: MEDIA_TYPES[form].partition(";")[0] for form in Format}
    run = {form for form in Format if f"format={form}" in "".join(code for _, code in BLOCKS)}
    assert run == set(Format) - {Format.JSON}


def test_a_saved_file_has_its_name(service: httpx.Client, tmp_path: Path) -> None:
    """What curl saves is called after dataset, grain and version."""
    url = f"{service.base_url}/series?format=parquet"
    subprocess.run(["curl", "-sOJ", url], cwd=tmp_path, check=True)  # noqa: S607 - as on the page
    assert [path.name for path in tmp_path.iterdir()] == ["default_month_v0.parquet"]
