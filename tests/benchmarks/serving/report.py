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
    BARE_ASKED,
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
        name: What is asked, in words.
        kinds: What is asked; of several as many questions each.
        others: Who else answers; the best of them counts.
        least: Ours by theirs, at least; None if it is told without a promise.
    """

    name: str
    kinds: tuple[str, ...]
    others: tuple[str, ...]
    least: float | None


PROMISES: Final = (
    Promise(Kind.DETAIL, (Kind.DETAIL,), (ROAPI, DATASETTE), 10),
    Promise(Kind.KEY, (Kind.KEY,), (ROAPI, DATASETTE), 10),
    Promise("full-dimension queries, both", (Kind.DETAIL, Kind.KEY), (ROAPI, DATASETTE), None),
    Promise(Kind.ROLL_UP, (Kind.ROLL_UP,), (ROAPI, DATASETTE), 3),
    Promise(SMALL, (SMALL,), (BARE,), 0.8),
    Promise(LARGE, (LARGE,), (BARE,), 0.8),
    Promise(UNCHANGED, (UNCHANGED,), (BARE,), 0.9),
    Promise(UNCHANGED, (UNCHANGED,), (BARE_ASKED,), 0.9),
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
    rounds = zip(*(_mixed(results, promise, name) for name in (OURS, *promise.others)), strict=True)
    return float(median(ours / max(others) for ours, *others in rounds))


def _mixed(results: Results, promise: Promise, name: str) -> list[float]:
    """Return the rate of each round, if questions of all kinds came in turn."""
    rounds = zip(*(results[kind][name] for kind in promise.kinds), strict=True)
    return [len(loads) / sum(1 / one.rate for one in loads) for loads in rounds]


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
        if all(kind in results for kind in promise.kinds):
            found, least = ratio(results, promise), promise.least
            told = f"{promise.name} / {' or '.join(promise.others)}"
            if least is None:
                rows.append((told, "", f"{found:.3g}", ""))
            else:
                met = "PASS" if found >= least else "FAIL"
                rows.append((told, f"{least:g}", f"{found:.3g}", met))
    return table(("expected of ours, requests/s", "at least", "found", ""), rows)
