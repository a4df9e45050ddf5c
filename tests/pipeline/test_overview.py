"""The datasets at a glance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.errors import CacheCorruptError
from app.pipeline.cache import DeltaCache
from app.pipeline.overview import Overview
from app.records import CachedSeries
from app.reports import FreshnessState
from tests.fakes import START, FakeCache, FakeCatalogue, a_definition, a_standing
from tests.pipeline.samples import metadata_of, three_months
from tests.pipeline.test_freshness import a_series


async def test_every_dataset_is_listed_with_what_is_served() -> None:
    """A dataset without data stands beside one that has some."""
    catalogue = FakeCatalogue(a_definition("sales"), a_definition("heads"))
    series = a_series()
    cache = FakeCache(replace(series, metadata=replace(series.metadata, dataset="heads")))
    sales, heads = await Overview(catalogue, cache, a_standing()).datasets()
    assert (sales.name, sales.series, sales.freshness.reason) == ("sales", None, "cache_missing")
    assert sales.freshness.state is FreshnessState.UNKNOWN
    assert (heads.name, heads.freshness.state) == ("heads", FreshnessState.FRESH)
    assert heads.series is cache.load("heads")


async def test_a_broken_dataset_is_listed_as_such() -> None:
    """What cannot be read is unknown, with the reason."""
    cache = FakeCache()
    cache.load_error = CacheCorruptError("It is broken.")
    (found,) = await Overview(FakeCatalogue(), cache, a_standing()).datasets()
    assert (found.freshness.state, found.freshness.sentence) == ("unknown", "It is broken.")


async def test_a_list_reads_no_rows(tmp_path: Path) -> None:
    """A glance tells version, rows and age from the commit; a damaged file is seen all the same."""
    rows = three_months()
    metadata = replace(metadata_of(rows, dataset="default"), last_refresh_time=START)
    DeltaCache(tmp_path).save(rows, metadata)
    cache = DeltaCache(tmp_path)
    (found,) = await Overview(FakeCatalogue(), cache, a_standing()).datasets()
    assert found.series is not None
    assert not isinstance(found.series, CachedSeries)
    assert (found.series.version, found.series.metadata.row_count) == (0, 6)
    assert found.freshness.state is FreshnessState.FRESH
    loaded = cache.load("default")
    (again,) = await Overview(FakeCatalogue(), cache, a_standing()).datasets()
    assert again.series is loaded
    (file,) = (tmp_path / "default").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    (broken,) = await Overview(FakeCatalogue(), cache, a_standing()).datasets()
    assert (broken.series, broken.freshness.reason) == (None, "cache_corrupt")
    (fresh,) = await Overview(FakeCatalogue(), DeltaCache(tmp_path), a_standing()).datasets()
    assert (fresh.series, fresh.freshness.reason) == (None, "cache_corrupt")
