"""Tells whether something was asked for of late, in the room of one byte a question."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

_PLACES: Final = 1 << 16
_MARKS: Final = 1 << 8


class AskedBefore:
    """Remembers the last tens of thousands of questions by a few bits of their hashes.

    One in some hundreds is taken for one that was asked before. So this is for whom a wrong yes
    costs a little room, and a wrong no a little time.
    """

    def __init__(self) -> None:
        self._marks = bytearray(_PLACES)

    def __call__(self, question: Hashable) -> bool:
        """Tell whether a question was asked before, and remember it."""
        number = hash(question)
        place = number % _PLACES
        # 0 stands for nothing.
        mark = (number // _PLACES) % (_MARKS - 1) + 1
        if self._marks[place] == mark:
            return True
        self._marks[place] = mark
        return False
