"""Turns what was measured into tables, and puts them into the page of the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.facts import Facts
from tests.benchmarks.meter import Measured
from tests.benchmarks.runs import BARE, BARE_ASYNC, DLT, OURS_FEW
from tests.benchmarks.stages import Stages

Results = Mapping[str, Sequence[Measured]]
START: Final = "<!-- bench: start; `make bench` writes what follows -->"
END: Final = "<!-- bench: end -->"

_PACKAGES: Final = ("httpx", "msgspec", "pyarrow", "deltalake", "dlt")
_CPU_INFO: Final = Path("/proc/cpuinfo")
_SHARE_OF_DLT: Final = 1 / 8
_TIMES_BARE: Final = 2.0
_PEAK_MB: Final = 300.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """A figure that was promised, and what it is.

    Attributes:
        text: The promise.
        found: The figure.
        limit: It may not be larger.
    """

    text: str
    found: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the promise was kept."""
        return self.found <= self.limit


def faults(results: Results, facts: Facts) -> list[str]:
    """Say which results are wrong; whoever reads too little is not fast."""
    total = f"{facts.total.normalize():f}"
    wrong = []
    for name, runs in results.items():
        for found in (run.found for run in runs):
            if found.total not in {None, total}:
                wrong.append(f"{name}: the total is {found.total} instead of {total}")
            if name != OURS_FEW and found.rows != facts.rows:
                wrong.append(f"{name}: {found.rows} rows instead of {facts.rows}")
    return wrong


def expectations(results: Results) -> list[Expectation]:
    """Compare with what was promised, as far as it was measured."""
    promised = []
    if DLT in results:
        share = _ratio(results, OURS_FEW, DLT)
        promised.append(Expectation("wall time / dlt's", share, _SHARE_OF_DLT))
    for bare in (BARE, BARE_ASYNC):
        times = _ratio(results, OURS_FEW, bare)
        promised.append(Expectation(f"wall time / {bare}'s", times, _TIMES_BARE))
    peak = _middle(results[OURS_FEW], lambda run: run.peak_mb)
    promised.append(Expectation("peak memory above idle, MB", peak, _PEAK_MB))
    return promised


def _middle(runs: Iterable[Measured], figure: Callable[[Measured], float]) -> float:
    return median(figure(run) for run in runs)


def _ratio(results: Results, name: str, other: str) -> float:
    """Compare within each round: what else the machine does meanwhile slows both."""
    pairs = zip(results[name], results[other], strict=True)
    return median(run.wall_s / against.wall_s for run, against in pairs)


def tables(results: Results, stages: Mapping[str, Stages], facts: Facts) -> str:
    """Return all tables as Markdown."""
    return "\n\n".join(
        (_machine(facts, results), _figures(results, facts), _promises(results), _stages(stages))
    )


def _machine(facts: Facts, results: Results) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES if _installed(name))
    rounds = max(len(runs) for runs in results.values())
    return (
        f"{datetime.now(UTC):%d %b %Y}, {os.cpu_count()} cores ({processor()}), Python "
        f"{platform.python_version()}, {packages}. {facts.rows:,} rows in {facts.pages} pages; "
        f"median of {rounds} rounds; load {os.getloadavg()[0]:.1f} at the end."
    )


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:
        return False


def processor() -> str:
    """Return the name of the processor."""
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _figures(results: Results, facts: Facts) -> str:
    rows = []
    for name, runs in results.items():
        wall = _middle(runs, lambda run: run.wall_s)
        cpu = _middle(runs, lambda run: run.cpu_s)
        peak = _middle(runs, lambda run: run.peak_mb)
        ratio = 1.0 if name == OURS_FEW else _ratio(results, name, OURS_FEW)
        rows.append((name, wall, cpu, peak, facts.rows / wall / 1000, ratio))
    return table(
        ("who", "wall, s", "CPU, s", "peak above idle, MB", "1,000 rows/s", "wall / ours"),
        [
            (name, f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}", f"{speed:,.0f}", f"{ratio:.2f}")
            for name, wall, cpu, peak, speed, ratio in rows
        ],
    )


def _promises(results: Results) -> str:
    return table(
        ("expected of ours, 2 dimensions", "at most", "found", ""),
        [
            (e.text, f"{e.limit:g}", f"{e.found:.3g}", "PASS" if e.met else "FAIL")
            for e in expectations(results)
        ],
    )


def _stages(stages: Mapping[str, Stages]) -> str:
    names = list(dict.fromkeys(name for one in stages.values() for name in one.seconds))
    return table(
        ("stage, ms in all", *stages),
        [
            (name, *(f"{1000 * one.seconds[name]:,.0f}" for one in stages.values()))
            for name in names
        ],
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; all columns but the first hold figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(page: Path, text: str, marks: tuple[str, str] = (START, END)) -> None:
    """Put the tables between the marks of a page.

    Raises:
        ValueError: The page has no such marks.
    """
    before, start, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (start and end):
        raise ValueError(f"{page} has no place for the tables.")
    page.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}", encoding="utf-8")
