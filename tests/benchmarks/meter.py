"""Measures one piece of work in a process of its own: time, processor time, and memory."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_RESET_PEAK: Final = "5"


@dataclass(frozen=True, slots=True)
class Found:
    """What a piece of work found, to tell that it was right.

    Attributes:
        rows: Rows that it read or wrote.
        total: The sum of all values as text; None if it did not look.
    """

    rows: int
    total: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run cost; imports and the start of the interpreter are not in it.

    Attributes:
        wall_s: Wall time in seconds.
        cpu_s: Processor time of this process in seconds, all threads.
        peak_mb: Most memory that was resident (10^6 bytes), above what was before the work.
        found: What the work found.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    found: Found


def measured(
    work: Callable[[], Found | None], check: Callable[[], Found] | None = None
) -> Measured:
    """Do the work once and measure it.

    Args:
        work: What is measured.
        check: Looks at the result afterwards, not measured; None if the work itself tells.
    """
    gc.collect()
    _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    idle, started, used = _resident("VmRSS"), perf_counter(), _processor_s()
    found = work()
    wall, cpu, peak = perf_counter() - started, _processor_s() - used, _resident("VmHWM")
    if check is not None:
        found = check()
    if found is None:
        raise RuntimeError("The work did not tell what it found.")
    return Measured(wall, cpu, (peak - idle) / 1e6, found)


def tell(figures: object) -> None:
    """Hand figures to the process that started this one, as its last line of output."""
    sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")


def _processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident(field: str) -> int:
    """Return a memory figure of this process in bytes."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"{_STATUS} has no {field}.")
