"""The application: built when a server asks for it, and not before."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI

import app.main
from app.access.keys import new_key, stored_form
from app.config import load_settings
from demo.processes import free_port
from tests.observability.test_logs import NAMES

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


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Put the process-wide logging back."""
    logs = [logging.getLogger(name) for name in NAMES]
    before = [(log, log.handlers, log.level, log.propagate) for log in logs]
    yield
    structlog.reset_defaults()
    for log, handlers, level, propagate in before:
        log.handlers, log.level, log.propagate = handlers, level, propagate


@pytest.mark.usefixtures("logging_as_before")
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


def test_production_does_not_start_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys and issuer the start ends in one line that says what to set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(SystemExit, match=r"ENVIRONMENT: found production.*API_KEYS_FILE") as end:
        _ = app.main.app
    assert "\n" not in str(end.value)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo what the start of a service does to the logging of this process."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("keys", [0, 1])
async def test_an_open_service_says_so_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: int
) -> None:
    """Whoever runs it without keys is warned, once; with a key nothing is said."""
    hashes = tuple(stored_form(new_key()) for _ in range(keys))
    changes = {"cache_uri": str(tmp_path), "api_read_keys": hashes, "log_level": "warning"}
    application = app.main.create_app(load_settings(None).model_copy(update=changes))
    async with application.router.lifespan_context(application):
        pass
    assert capsys.readouterr().err.count("access_open") == 1 - keys


@pytest.mark.usefixtures("logging_as_before")
def test_traces_that_cannot_be_had_end_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a wish for traces that nobody can send."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(SystemExit, match="OTEL_TRACES_EXPORTER: found 'zipkin'"):
        create_app_as_a_server_does()


def test_every_line_of_the_server_is_json(tmp_path: Path) -> None:
    """From its first line to its last, uvicorn writes as the service does."""
    port = str(free_port(0))
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--app-dir", str(ROOT)]
    with subprocess.Popen(
        [*command, "--port", port], cwd=tmp_path, env={}, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        lines = []
        for line in server.stderr:
            lines.append(json.loads(line))
            if "running on" in line:
                server.terminate()
    assert [line["event"] for line in lines if line["logger"] == "uvicorn.error"][-1].startswith(
        "Finished server process"
    )


def create_app_as_a_server_does() -> object:
    """Ask the module for the application."""
    return app.main.app


def test_other_names_do_not_exist() -> None:
    """The module makes up no attribute but `app`."""
    with pytest.raises(AttributeError, match="no attribute 'application'"):
        _ = app.main.application
