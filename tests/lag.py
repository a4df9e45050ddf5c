"""Measures how long a piece of work keeps the event loop from doing anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import perf_counter

_TICK_S = 0.002
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Lag:
    """What a piece of work did to its event loop.

    Attributes:
        worst_s: The longest that the loop was late for a tick.
        total_s: How long the work took.
    """

    worst_s: float
    total_s: float

    @property
    def share(self) -> float:
        """The longest standstill as a share of the work's own time: independent of the machine."""
        return self.worst_s / self.total_s


class _Ticker:
    def __init__(self) -> None:
        self.worst_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = perf_counter()
        self._handle = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        now = perf_counter()
        self.worst_s = max(self.worst_s, now - self._due)
        self._due = now + _TICK_S
        self._handle = self._loop.call_later(_TICK_S, self._tick)

    def stop(self) -> None:
        self._tick()
        self._handle.cancel()


async def lag_of(work: Coroutine[object, object, object]) -> Lag:
    """Do the work while a ticker on the same loop records how late it is called."""
    ticker = _Ticker()
    # The ticker must be under way before work that blocks begins.
    await asyncio.sleep(0)
    started = perf_counter()
    await work
    total_s = perf_counter() - started
    ticker.stop()
    return Lag(ticker.worst_s, total_s)


async def least_lag_of(work: Callable[[], Coroutine[object, object, object]]) -> Lag:
    """Do the work several times and return the least lag by its share.

    Whatever else the machine does can only add to a standstill, and work that blocks the loop does
    so every time.
    """
    return min([await lag_of(work()) for _ in range(_TRIES)], key=lambda lag: lag.share)
