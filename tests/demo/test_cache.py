"""`python -m demo.cache` does what it says, and its exit code says how it went."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.pipeline.cache import DeltaCache
from demo.cache import app
from tests.pipeline.foreign_tool import commit, upgraded
from tests.pipeline.samples import metadata_of, three_months

ROOT = Path(__file__).resolve().parents[2]


def run(root: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Run the command on a cache; return its exit code and what it says."""
    done = CliRunner().invoke(app, words, env={"CACHE_URI": str(root), **variables})
    return done.exit_code, done.output


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a cache with three versions of `sales`."""
    cache = DeltaCache(tmp_path)
    for first in (1.0, 2.0, 3.0):
        rows = three_months(first)
        cache.save(rows, metadata_of(rows))
    return tmp_path


def data_file(root: Path, version: int) -> Path:
    """Return the data file that a version added."""
    commit = (root / "sales" / "_delta_log" / f"{version:020}.json").read_text()
    return root / "sales" / commit.split('"add":{"path":"')[1].split('"')[0]


def test_the_command_runs_as_a_process(root: Path) -> None:
    """Started as the page says, it ends with the code of its work."""
    data_file(root, 0).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "demo.cache", "verify"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CACHE_URI": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "sales: 2 whole, 1 broken; version 2 is served" in done.stdout


def test_without_its_settings_it_does_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that cannot be read may name another place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("CACHE_URI=elsewhere".encode("utf-32"))
    code, said = run(root, "verify")
    assert code == 1
    assert said.startswith("The configuration is incomplete or malformed: .env: found line 1: ")
    assert len(said.splitlines()) == 1


def test_a_whole_cache_verifies_and_needs_no_repair(root: Path) -> None:
    """All versions are read; the code is 0."""
    assert run(root, "verify") == (0, "sales: 3 whole, 0 broken; version 2 is served\n")
    assert run(root, "repair") == (0, "sales: nothing to repair\n")


def test_a_broken_version_is_found_and_mended(root: Path) -> None:
    """Verify names it and the way out; after the repair the newest version is whole."""
    data_file(root, 2).write_bytes(b"PAR1")
    code, said = run(root, "verify", "--dataset", "sales")
    assert code == 1
    assert "version 2 is BROKEN" in said
    assert "python -m demo.cache repair --dataset sales" in said
    assert "2 whole, 1 broken; version 1 is served" in said
    assert run(root, "vacuum", "--versions", "1")[0] == 1
    code, said = run(root, "repair")
    assert code == 0
    assert "version 1, confirmed by the source at 2026-11-21T14:05:00Z, is version 3 now" in said
    code, said = run(root, "history", "--limit", "1")
    assert code == 0
    assert "version 3" in said
    assert "rows of version 1: 6 rows, 2024-01-01 to 2024-03-01, from sac" in said


def test_a_table_of_another_tool_is_made_ours_again(root: Path) -> None:
    """What it wrote to the log is renamed; if nothing can be read, the next refresh begins anew."""
    log = root / "sales" / "_delta_log"
    commit(root / "sales", upgraded("deletionVectors"))
    code, said = run(root, "verify")
    assert code == 1
    assert "version 3 is BROKEN: Another tool has changed the table of dataset 'sales'" in said
    assert "it has deletionVectors" in said
    assert run(root, "vacuum", "--versions", "1")[0] == 1
    code, said = run(root, "repair")
    assert (code, "sales: version 2, confirmed by the source at" in said) == (0, True)
    assert "is version 3 now" in said
    assert (log / f"{3:020}.json.broken").exists()
    commit(root / "sales", upgraded("rowTracking", readers=False))
    code, said = run(root, "repair")
    assert (code, "is version 4 now" in said) == (0, True)
    code, said = run(root, "repair", "--anew")
    assert (code, "is version 0 now" in said) == (0, True)
    for path in (root / "sales").glob("*.parquet"):
        path.unlink()
    code, said = run(root, "repair", "--anew")
    assert (code, "renamed to *.broken" in said) == (2, True)
    assert "python -m demo.refresh" in said
    assert run(root, "verify") == (0, "")


def test_a_vacuum_cleans_by_the_rules(root: Path) -> None:
    """Rules come from the settings or the command line; the grace period holds by default."""
    kept = "sales: 0 versions and 0 files (0 bytes) deleted; versions 0 and later are kept\n"
    assert run(root, "vacuum") == (0, kept)
    assert run(root, "vacuum", CACHE_RETENTION_VERSIONS="1") == (0, kept)
    code, said = run(root, "vacuum", "--grace-minutes", "0", CACHE_RETENTION_VERSIONS="2")
    assert code == 0
    assert said.startswith("sales: 1 versions and 1 files")
    code, said = run(root, "vacuum", "--grace-minutes", "0", "--days", "0")
    assert said.endswith("versions 2 and later are kept\n")
    assert run(root, "verify") == (0, "sales: 1 whole, 0 broken; version 2 is served\n")


@pytest.mark.parametrize("word", ["verify", "repair", "vacuum"])
def test_a_lost_cache_is_told_by_its_code(root: Path, word: str) -> None:
    """If nothing can be served the code is 2, and the words say what to do."""
    for path in (root / "sales").glob("*.parquet"):
        path.unlink()
    code, said = run(root, word)
    assert code == 2
    assert "python -m demo.refresh" in said


def test_what_is_not_there_is_told_by_its_code(root: Path) -> None:
    """An unknown dataset is 2, malformed settings are 1; an empty cache is well."""
    assert run(root, "history", "--dataset", "other")[0] == 2
    assert run(root, "history", "--dataset", "../x")[0] == 2
    assert run(root, "verify", CACHE_RETENTION_DAYS="soon")[0] == 1
    assert run(root, "verify", CACHE_URI=str(root / "empty")) == (0, "")
