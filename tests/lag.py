"""Measures how long a piece of work keeps the event loop from doing anything else.

Time is the processor's, not the clock's: what the loop's own thread worked between two turns of the
loop. So it does not matter how many others want the processor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import process_time, thread_time

_TICK_S = 0.002
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Lag:
    """What a piece of work did to its event loop, in seconds of processor time.

    Attributes:
        worst_s: The most that the loop's thread worked from one tick to the next.
        total_s: What all threads worked.
    """

    worst_s: float
    total_s: float

    @property
    def share(self) -> float:
        """The longest standstill as a share of the whole work: independent of the machine."""
        return self.worst_s / self.total_s


class _Ticker:
    def __init__(self) -> None:
        self.worst_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._last = thread_time()
        self._handle = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        now = thread_time()
        self.worst_s = max(self.worst_s, now - self._last)
        self._last = now
        self._handle = self._loop.call_later(_TICK_S, self._tick)

    def stop(self) -> None:
        self._tick()
        self._handle.cancel()


async def lag_of(work: Coroutine[object, object, object]) -> Lag:
    """Do the work while a ticker on the same loop records how much is done between two ticks."""
    ticker = _Ticker()
    # The ticker must be under way before work that blocks begins.
    await asyncio.sleep(0)
    started = process_time()
    await work
    total_s = process_time() - started
    ticker.stop()
    return Lag(ticker.worst_s, total_s)


async def share_of(work: Callable[[], Coroutine[object, object, object]], enough: float) -> float:
    """Do the work until the share of its longest standstill is below enough, and return the least.

    A collection of garbage may fall on the loop's thread once; work that blocks the loop does so
    every time.
    """
    least = 1.0
    for _ in range(_TRIES):
        least = min(least, (await lag_of(work())).share)
        if least < enough:
            break
    return least
