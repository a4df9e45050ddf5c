"""Starts the demo's servers as processes of their own, and stops them again."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
_OWN_VARIABLES = (
    "SAC_",
    "CACHE_",
    "DATASETS_",
    "LOG_",
    "STALE_",
    "EXPIRE_",
    "REFRESH_",
    "BREAKER_",
    "ENVIRONMENT",
    "API_",
    "OIDC_",
    "RATE_LIMIT",
    "SHUTDOWN_",
    "OTEL_",
)


class StartError(Exception):
    """A server did not start."""


@contextlib.contextmanager
def python_module(
    module: str,
    *arguments: str,
    folder: Path | str = ROOT,
    settings: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """Run `python -m module` while the context lasts.

    Args:
        module: The module to run.
        arguments: Its arguments.
        folder: Where to run it.
        settings: Variables to set; those of a tenant are not inherited.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_VARIABLES)}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**inherited, **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def free_port(wanted: int) -> int:
    """Return the wanted port of the loopback address, or any free one if it is taken or 0."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StartError("No free port on 127.0.0.1.")


def first_url(process: "subprocess.Popen[str]") -> str:
    """Return the address in the first line that a server prints when it listens.

    Raises:
        StartError: It ended instead.
    """
    line = process.stdout.readline() if process.stdout else ""
    if "http://" not in line:
        raise StartError(f"{process.args!r} did not start.")
    return line.rsplit(maxsplit=1)[-1]


def wait_until_live(process: "subprocess.Popen[str]", url: str) -> None:
    """Wait until the service answers.

    Raises:
        StartError: It ended, or did not answer in time.
    """
    ends_at = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < ends_at:
        with contextlib.suppress(httpx.TransportError):
            # Loopback: no proxy or certificate of the environment has a say in it.
            if httpx.get(f"{url}/health/live", trust_env=False).is_success:
                return
        time.sleep(_POLL_S)
    raise StartError(f"The service at {url} did not start.")
