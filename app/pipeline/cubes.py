"""Keeps the index of every version in use, as long as the cache keeps the version itself."""

from __future__ import annotations

import threading
import weakref

import pyarrow as pa

from app.pipeline.query import Cube


class Cubes:
    """The indexes of tables. Safe to share between threads.

    An index goes with its table: it is dropped as soon as nobody else holds the table.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[pa.Table], Cube]] = {}
        self._building = threading.Lock()

    @property
    def count(self) -> int:
        """How many indexes are kept."""
        return len(self._kept)

    def at_hand(self, rows: pa.Table) -> Cube | None:
        """Return the index of a table; None if it was not built yet. Never waits."""
        found = self._kept.get(id(rows))
        return found[1] if found is not None and found[0]() is rows else None

    def of(self, rows: pa.Table) -> Cube:
        """Return the index of a table, and build it if need be. Blocks; run it in a thread."""
        with self._building:
            cube = self.at_hand(rows)
            if cube is None:
                cube = Cube.of(rows)
                key = id(rows)
                gone = weakref.ref(rows, lambda reference: self._forget(key, reference))
                self._kept[key] = gone, cube
            return cube

    def _forget(self, key: int, reference: weakref.ref[pa.Table]) -> None:
        # Another table may have got the same address since.
        found = self._kept.get(key)
        if found is not None and found[0] is reference:
            del self._kept[key]
