"""Looks once for all requests that a server took in together: at a disk, or at how series stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")
Asked = TypeVar("Asked")


class OncePerTurn(Generic[Found]):
    """Remembers what was found until the next turn of the event loop.

    Whatever runs in one turn was asked for before the turn began: a server reads its sockets
    between two turns. So a look that the first request makes is as late as the others can expect,
    and none is answered by a look from before it arrived. Where no loop runs, as in a thread,
    nothing is remembered.

    Not for what the same process changes itself within a turn: whoever does so calls `forget`.
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, Found] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self, key: Hashable, look: Callable[[Asked], Found], asked: Asked) -> Found:
        """Return what was found in this turn, or look.

        Args:
            key: What is looked at.
            look: Looks at it.
            asked: Is handed to it.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return look(asked)
        if loop is self._loop:
            found = self._found
            if key in found:
                return found[key]
        elif self._loop is None or self._loop.is_closed():
            self._loop, self._found = loop, {}
        else:
            # A loop of another thread has turns of its own.
            return look(asked)
        found = self._found
        if not found:
            loop.call_soon(self.forget)
        found[key] = answer = look(asked)
        return answer

    def forget(self) -> None:
        """Look anew the next time."""
        self._found = {}
