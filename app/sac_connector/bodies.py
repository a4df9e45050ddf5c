"""Memory for the large bodies of a pull, which is used again for the pages after.

Memory that is new costs more than the copy into it: the system clears each page of it, and each
is a trap of its own.
"""

from __future__ import annotations

import mmap
import weakref
from collections import deque
from contextlib import suppress
from typing import Final

import numpy as np

# The body of an answer: bytes, or a view into memory that is used again after it.
Body = bytes | memoryview
# Two pages of a chain are held at once, and for a moment the one before.
_SPARE: Final = 3
# Pages differ a little. What is not needed of such memory is never touched, and costs nothing.
_MARGIN: Final = 8


class Bodies:
    """Hands out memory, and uses it again as soon as nothing refers to it any more.

    Nobody gives it back, so nobody can do so too early: each body has an owner, which is kept
    alive by whatever was made of the body without a copy, and memory is free when it is gone.
    """

    def __init__(self) -> None:
        # To append and to pop is safe in any thread, and of too many the oldest are let go.
        self._spare: deque[mmap.mmap] = deque(maxlen=_SPARE)
        self._closed = False

    def room(self, size_bytes: int) -> memoryview:
        """Return memory of a size; what is in it is of no meaning."""
        memory = self._fitting(size_bytes) or _new(size_bytes + size_bytes // _MARGIN)
        owner = np.frombuffer(memory, np.uint8, size_bytes)
        weakref.finalize(owner, self._keep, memory).atexit = False
        return owner.data

    def close(self) -> None:
        """Keep nothing any more; what is still referred to stays until it is not."""
        self._closed = True
        self._spare.clear()

    def _keep(self, memory: mmap.mmap) -> None:
        if not self._closed:
            self._spare.append(memory)

    def _fitting(self, size_bytes: int) -> mmap.mmap | None:
        """Return spare memory that is large enough, and let go of what is too small."""
        with suppress(IndexError):
            while len(memory := self._spare.popleft()) < size_bytes:
                pass
            return memory
        return None


def _new(size_bytes: int) -> mmap.mmap:
    return mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
