"""The versions of a dataset for a caller: which there are, what changed, and the way back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from app.errors import UnknownDatasetError
from app.pipeline.diff import SHOWN_POINTS, SeriesDiff, diff_series
from app.pipeline.history import NEWEST, Pin, VersionInfo
from app.pipeline.ports import CacheRepository, DatasetCatalogue
from app.records import CachedSeries


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions, and what changed between them.

    Attributes:
        before: The first version.
        after: The second version.
        diff: What changed.
    """

    before: CachedSeries
    after: CachedSeries
    diff: SeriesDiff


class VersionService:
    """Answers for the versions of a dataset from the cache alone.

    Args:
        catalogue: Which datasets exist.
        cache: Where versions are kept.
    """

    def __init__(self, catalogue: DatasetCatalogue, cache: CacheRepository) -> None:
        self._catalogue = catalogue
        self._cache = cache

    async def history(self, dataset: str, limit: int | None = None) -> tuple[VersionInfo, ...]:
        """Return the versions of a dataset, newest first; at most `limit`.

        Raises:
            UnknownDatasetError: No dataset has this name.
            CacheError: There is none, or the cache cannot be read.
        """
        self._check(dataset)
        return await asyncio.to_thread(self._cache.history, dataset, limit)

    async def compare(
        self, dataset: str, before: int, after: int | None = None, shown: int = SHOWN_POINTS
    ) -> Comparison:
        """Compare two versions.

        Args:
            dataset: Name of the dataset.
            before: The first version.
            after: The second version; None for the newest.
            shown: At most this many points of each kind are listed.

        Raises:
            UnknownDatasetError: No dataset has this name.
            UnknownVersionError: There is no such version.
            CacheError: A version cannot be read.
        """
        self._check(dataset)
        return await asyncio.to_thread(self._compare, dataset, before, after, shown)

    async def roll_back(self, dataset: str, version: int) -> CachedSeries:
        """Publish an older version again, until the next refresh publishes on top of it.

        Raises:
            UnknownDatasetError: No dataset has this name.
            UnknownVersionError: There is no such version.
            CacheError: Nothing was published.
        """
        self._check(dataset)
        return await asyncio.to_thread(self._cache.roll_back, dataset, version)

    def _check(self, dataset: str) -> None:
        if dataset not in self._catalogue.names:
            known = ", ".join(self._catalogue.names)
            raise UnknownDatasetError(
                f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {known}."
            )

    def _compare(self, dataset: str, before: int, after: int | None, shown: int) -> Comparison:
        first = self._cache.load(dataset, Pin(before))
        second = self._cache.load(dataset, NEWEST if after is None else Pin(after))
        return Comparison(first, second, diff_series(first.rows, second.rows, shown))
