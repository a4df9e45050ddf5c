"""The application: built when a server asks for it, and not before."""

import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

import app.main

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
    for path in (ROOT / "app").rglob("*.py")
)


def test_importing_every_module_does_nothing(tmp_path: Path) -> None:
    """All modules import in an empty environment, print nothing and write nothing."""
    lines = "\n".join(f"import {name}" for name in MODULES)
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{lines}"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


def test_a_server_gets_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`app.main:app` is built from the settings at hand."""
    monkeypatch.chdir(tmp_path)
    assert isinstance(app.main.app, FastAPI)


def test_malformed_service_settings_end_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server start with a malformed setting says which, without a stack trace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SystemExit, match="LOG_LEVEL: found 'loud'"):
        _ = app.main.app


def test_other_names_do_not_exist() -> None:
    """The module makes up no attribute but `app`."""
    with pytest.raises(AttributeError, match="no attribute 'application'"):
        _ = app.main.application
