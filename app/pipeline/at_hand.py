"""What is served of each dataset, as far as it is in memory and provably current."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.pipeline.cubes import Cubes
from app.pipeline.history import NEWEST, Pin
from app.pipeline.ports import CacheRepository
from app.pipeline.query import Cube
from app.pipeline.stamps import Stamp, stamp_of
from app.pipeline.standing import Told
from app.pipeline.turns import OncePerTurn
from app.records import CachedSeries, SeriesMetadata


# Nobody changes one; it is not frozen, as to freeze it takes as long as to look for it.
@dataclass(slots=True)
class Loaded:
    """What is served of one dataset.

    Attributes:
        dataset: Its name, as it was asked for.
        series: The version.
        told: What its readers are told.
        stamp: Of this dataset alone.
        cube: Its index; None if it was not built yet.
    """

    dataset: str
    series: CachedSeries
    told: Told
    stamp: Stamp
    cube: Cube | None = None


class SeriesAtHand:
    """Finds it in microseconds and never waits.

    Args:
        cache: Where versions are kept.
        cubes: Their indexes.
        tell_at_once: Says what a reader must be told, without waiting; None if that cannot be.
        looks: What was found in this turn of the event loop, shared with all that is looked at
            for it, so that a change that one of them makes is seen; None to look each time.
    """

    def __init__(
        self,
        cache: CacheRepository,
        cubes: Cubes,
        tell_at_once: Callable[[CachedSeries], Told | None],
        looks: OncePerTurn[Any] | None = None,
    ) -> None:
        self._cache = cache
        self._cubes = cubes
        self._tell = tell_at_once
        self._looks: OncePerTurn[Loaded | None] | None = looks
        self._stamps: dict[str, tuple[SeriesMetadata, Told, Stamp]] = {}

    def find(self, dataset: str, pin: Pin = NEWEST) -> Loaded | None:
        """Return what is served of a dataset; None if that must be waited for."""
        asked = dataset, pin
        if self._looks is None:
            return self._look(asked)
        # The name alone is hashed already.
        return self._looks.get(dataset if pin is NEWEST else asked, self._look, asked)

    def _look(self, asked: tuple[str, Pin]) -> Loaded | None:
        series = self._cache.at_hand(*asked)
        told = None if series is None else self._tell(series)
        return None if series is None or told is None else self.loaded(asked[0], series, told)

    def loaded(self, dataset: str, series: CachedSeries, told: Told) -> Loaded:
        """Return a version with its stamp, which is the same object as long as it tells the same.

        Args:
            dataset: Its name, as it was asked for.
            series: The version.
            told: What its readers are told; the same object as long as it tells the same.
        """
        metadata, cube = series.metadata, self._cubes.at_hand(series.rows)
        last = self._stamps.get(dataset)
        if last is not None and last[0] is metadata and last[1] is told:
            return Loaded(dataset, series, told, last[2], cube)
        stamp = stamp_of(series, told)
        self._stamps[dataset] = metadata, told, stamp
        return Loaded(dataset, series, told, stamp, cube)
