"""Puts the signals that stop a server off until what runs has ended.

A server that hears of a signal closes its door at once. Until then it must stay open: readers are
still served, and the platform must be able to see that this process is no longer ready.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType
from typing import Any, Final

import structlog

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)

Handler = Callable[[int, FrameType | None], Any] | int | None


@contextmanager
def put_off(finish: Callable[[], Awaitable[None]], hurry: Callable[[], None]) -> Iterator[None]:
    """Let a first signal finish what runs before it is passed on, and a second one hurry that.

    A third one is passed on at once.

    Does nothing in a thread that cannot handle signals.

    Args:
        finish: Brings to an end what runs.
        hurry: Makes it end sooner.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    postponed = _Postponed(finish, hurry)
    # A handler that Python did not set is None, and nobody could set it again.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
    for number, handler in before.items():
        postponed.passes_on(number, handler)
        signal.signal(number, postponed.heard)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Postponed:
    def __init__(self, finish: Callable[[], Awaitable[None]], hurry: Callable[[], None]) -> None:
        self._finish = finish
        self._hurry = hurry
        self._loop = asyncio.get_running_loop()
        # A signal comes in the midst of some request, and has nothing to do with it.
        self._context = copy_context()
        self._handlers: dict[int, Handler] = {}
        self._finishing: asyncio.Task[None] | None = None
        self._hurried = False

    def passes_on(self, number: int, handler: Handler) -> None:
        self._handlers[number] = handler

    def heard(self, number: int, _: FrameType | None) -> None:
        # The loop may be asleep, and this may be anywhere in its code.
        self._loop.call_soon_threadsafe(self._act, number, context=self._context)

    def _act(self, number: int) -> None:
        log.info("signal_heard", signal=signal.Signals(number).name)
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._then_pass_on(number))
        elif self._hurried or self._finishing.done():
            self._pass_on(number)
        else:
            self._hurried = True
            self._hurry()

    async def _then_pass_on(self, number: int) -> None:
        try:
            await self._finish()
        except Exception:
            # A process that nobody can stop is worse than a pull that is cut off.
            log.exception("finishing_crashed")
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        handler = self._handlers[number]
        if callable(handler):
            handler(number, None)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)
