"""Starts each server as a process of its own on a free port, and asks it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.benchmarks.serving.data import TABLE, Places

ROOT: Final = Path(__file__).resolve().parents[3]
SCRIPT: Final = Path(__file__).with_name("lines.lua")
BIN: Final = Path(sys.executable).parent
_PATIENCE_S: Final = 120.0
_PAUSE_S: Final = 0.1
_RATE: Final = re.compile(r"Requests/sec:\s+([\d.]+)")
_SLOWEST: Final = re.compile(r"\s99%\s+([\d.]+)(us|ms|s)")
_UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_OWN_VARIABLES: Final = ("SAC_", "CACHE_", "LOG_", "DATASETS_", "EXPIRE_", "STALE_", "API_")


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk found.

    Attributes:
        rate: Requests a second.
        slow_ms: 99 % were faster.
    """

    rate: float
    slow_ms: float


@contextmanager
def ours(places: Places) -> Iterator[str]:
    """Serve our cache with one worker."""
    settings = {"CACHE_URI": str(places.cache), "EXPIRE_AFTER_S": "0", "LOG_FORMAT": "json"}
    with _uvicorn("app.main:app", settings, "/health/live") as url:
        yield url


@contextmanager
def bare(body: Path) -> Iterator[str]:
    """Serve bare routes with one worker."""
    with _uvicorn("tests.benchmarks.serving.bare:app", {"BARE_BODY": str(body)}, "/same") as url:
        yield url


@contextmanager
def roapi(places: Places) -> Iterator[str]:
    """Serve the Parquet file, held in memory."""
    port = _free_port()
    address = f"127.0.0.1:{port}"
    table = f"{TABLE}={places.parquet}"
    command = [str(BIN / "roapi"), "--table", table, "--addr-http", address]
    with _running(command, {}, f"http://{address}", "/health") as url:
        yield url


@contextmanager
def datasette(places: Places) -> Iterator[str]:
    """Serve the indexed database as an immutable file, without its limits."""
    port = _free_port()
    limits = ["max_returned_rows", "1000000", "--setting", "sql_time_limit_ms", "60000"]
    command = [str(BIN / "datasette"), "serve", "-i", str(places.sqlite), "--setting", *limits]
    url = f"http://127.0.0.1:{port}"
    with _running([*command, "-p", str(port)], {}, url, "/bench.json") as found:
        yield found


def drive(url: str, lines: Path, seconds: int, *, if_none_match: str | None = None) -> Load:
    """Send the lines of a file over 8 connections.

    Raises:
        RuntimeError: An answer was an error.
    """
    given = [str(lines), *([] if if_none_match is None else [if_none_match])]
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "--latency", "-s", str(SCRIPT), url, "--"]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=True)
    rate, slow = _RATE.search(done.stdout), _SLOWEST.search(done.stdout)
    if "wrong status" in done.stdout or "Socket errors" in done.stdout or not (rate and slow):
        raise RuntimeError(f"{url}: {done.stdout}")
    return Load(float(rate[1]), float(slow[1]) * _UNITS[slow[2]])


def ask(url: str, line: str) -> Any:  # noqa: ANN401 - whatever JSON the server sends
    """Send one line and return the JSON of the answer."""
    method, path, body = line.split("\t", 2)
    response = httpx.request(method, f"{url}{path}", content=body or None, timeout=_PATIENCE_S)
    response.raise_for_status()
    return json.loads(response.content)


def missing() -> list[str]:
    """Return what must be installed before the benchmark can run."""
    tools = [] if shutil.which("wrk") else ["wrk (apt-get install wrk)"]
    others = [name for name in ("roapi", "datasette") if not (BIN / name).exists()]
    return tools + [f"{name} (make bench installs it)" for name in others]


@contextmanager
def _uvicorn(app: str, settings: Mapping[str, str], path: str) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--no-access-log", "--port", str(port)]
    with _running(command, settings, f"http://127.0.0.1:{port}", path) as url:
        yield url


@contextmanager
def _running(
    command: Sequence[str], settings: Mapping[str, str], url: str, path: str
) -> Iterator[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_VARIABLES)}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**inherited, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, url + path)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(url, timeout=_PATIENCE_S)
        except httpx.TransportError:
            time.sleep(_PAUSE_S)
        else:
            return
    raise RuntimeError(f"{url} did not start")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
