"""Every line of docs/formats.md that can be run is run, against the service as users run it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from app.api.media import MEDIA_TYPES, Format
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant

PAGE: Final = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ROWS: Final = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE)
SECTIONS: Final = dict(
    re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
)
# What each tool can read at all.
READ_BY: Final = {
    "curl and jq": set(Format) - {Format.ARROW, Format.EXCEL},
    "pandas": set(Format) - {Format.EXCEL},
    "polars": set(Format) - {Format.EXCEL},
    "DuckDB": set(Format) - {Format.EXCEL},
    "Excel": {Format.EXCEL, Format.CSV},
}
# Names that tools like to take for something else: numbers, dates, nothing, several cells.
NUMBERS: Final = ("0001", "0002", "1e5")
DAYS: Final = ("2024-01-01", "2024-02-01", "2024-03-01")
WORDS: Final = ("NA", "null", 'Zürich, "Süd"')
# Appended to a block: what it read, row by row.
TELL: Final = """
import json
names = list(frame.columns)
rows = frame.fetchall() if hasattr(frame, "fetchall") else None
if rows is None:
    rows = frame.rows() if hasattr(frame, "rows") else frame.values.tolist()
told = [dict(zip(names, map(str, row))) for row in rows]
print(json.dumps([{**row, "date": row["date"][:10]} for row in told]))
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service whose series has names that are hard to read."""
    with SimulatedTenant(rows=10) as tenant:
        tenant.add_model(
            "CODD",
            dimensions=[{"name": "Date", "role": "date"}, "Number", "Day", "Word"],
            measures=["Amount"],
            rows=[
                [f"2025{month:02}", NUMBERS[place], DAYS[place], WORDS[place], month + place / 8]
                for month in range(1, 13)
                for place in range(3)
            ],
        )
        settings = settings_for(
            tenant,
            SAC_MODEL_ID="CODD",
            SAC_VALUE_COLUMN="Amount",
            SAC_DIMENSIONS="Number,Day,Word",
            SAC_FILTER="",
        )
        with running_service(tmp_path_factory.mktemp("service"), settings) as service:
            assert service.post("/refresh").json()["status"] == "refreshed"
            yield service


def run(service: httpx.Client, folder: Path, language: str, code: str) -> list[str]:
    """Run a block of the page against the service, and return the lines that it printed."""
    if "jq " in code and shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    text = code.replace("localhost:8000", f"{service.base_url.host}:{service.base_url.port}")
    command = ["bash", "-c", text] if language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split("\n")


@pytest.mark.parametrize(("language", "code"), BLOCKS, ids=[f"{n}" for n in range(len(BLOCKS))])
def test_every_block_of_the_page_gives_all_points(
    service: httpx.Client, tmp_path: Path, language: str, code: str
) -> None:
    """A block prints how many points it read, or how many files it saved."""
    points = service.get("/series").json()["total"]
    assert points > 10
    expected = 1 if "-sOJ" in code else points
    assert run(service, tmp_path, language, code)[0].strip() == str(expected)


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_every_block_reads_names_and_values_as_they_are(
    service: httpx.Client, tmp_path: Path, code: str
) -> None:
    """No leading zero, `NA` or quote is lost on the way, whatever the tool takes it for."""
    printed = run(service, tmp_path, "python", code + TELL)
    found: list[dict[str, Any]] = json.loads(printed[1])
    expected = service.get("/series").json()["points"]
    assert [{**row, "value": float(row["value"])} for row in found] == expected


def test_every_tool_reads_every_form_that_it_can() -> None:
    """The section of each tool has a block for each form that the tool can read."""
    for tool, forms in READ_BY.items():
        named = set(re.findall(r"format=(\w+)", SECTIONS[tool]))
        assert named | ({Format.JSON} if tool == "curl and jq" else set()) == forms, tool


def test_the_page_lists_every_form() -> None:
    """No form is left out, and none is listed that does not exist."""
    assert dict(ROWS) == {form.value: MEDIA_TYPES[form].partition(";")[0] for form in Format}


def test_a_saved_file_has_its_name(service: httpx.Client, tmp_path: Path) -> None:
    """What curl saves is called after dataset, grain and version."""
    url = f"{service.base_url}/series?format=parquet"
    subprocess.run(["curl", "-sOJ", url], cwd=tmp_path, check=True)  # noqa: S607 - as on the page
    assert [path.name for path in tmp_path.iterdir()] == ["default_month_v0.parquet"]
