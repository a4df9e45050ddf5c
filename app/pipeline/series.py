"""Reads a cached series for a caller: the last good version, the query, and what to tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import UnknownDatasetError
from app.pipeline.history import NEWEST, Pin
from app.pipeline.ports import CacheRepository, DatasetCatalogue
from app.pipeline.query import QueryResult, SeriesQuery, run_query
from app.pipeline.refresh import Notice
from app.records import CachedSeries


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series as one caller asked for it.

    Attributes:
        series: The version that was read.
        result: The rows that the query selects from it.
        notice: What the reader must be told.
    """

    series: CachedSeries
    result: QueryResult
    notice: Notice


class SeriesReader:
    """Answers queries from the cache alone; a tenant that is down makes no difference.

    Args:
        catalogue: Which datasets exist.
        cache: Where versions are kept.
        notice: Says what a reader of a series must be told.
    """

    def __init__(
        self,
        catalogue: DatasetCatalogue,
        cache: CacheRepository,
        notice: Callable[[CachedSeries], Notice],
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._notice = notice

    async def read(self, dataset: str, query: SeriesQuery, pin: Pin = NEWEST) -> SeriesView:
        """Run a query on the last good version of a dataset, or on the one that is pinned.

        Raises:
            UnknownDatasetError: No dataset has this name.
            UnknownVersionError: The dataset has no such version.
            BadQueryError: The query names what the series does not have.
            CacheError: There is nothing to serve.
        """
        if dataset not in self._catalogue.names:
            known = ", ".join(self._catalogue.names)
            raise UnknownDatasetError(
                f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {known}."
            )
        return await asyncio.to_thread(self._read, dataset, query, pin)

    def _read(self, dataset: str, query: SeriesQuery, pin: Pin) -> SeriesView:
        series = self._cache.load(dataset, pin)
        result = run_query(series.rows, series.metadata, query)
        return SeriesView(series, result, self._notice(series))
