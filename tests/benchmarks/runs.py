"""Runs the contenders in turn against one static tenant, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from app.errors import SECRET_VARIABLE
from tests.benchmarks.facts import ALL, DATE, FEW, FILTER, MODEL, VALUE, Facts
from tests.benchmarks.meter import Measured
from tests.benchmarks.server import TOKEN_PATH
from tests.benchmarks.stages import Stages

T = TypeVar("T")
ROOT: Final = Path(__file__).resolve().parent.parent.parent
OURS_FEW: Final = "ours, 2 dimensions"
OURS_ALL: Final = "ours, all 8 dimensions"
BARE: Final = "bare httpx.Client"
BARE_ASYNC: Final = "bare httpx.AsyncClient"
DLT: Final = "dlt"
_PACKAGE: Final = "tests.benchmarks"
_STOP_S: Final = 10.0
_OWN_VARIABLES: Final = ("SAC_", "CACHE_", "LOG_", "DATASETS_")


@dataclass(frozen=True, slots=True)
class Contender:
    """One way of reading the pages.

    Attributes:
        name: What tables call it.
        module: What is run.
        arguments: Its arguments; `{url}` and `{folder}` are filled in.
        settings: Variables to set; filled in alike.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] | None = None


def contenders(facts: Facts) -> dict[str, Contender]:
    """Return all contenders by name."""
    listed = (
        Contender(OURS_FEW, "ours", settings=_settings(FEW, facts)),
        Contender(OURS_ALL, "ours", settings=_settings(ALL, facts)),
        Contender(BARE, "bare", ("{url}",)),
        Contender(BARE_ASYNC, "bare", ("{url}", "--asynchronous")),
        Contender(DLT, "dlt_pull", ("{url}", "{folder}"), _at_home()),
    )
    return {contender.name: contender for contender in listed}


def _settings(dimensions: Sequence[str], facts: Facts) -> dict[str, str]:
    return {
        "SAC_TENANT_URL": "{url}",
        "SAC_TOKEN_URL": f"{{url}}{TOKEN_PATH}",
        "SAC_CLIENT_ID": "bench",
        SECRET_VARIABLE: "made-up",
        "SAC_MODEL_ID": MODEL,
        "SAC_DATE_COLUMN": DATE,
        "SAC_VALUE_COLUMN": VALUE,
        "SAC_DIMENSIONS": ",".join(dimensions),
        "SAC_FILTER": FILTER,
        "SAC_TIME_AGGREGATION": "sum",
        "SAC_PAGE_SIZE": str(facts.page_rows),
        "CACHE_URI": "{folder}/cache",
        "LOG_LEVEL": "error",
    }


def _at_home() -> dict[str, str]:
    """Return what keeps dlt from the network and from the user's folders."""
    return {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": "{folder}/data"}


@contextlib.contextmanager
def static_tenant(facts: Facts) -> Iterator[str]:
    """Run the static tenant while the context lasts, and give its address."""
    arguments = ("--pages", str(facts.pages), "--page-rows", str(facts.page_rows))
    process = subprocess.Popen(
        [sys.executable, "-m", f"{_PACKAGE}.server", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield (process.stdout.readline() if process.stdout else "").rsplit(maxsplit=1)[-1]
    finally:
        process.terminate()
        process.communicate(timeout=_STOP_S)


def run(contender: Contender, url: str) -> Measured:
    """Run a contender once, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        places = {"url": url, "folder": folder}
        settings = {k: v.format(**places) for k, v in (contender.settings or {}).items()}
        arguments = [part.format(**places) for part in contender.arguments]
        # Ours waits until its commit is on the disk, and would wait for what the one before wrote.
        os.sync()
        return _told(contender.module, arguments, settings, Measured)


def stages(url: str, dimensions: Sequence[str]) -> Stages:
    """Time the stages of our own refresh."""
    return _told("stages", [url, *dimensions], {}, Stages)


def _told(module: str, arguments: Sequence[str], settings: Mapping[str, str], form: type[T]) -> T:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_OWN_VARIABLES)}
    done = subprocess.run(
        [sys.executable, "-m", f"{_PACKAGE}.{module}", *arguments],
        cwd=ROOT,
        env={**inherited, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-4000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=form)


def interleaved(
    chosen: Sequence[Contender], url: str, rounds: int
) -> Iterator[tuple[str, Measured]]:
    """Run all contenders in each round, another one first each time."""
    for number in range(rounds):
        start = number % len(chosen)
        for contender in (*chosen[start:], *chosen[:start]):
            yield contender.name, run(contender, url)
