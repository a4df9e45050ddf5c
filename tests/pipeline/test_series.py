"""A reader gets the last good version, what it asked for, and what it must be told."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from app.errors import BadQueryError, CacheMissingError, UnknownDatasetError
from app.pipeline.contract import series_schema
from app.pipeline.freshness import Notice
from app.pipeline.query import SeriesQuery
from app.pipeline.series import SeriesReader
from app.pipeline.standing import Told
from app.records import CachedSeries, SeriesMetadata
from app.reports import Freshness, FreshnessState
from tests.fakes import FakeCache, FakeCatalogue

TOLD = Told(Notice("Showing old data.", "source_timeout"), Freshness(state=FreshnessState.STALE))


@pytest.fixture
def series() -> CachedSeries:
    """Two months of one series without dimensions."""
    columns = [pa.array([date(2026, 1, 1), date(2026, 2, 1)]), pa.array([1.5, 2.5])]
    metadata = SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime(2026, 11, 21, tzinfo=UTC),
        row_count=2,
        min_date=date(2026, 1, 1),
        max_date=date(2026, 2, 1),
    )
    rows = pa.Table.from_arrays(columns, schema=series_schema([]))
    return CachedSeries(rows=rows, metadata=metadata, version=5)


def a_reader(cache: FakeCache) -> SeriesReader:
    """Return a reader who is always told the same."""
    return SeriesReader(FakeCatalogue(), cache, lambda _: TOLD)


async def test_a_query_is_run_on_the_version_in_the_cache(series: CachedSeries) -> None:
    """The view holds the version, the rows that the query selects, and the notice."""
    (view,) = (
        await a_reader(FakeCache(series)).read(("default",), SeriesQuery(start=date(2026, 2, 1)))
    ).views
    assert view.series is series
    assert view.result.rows["value"].to_pylist() == [2.5]
    assert view.result.total == 1
    assert (view.notice, view.freshness) == (TOLD.notice, TOLD.freshness)


async def test_the_notice_is_asked_for_the_version_that_is_shown(series: CachedSeries) -> None:
    """What a reader is told is about the very version that it gets."""
    asked: list[CachedSeries] = []

    def tell(shown: CachedSeries) -> Told:
        asked.append(shown)
        return TOLD

    await SeriesReader(FakeCatalogue(), FakeCache(series), tell).read(("default",), SeriesQuery())
    assert asked == [series]


async def test_an_unknown_dataset_is_refused_with_the_known_ones() -> None:
    """A name that no dataset has is refused before the cache is asked."""
    with pytest.raises(UnknownDatasetError, match="There is no dataset 'other'") as raised:
        await a_reader(FakeCache()).read(("other",), SeriesQuery())
    assert raised.value.next_step == "Ask for one of: default."


async def test_an_empty_cache_is_an_error() -> None:
    """Nothing saved means nothing to serve."""
    with pytest.raises(CacheMissingError):
        await a_reader(FakeCache()).read(("default",), SeriesQuery())


async def test_a_query_for_what_is_not_there_is_refused(series: CachedSeries) -> None:
    """A dimension that the series does not have is the caller's mistake."""
    with pytest.raises(BadQueryError):
        await a_reader(FakeCache(series)).read(("default",), SeriesQuery(group_by=("region",)))
