"""Reads a cached series for a caller: the last good version, the query, and what to tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from app.errors import ExpiredError, SeriesError, UnknownDatasetError
from app.pipeline.freshness import Notice, moment
from app.pipeline.history import NEWEST, Pin
from app.pipeline.ports import CacheRepository, DatasetCatalogue
from app.pipeline.query import QueryResult, SeriesQuery, run_query
from app.pipeline.standing import Told
from app.records import CachedSeries
from app.reports import Freshness, FreshnessState


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series as one caller asked for it.

    Attributes:
        series: The version that was read.
        result: The rows that the query selects from it.
        notice: What the reader must be told.
        freshness: The same as data.
    """

    series: CachedSeries
    result: QueryResult
    notice: Notice
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class SeriesAnswer:
    """What one caller asked for, of one or several datasets.

    Attributes:
        views: One part for each dataset, in the order asked.
        total: Rows that the query selects from all of them, over all pages.
        next: Opaque cursor of the next page; None on the last.
    """

    views: tuple[SeriesView, ...]
    total: int
    next: str | None = None


class SeriesReader:
    """Answers queries from the cache alone; a tenant that is down makes no difference.

    Args:
        catalogue: Which datasets exist.
        cache: Where versions are kept.
        tell: Says what a reader of a series must be told.
    """

    def __init__(
        self,
        catalogue: DatasetCatalogue,
        cache: CacheRepository,
        tell: Callable[[CachedSeries], Told],
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._tell = tell

    async def read(
        self,
        datasets: tuple[str, ...],
        query: SeriesQuery,
        pin: Pin = NEWEST,
        *,
        allow_expired: bool = False,
    ) -> SeriesAnswer:
        """Run a query on the last good version of each dataset, or on the one that is pinned.

        Args:
            datasets: Names of the datasets; empty for the default one.
            query: Which of their points.
            pin: Of which version; whoever names one gets it, however old it is.
            allow_expired: Serve data that is too old, too; it is marked.

        Raises:
            ExpiredError: The data is too old.
            UnknownDatasetError: No dataset has this name.
            UnknownVersionError: The dataset has no such version.
            BadQueryError: The query names what the series does not have.
            CacheError: There is nothing to serve.
        """
        views = [
            await self._view(dataset, query, pin, allow_expired=allow_expired)
            for dataset in datasets or self._catalogue.names[:1]
        ]
        return SeriesAnswer(tuple(views), sum(view.result.total for view in views))

    async def stamp(self, datasets: tuple[str, ...], pin: Pin = NEWEST) -> Hashable | None:
        """Return what changes whenever the answer to any query could change, but for the age.

        Args:
            datasets: Names of the datasets; empty for the default one.
            pin: Of which version.

        Returns:
            None if it cannot be told, so that no answer may be used again.
        """
        parts: list[Hashable] = []
        for dataset in datasets or self._catalogue.names[:1]:
            if dataset not in self._catalogue.names:
                return None
            try:
                series, told = await asyncio.to_thread(self._load, dataset, pin)
            except SeriesError:
                return None
            meta = series.metadata
            parts.append((series.version, meta.content_hash, meta.last_refresh_time))
            parts.append((told.notice, replace(told.freshness, age_s=None)))
        return tuple(parts)

    async def _view(
        self, dataset: str, query: SeriesQuery, pin: Pin, *, allow_expired: bool
    ) -> SeriesView:
        if dataset not in self._catalogue.names:
            known = ", ".join(self._catalogue.names)
            raise UnknownDatasetError(
                f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {known}."
            )
        series, told = await asyncio.to_thread(self._load, dataset, pin)
        if told.freshness.state is FreshnessState.EXPIRED and not (allow_expired or pin):
            raise _expired(series, told.freshness)
        result = await asyncio.to_thread(run_query, series.rows, series.metadata, query)
        return SeriesView(series, result, told.notice, told.freshness)

    def _load(self, dataset: str, pin: Pin) -> tuple[CachedSeries, Told]:
        series = self._cache.load(dataset, pin)
        return series, self._tell(series)


def _expired(series: CachedSeries, freshness: Freshness) -> ExpiredError:
    when = moment(series.metadata.last_refresh_time)
    return ExpiredError(
        f"The data is of {when} and is not shown. {freshness.sentence}",
        next_step="Ask with allow_expired=true to see it all the same.",
    )
