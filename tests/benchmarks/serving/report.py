"""Turns the rates into a table, and says which expectations are met."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Final

from tests.benchmarks.report import processor, table
from tests.benchmarks.serving.questions import Kind
from tests.benchmarks.serving.runs import (
    BARE,
    DATASETTE,
    LARGE,
    OURS,
    ROAPI,
    SMALL,
    UNCHANGED,
    Results,
)

START: Final = "<!-- serving: start; `make bench` writes what follows -->"
END: Final = "<!-- serving: end -->"
_PACKAGES: Final = ("fastapi", "uvicorn", "numpy", "roapi", "datasette")


@dataclass(frozen=True, slots=True)
class Promise:
    """How many times as fast as others ours must be.

    Attributes:
        what: What is asked.
        others: Who else answers; the best of them counts.
        least: Ours by theirs, at least.
    """

    what: str
    others: tuple[str, ...]
    least: float


PROMISES: Final = (
    Promise(Kind.DETAIL, (ROAPI, DATASETTE), 10),
    Promise(Kind.KEY, (ROAPI, DATASETTE), 10),
    Promise(Kind.ROLL_UP, (ROAPI, DATASETTE), 3),
    Promise(SMALL, (BARE,), 0.8),
    Promise(LARGE, (BARE,), 0.8),
    Promise(UNCHANGED, (BARE,), 0.9),
)


def text(results: Results, rows: int, seconds: int) -> str:
    """Return the tables, with the conditions above them."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    rounds = len(next(iter(next(iter(results.values())).values())))
    head = (
        f"{datetime.now(UTC):%d %b %Y}, {os.cpu_count()} cores ({processor()}), {packages}. "
        f"{rows:,} rows; wrk with 8 connections, {seconds} s each; median of {rounds} rounds; "
        f"load {os.getloadavg()[0]:.1f} at the end."
    )
    return "\n\n".join([head, _rates(results), _promises(results)])


def ratio(results: Results, promise: Promise) -> float:
    """Return how many times as fast as the best of the others ours is: the median of the rounds."""
    found = results[promise.what]
    rounds = zip(found[OURS], *(found[name] for name in promise.others), strict=True)
    return float(median(ours.rate / max(one.rate for one in others) for ours, *others in rounds))


def _rates(results: Results) -> str:
    rows = [
        (
            what,
            who,
            f"{median(one.rate for one in loads):,.0f}",
            f"{median(one.slow_ms for one in loads):,.1f}",
        )
        for what, found in results.items()
        for who, loads in found.items()
    ]
    return table(("asked", "who", "requests/s", "99 % within, ms"), rows)


def _promises(results: Results) -> str:
    rows = []
    for promise in PROMISES:
        if promise.what in results:
            found = ratio(results, promise)
            told = f"{promise.what} / {' or '.join(promise.others)}"
            met = "PASS" if found >= promise.least else "FAIL"
            rows.append((told, f"{promise.least:g}", f"{found:.3g}", met))
    return table(("expected of ours, requests/s", "at least", "found", ""), rows)
