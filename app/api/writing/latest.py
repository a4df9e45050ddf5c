"""Remembers what was made last of a dataset, as long as it would be made of the same."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any, Final, Generic, TypeVar

_REMEMBERED: Final = 64

Made = TypeVar("Made")


class Latest(Generic[Made]):
    """What was made last, by dataset. It is never changed, only replaced."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[object, ...], Made]] = {}

    def of(self, dataset: str, made_of: tuple[Any, ...], make: Callable[..., Made]) -> Made:
        """Return what is made of some objects; the same as the last time if they are the same.

        Args:
            dataset: Whose it is.
            made_of: Objects that nobody changes; equal ones are not the same.
            make: Is called with them.
        """
        known = self._known.get(dataset)
        if known is not None and all(map(is_, known[0], made_of)):
            return known[1]
        made = make(*made_of)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[dataset] = made_of, made
        return made
