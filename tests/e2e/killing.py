"""Kills a refreshing process again and again, and looks at what is left: `ROOT KILLS SEED`.

The parent never touches the cache: delta-rs does not survive a fork once it has worked, so every
worker and the reader are forked from a process that has only imported it. The result is one line
of JSON. Lines of a worker: `seen N V` (what it found), `ack N V` (what a refresh returned).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from app.errors import CacheMissingError
from app.pipeline.attempts import StoredAttempts
from app.pipeline.cache import DeltaCache
from app.pipeline.refresh import RefreshService
from app.pipeline.standing import Standing
from app.records import CachedSeries
from tests.fakes import FakeCatalogue, FakeClock, FakeSource, a_page
from tests.simulated_tenant import PATIENCE_S

MONTHS = [f"{year}{month:02}" for year in range(2020, 2026) for month in range(1, 13)]
# Half of the kills come at any time, half as soon as a file of one step of a commit is seen.
RAREST = "between data and commit"
AIMS = ("", "", "", "", r"parquet#", r"parquet$", r"json#", r"json$")


def pages_of(number: int) -> FakeSource:
    """Return a source whose rows all say which pull they belong to."""
    return FakeSource([a_page([(month, "EMEA", "Bike", str(number)) for month in MONTHS])])


def number_of(series: CachedSeries) -> int:
    """Return which pull a series shows; all its rows must be of the same one."""
    values = set(series.rows["value"].to_pylist())
    assert len(values) == 1, f"a torn version: {sorted(values)}"
    assert series.rows.num_rows == len(MONTHS)
    assert series.warning is None, series.warning
    return int(values.pop())


def refresh(root: Path, number: int) -> int:
    """Refresh as the service does; return the version that it published."""
    catalogue, clock = FakeCatalogue(), FakeClock()
    standing = Standing(catalogue, StoredAttempts(root), clock, lambda _: None)
    sources = {"sac": pages_of(number)}
    service = RefreshService(
        catalogue, sources, DeltaCache(root), clock, standing=standing, breakers={}
    )
    outcome = asyncio.run(service.refresh("default"))
    assert outcome.status == "refreshed", outcome.warning
    return outcome.version


def work(root: Path, tell: Callable[[str], None], number: int) -> None:
    """Look at what the last worker left, then refresh from changing data until killed."""
    try:
        found = DeltaCache(root).load("default")
        number = number_of(found)
        tell(f"seen {number} {found.version}")
    except CacheMissingError:
        tell("seen 0 -1")
    while True:
        number += 1
        tell(f"ack {number} {refresh(root, number)}")


def read(root: Path, tell: Callable[[str], None], _: int) -> None:
    """Load all the time, as a reader of another process does; versions only grow."""
    cache, last, loads, ended = DeltaCache(root), -1, 0, False
    while not ended:
        # One more load after the end: on a busy machine it may be the only one.
        ended = (root / "stop").exists()
        time.sleep(0.01)
        try:
            series = cache.load("default")
        except CacheMissingError:
            assert last == -1
            continue
        number_of(series)
        assert series.version >= last, f"version {series.version} after {last}"
        last, loads = series.version, loads + 1
    tell(f"loads {loads} {last}")


def forked(
    what: Callable[[Path, Callable[[str], None], int], None], root: Path, number: int
) -> tuple[int, int]:
    """Start a child; return its id and where its lines can be read."""
    out, into = os.pipe()
    child = os.fork()
    if child:
        os.close(into)
        return child, out
    code = 1
    try:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        what(root, lambda line: void(os.write(into, f"{line}\n".encode())), number)
        code = 0
    except BaseException as error:  # noqa: BLE001 - it is told, and the child must not live on
        os.write(into, f"fault {error!r}\n".replace("\n", " ").encode() + b"\n")
    finally:
        os._exit(code)


def void(_: object) -> None:
    """Throw a value away."""


@dataclass
class Tally:
    """What was seen so far.

    Attributes:
        number: The last pull that was acknowledged or seen; none before it may come back.
        version: Its version.
        counts: How often what happened.
        faults: What must not happen.
    """

    number: int = 0
    version: int = -1
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """Take in a line of a worker."""
        word, *rest = line.split(maxsplit=2)
        if word == "fault":
            self.faults.append(line)
            return
        number, version = map(int, rest)
        self.counts[word] += 1
        # A kill may come between the commit and its acknowledgement, but not take one back.
        if number < self.number or version < self.version:
            self.faults.append(f"{line} after {self.number} {self.version}")
        self.number, self.version = number, version


def files_of(root: Path) -> set[str]:
    """Return the files of the table and its log."""
    folder = root / "default"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def left_at(before: set[str], after: set[str]) -> str:
    """Name the step of a commit that a writer was killed in, by the files that it left."""
    new = after - before
    data = sum(name.endswith(".parquet") for name in new)
    commits = sum(name.endswith(".json") and name.startswith("_delta_log") for name in new)
    if any("_delta_log" in name and "#" in name for name in new):
        return "in the commit"
    if any(".parquet#" in name for name in new):
        return "in the data"
    return RAREST if data > commits else "between refreshes"


def wait_for(root: Path, aim: str, seconds: float, longest_s: float) -> None:
    """Wait for a while, or until a file appears whose name matches the aim, if there is one."""
    end = time.monotonic() + (seconds if not aim else longest_s)
    before = names(root, aim) if aim else set()
    while time.monotonic() < end:
        if aim and names(root, aim) - before:
            return
        time.sleep(seconds if not aim else 0.0002)


def names(root: Path, aim: str) -> set[str]:
    """Return the names in the folder where files of this kind are written."""
    folder = root / "default" / ("_delta_log" if "json" in aim else "")
    try:
        return {name for name in os.listdir(folder) if re.search(aim, name)}  # noqa: PTH208 - fast
    except FileNotFoundError:
        return set()


def main(root: Path, kills: int, seed: int) -> None:
    """Kill as often as asked, on until a kill met the rarest moment, and print what was found."""
    dice, tally, longest_s = random.Random(seed), Tally(), 0.0
    reader, heard = forked(read, root, 0)
    end = time.monotonic() + PATIENCE_S
    while tally.counts["kill"] < kills or (not tally.counts[RAREST] and time.monotonic() < end):
        before = files_of(root)
        child, out = forked(work, root, tally.number)
        with os.fdopen(out) as lines:
            tally.hear(lines.readline())
            if not longest_s:
                # How long refreshes take here and now tells when to kill those that follow.
                started = time.monotonic()
                tally.hear(lines.readline())
                longest_s = 1.2 * (time.monotonic() - started)
            wait_for(root, dice.choice(AIMS), dice.uniform(0, longest_s), longest_s)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            tally.counts["kill"] += os.WIFSIGNALED(status)
            for line in lines:
                tally.hear(line)
        tally.counts[left_at(before, files_of(root))] += 1
    (root / "stop").touch()
    with os.fdopen(heard) as lines:
        last = lines.read().splitlines()[-1]
    os.waitpid(reader, 0)
    tally.counts["loads"] = int(last.split()[1]) if last.startswith("loads") else 0
    if not tally.counts["loads"]:
        tally.faults.append(f"reader: {last}")
    result = {"counts": tally.counts, "faults": tally.faults, "number": tally.number}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
