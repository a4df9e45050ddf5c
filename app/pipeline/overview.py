"""All datasets at a glance: what is served of each, and how fresh it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.errors import CacheError
from app.pipeline.ports import CacheRepository, DatasetCatalogue
from app.pipeline.standing import Standing
from app.records import SeriesHead
from app.reports import Freshness


@dataclass(frozen=True, slots=True)
class DatasetOverview:
    """One dataset, as a reader would find it now.

    Attributes:
        name: Its name.
        series: The version that is served, as far as a glance can tell; None if none can be.
        freshness: How fresh that is, or why there is nothing.
    """

    name: str
    series: SeriesHead | None
    freshness: Freshness


class Overview:
    """Lists the datasets from the cache alone.

    What is in memory was proved. Of all others the newest commit is read, and its files must be
    there; their rows are proved when somebody reads them, and not for the sake of a list.

    Args:
        catalogue: Which datasets exist.
        cache: Where versions are kept.
        standing: Judges them.
    """

    def __init__(
        self, catalogue: DatasetCatalogue, cache: CacheRepository, standing: Standing
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._standing = standing

    async def datasets(self) -> tuple[DatasetOverview, ...]:
        """Look at every dataset; one that cannot be read harms no other."""
        return await asyncio.to_thread(lambda: tuple(map(self._one, self._catalogue.names)))

    def _one(self, name: str) -> DatasetOverview:
        try:
            series = self._cache.glance(name)
        except CacheError as error:
            return DatasetOverview(name, None, self._standing.of_nothing(name, error))
        return DatasetOverview(name, series, self._standing.of(series).freshness)
