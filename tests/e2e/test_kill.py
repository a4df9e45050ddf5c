"""Killed at any moment, the cache holds whole versions, none of them lost, and goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.pipeline.cache import DeltaCache
from app.pipeline.retention import Retention
from app.records import CachedSeries
from tests.e2e.killing import RAREST
from tests.pipeline.samples import metadata_of, three_months

ROOT = Path(__file__).resolve().parents[2]
KILLS = 110
AT_ONCE = Retention(grace=timedelta(0))
OLD, NEW = three_months(1.0), three_months(2.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_kill_tears_or_loses_a_version(tmp_path: Path, seed: int) -> None:
    """Whenever a refresh is killed, what is served is whole, newer than all before, and goes on.

    A reader in a process of its own looks all the time; it never sees a version go backwards.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killing", str(tmp_path), str(KILLS), str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["faults"] == []
    counts = result["counts"]
    assert counts["kill"] == counts["seen"] >= KILLS
    assert counts["ack"] > 0
    assert counts[RAREST] > 0
    cache = DeltaCache(tmp_path)
    assert all(check.problem is None for check in cache.verify("default"))
    assert cache.vacuum("default", AT_ONCE).versions == 0
    folder = tmp_path / "default"
    assert not [*folder.glob("*#*"), *folder.glob("_delta_log/*#*")]
    assert len(list(folder.glob("*.parquet"))) == len(cache.history("default"))


def steps(before: Path, after: Path) -> Iterator[dict[str, bytes | None]]:
    """Yield what each step of a commit leaves, in order: paths and contents, None for no file.

    These are the steps as `strace` shows them: the data under another name, its right name, the
    commit under another name, a link of the right name, and the other name gone.
    """
    added = {p.relative_to(after): p for p in sorted(after.rglob("*")) if p.is_file()}
    new = [path for path in added if not (before / path).exists()]
    left: dict[str, bytes | None] = {}
    order = ["sales", "_delta_log", "_sac_series"]
    for path in sorted(new, key=lambda path: order.index(path.parent.name)):
        content = added[path].read_bytes()
        for part in (b"", content[: len(content) // 2], content):
            yield left | {f"{path}#1": part}
        yield left | {f"{path}#1": content, str(path): content}
        left[str(path)] = content
        yield dict(left)


def refreshed(cache: DeltaCache, *, touch: bool) -> CachedSeries:
    """Publish new rows, or confirm those that are there."""
    rows = OLD if touch else NEW
    return cache.touch(metadata_of(rows)) if touch else cache.save(rows, metadata_of(rows))


@pytest.mark.parametrize("touch", [False, True], ids=["save", "touch"])
@pytest.mark.parametrize("first", [False, True], ids=["again", "first"])
def test_every_step_of_a_commit_is_all_or_nothing(tmp_path: Path, touch: bool, first: bool) -> None:
    """Stopped between any two steps the old version is served, or the new one, never a mixture."""
    if first and touch:
        return
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    if not first:
        DeltaCache(before).save(OLD, metadata_of(OLD))
    shutil.copytree(before, after)
    saved = refreshed(DeltaCache(after), touch=touch)
    served = set()
    for number, left in enumerate(steps(before, after)):
        root = tmp_path / str(number)
        shutil.copytree(before, root)
        for path, content in left.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content or b"")
        served.add(version_served(root))
        assert refreshed(DeltaCache(root), touch=touch and not first).version in {
            saved.version,
            saved.version + 1,
        }
        DeltaCache(root).vacuum("sales", AT_ONCE)
        log = [path.name for path in (root / "sales" / "_delta_log").iterdir()]
        assert not [name for name in log if "#" in name]
        assert all(check.problem is None for check in DeltaCache(root).verify("sales"))
    assert served == {None if first else 0, saved.version}


def version_served(root: Path) -> int | None:
    """Return the version that is served, after a look at its rows; None if nothing was saved."""
    cache = DeltaCache(root)
    if not cache.versions("sales"):
        assert cache.datasets() == ()
        return None
    series = cache.load("sales")
    assert series.warning is None
    assert any(series.rows.equals(rows) for rows in (OLD, NEW))
    return series.version
