"""The service as a process of its own: `uvicorn app.main:app`, as users run it."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.errors import SECRET_VARIABLE
from demo.processes import ROOT, free_port, python_module, wait_until_live
from tests.simulated_tenant import PATIENCE_S, SimulatedTenant

MODEL = "CSIMPLAN0000000000000000A1"
VERSION_FILTER = "Version eq 'public.Actual'"
_IN_PROGRESS = re.compile(r"^\w+_http_requests_in_progress (\S+)$", re.MULTILINE)


def settings_for(tenant: SimulatedTenant, **changes: str) -> dict[str, str]:
    """Return the variables of a service that pulls the monthly plan of a simulated tenant."""
    return {
        "SAC_TENANT_URL": tenant.url,
        "SAC_TOKEN_URL": tenant.token_url,
        "SAC_CLIENT_ID": tenant.client_id,
        SECRET_VARIABLE: tenant.secret,
        "SAC_MODEL_ID": MODEL,
        "SAC_VALUE_COLUMN": "Revenue",
        "SAC_DIMENSIONS": "Region,Product",
        "SAC_FILTER": VERSION_FILTER,
        "SAC_RETRY_BASE_S": "0.01",
        "SAC_RETRY_MAX_WAIT_S": "0.1",
        **changes,
    }


def until_in_progress(service: httpx.Client, number: int) -> None:
    """Wait until a service answers so many requests at once, beside the one that asks."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = _IN_PROGRESS.search(service.get("/metrics").text)
        assert found is not None
        if float(found[1]) > number:
            return
        assert time.monotonic() < end, found[0]


@contextlib.contextmanager
def running_service(folder: Path, settings: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Run the service in a folder, and give a client for it.

    Args:
        folder: Where it runs, and where its cache is unless the settings say otherwise.
        settings: Variables to set.
    """
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    arguments = ("app.main:app", "--app-dir", str(ROOT), "--port", str(port))
    with (
        python_module("uvicorn", *arguments, folder=folder, settings=settings) as process,
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
    ):
        wait_until_live(process, url)
        yield client


@dataclass(frozen=True, slots=True)
class MeasuredService:
    """A service whose memory can be looked at; on Linux alone.

    Attributes:
        client: Speaks to it.
        process_id: Its process.
    """

    client: httpx.Client
    process_id: int

    def peak_mb_of(self, act: Callable[[], object]) -> float:
        """Return the most memory that the service held while something was done."""
        process = Path("/proc") / str(self.process_id)
        # https://www.kernel.org/doc/html/latest/filesystems/proc.html: 5 sets the peak back.
        (process / "clear_refs").write_text("5")
        act()
        lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1_000


@contextlib.contextmanager
def measured_service(folder: Path, settings: Mapping[str, str]) -> Iterator[MeasuredService]:
    """Run the service in a folder, and watch its memory."""
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    arguments = ("app.main:app", "--app-dir", str(ROOT), "--port", str(port))
    with (
        python_module("uvicorn", *arguments, folder=folder, settings=settings) as process,
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
    ):
        wait_until_live(process, url)
        yield MeasuredService(client, process.pid)
