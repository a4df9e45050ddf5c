"""`python -m demo.keys` shows a key once, and keeps what recognises it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.access.callers import Role
from app.access.keyfile import WatchedKeys, read_entries
from app.access.keys import KeyRing, id_of, read_stored
from demo.keys import app

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, **variables: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, words, env=variables)


def test_a_key_is_shown_once_and_works(tmp_path: Path) -> None:
    """The key is all of the output, so that a script can take it; the file does not hold it."""
    done = run("make", "my dashboard", "--role", "refresh", API_KEYS_FILE="keys.json")
    assert done.exit_code == 0
    key = done.stdout.strip()
    path = tmp_path / "keys.json"
    caller = WatchedKeys(path).ring.find(key, datetime.now(UTC))
    assert caller is not None
    assert caller.roles == {Role.REFRESH}
    assert caller.datasets is None
    assert key.split("_", 2)[2] not in path.read_text(encoding="utf-8") + done.stderr
    assert id_of(key) in done.stderr


def test_a_key_may_be_bound_and_end(tmp_path: Path) -> None:
    """Datasets and days are kept with it."""
    path = tmp_path / "k.json"
    bound = ("--dataset", "cash", "--dataset", "heads", "--dataset", "cash")
    assert run("make", "x", *bound, "--days", "90", "--file", str(path)).exit_code == 0
    (entry,) = read_entries(path)
    assert entry.datasets == ["cash", "heads"]
    assert entry.expires == entry.created + timedelta(days=90)
    assert (
        f"(cash, heads; ends {entry.expires:%Y-%m-%d})" in run("list", "--file", str(path)).stdout
    )


def test_keys_are_listed_and_revoked(tmp_path: Path) -> None:
    """A revoked key is gone from the file, and the others stay."""
    file = ("--file", str(tmp_path / "k.json"))
    one, two = (run("make", name, *file).stdout.strip() for name in ("one", "two"))
    assert [line.split()[0] for line in run("list", *file).stdout.splitlines()] == [
        id_of(one),
        id_of(two),
    ]
    assert run("revoke", id_of(one), *file).exit_code == 0
    assert [entry.name for entry in read_entries(tmp_path / "k.json")] == ["two"]
    again = run("revoke", id_of(one), *file)
    assert (again.exit_code, "has no key" in again.stderr) == (1, True)


def test_a_hash_for_a_variable_is_printed() -> None:
    """Without a file, what is printed beside the key is what the variable takes."""
    done = run("make", "x", "--role", "monitor", "--print-hash")
    name, _, text = done.stderr.strip().partition("=")
    assert name == "API_MONITOR_KEYS"
    ring = KeyRing([read_stored(text, Role.MONITOR)])
    assert ring.find(done.stdout.strip(), datetime.now(UTC)) is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("make", "x"), "Name the file of keys"),
        (("make", "x", "--print-hash", "--days", "1"), "use a file"),
        (("make", 'a"b', "--file", "k.json"), "No key was made"),
        (("make", "x", "--dataset", "../x", "--file", "k.json"), "No key was made"),
        (("make", "x", "--file", "no-such-folder/k.json"), "No key was made"),
        (("list", "--file", "k.json"), "no such file"),
        (("revoke", "abc", "--file", "k.json"), "no such file"),
    ],
    ids=["no file", "days", "name", "dataset", "folder", "list", "revoke"],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """The code is 1, and no file appears."""
    done = run(*words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    assert not (tmp_path / "k.json").exists()


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    """A file that cannot be read is not written over."""
    path = tmp_path / "k.json"
    path.write_text('{"keys": [', encoding="utf-8")
    assert run("make", "x", "--file", str(path)).exit_code == 1
    assert path.read_text(encoding="utf-8") == '{"keys": ['


def test_malformed_settings_are_said() -> None:
    """A variable that is wrong is named instead of a stack trace."""
    done = run("list", LOG_LEVEL="loud")
    assert (done.exit_code, "LOG_LEVEL" in done.stderr) == (1, True)


def test_the_command_runs_as_a_process(tmp_path: Path) -> None:
    """Started as the page says, it makes a file for its owner alone."""
    done = subprocess.run(
        [sys.executable, "-m", "demo.keys", "make", "x", "--file", "keys.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("sacs_")
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
