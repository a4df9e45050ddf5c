"""The datasets at a glance."""

from __future__ import annotations

from dataclasses import replace

from app.errors import CacheCorruptError
from app.pipeline.overview import Overview
from app.reports import FreshnessState
from tests.fakes import FakeCache, FakeCatalogue, a_definition, a_standing
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
