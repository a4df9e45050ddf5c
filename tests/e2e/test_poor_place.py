"""A place that is full, read-only or closed is told as such; what was there is still served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.pipeline.cache import DeltaCache
from tests.pipeline.samples import metadata_of, three_months

ROOT = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0


def use(place: Path, fault: str = "") -> dict[str, dict[str, Any]]:
    """Load and save in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.poor_place", str(place), fault],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return result


def filled(place: Path) -> Path:
    """Save a version of `sales`, for everybody to read."""
    rows = three_months()
    DeltaCache(place).save(rows, metadata_of(rows))
    return place


def is_refused(answer: dict[str, Any]) -> None:
    """Check that an answer blames the place and says what to look at."""
    assert answer["code"] == "cache_unavailable", answer
    assert answer["next_step"] == ("Check the place: permissions, free space, network, CACHE_URI.")


def is_as_before(place: Path) -> None:
    """Check that the version from before is served, and that a save works again."""
    cache = DeltaCache(place)
    assert cache.load("sales").rows.equals(three_months())
    rows = three_months(2.0)
    assert cache.save(rows, metadata_of(rows)).version == 1


def test_a_file_size_limit_stops_a_save_and_nothing_else(tmp_path: Path) -> None:
    """A file that may not grow is told; the version from before is served."""
    answers = use(filled(tmp_path), "limit")
    assert answers["load"] == {"version": 0, "warning": None}
    is_refused(answers["save"])
    assert "too large" in answers["save"]["problem"].lower()
    is_as_before(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 128 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = IS_ROOT and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if not mounted or mounted.returncode:
        pytest.skip("only root may mount a disk; the file size limit is tested instead")
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S607


def test_a_full_disk_stops_a_save_and_nothing_else(small_disk: Path) -> None:
    """No space left is told in these words; the version from before is served."""
    answers = use(filled(small_disk))
    assert answers["load"] == {"version": 0, "warning": None}
    is_refused(answers["save"])
    assert "No space left" in answers["save"]["problem"]
    is_as_before(small_disk)


@pytest.mark.skipif(not IS_ROOT, reason="only root may become somebody else")
@pytest.mark.parametrize(
    ("mode", "readable"), [(0o755, True), (0o700, False)], ids=["read-only", "closed"]
)
def test_a_place_of_somebody_else_is_told(tmp_path: Path, mode: int, readable: bool) -> None:
    """Who may only read reads; who may not even look is told so, and not that nothing is there."""
    place = filled(tmp_path / "cache")
    place.chmod(mode)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and "pytest" in str(folder):
            folder.chmod(0o755)
    answers = use(place, "nobody")
    if readable:
        assert answers["load"] == {"version": 0, "warning": None}
    else:
        is_refused(answers["load"])
    is_refused(answers["save"])
    is_as_before(place)
