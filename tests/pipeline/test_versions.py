"""The versions of a dataset for a caller."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import UnknownDatasetError, UnknownVersionError
from app.pipeline.cache import DeltaCache
from app.pipeline.history import Pin
from app.pipeline.versions import VersionService
from tests.fakes import FakeCatalogue, a_definition
from tests.pipeline.samples import REFRESHED, metadata_of, three_months


@pytest.fixture
def cache(tmp_path: Path) -> DeltaCache:
    """Return a cache with three versions of `sales`."""
    cache = DeltaCache(tmp_path)
    for first in (1.0, 2.0, 3.0):
        rows = three_months(first)
        cache.save(rows, metadata_of(rows, refreshed=REFRESHED + timedelta(days=first)))
    return cache


@pytest.fixture
def service(cache: DeltaCache) -> VersionService:
    """Return the service on that cache."""
    return VersionService(FakeCatalogue(a_definition("sales")), cache)


async def test_versions_are_listed_newest_first(service: VersionService) -> None:
    """Each version tells its time, its rows and whether it brought them."""
    infos = await service.history("sales")
    assert [info.version for info in infos] == [2, 1, 0]
    assert all(info.time is not None and info.changes_data for info in infos)
    assert infos[0].metadata.last_refresh_time == REFRESHED + timedelta(days=3)
    assert await service.history("sales", 2) == infos[:2]


async def test_two_versions_are_compared(service: VersionService) -> None:
    """Versions are read as they were saved; the second is the newest unless it is named."""
    compared = await service.compare("sales", 0)
    assert (compared.before.version, compared.after.version) == (0, 2)
    assert (compared.diff.changed.count, compared.diff.unchanged) == (6, 0)
    assert (compared.diff.total_before, compared.diff.total_after) == ("7.2", "19.2")
    assert (await service.compare("sales", 1, 1)).diff.unchanged == 6


async def test_a_rollback_is_a_new_version(service: VersionService, cache: DeltaCache) -> None:
    """The old rows come back on top, with their own time and where they are from."""
    back = await service.roll_back("sales", 0)
    newest = cache.load("sales")
    assert (back.version, newest.version) == (3, 3)
    assert newest.rows.equals(three_months(1.0))
    assert newest.metadata.restored_version == 0
    assert newest.metadata.last_refresh_time == REFRESHED + timedelta(days=1)
    assert cache.load("sales", Pin(2)).rows.equals(three_months(3.0))


async def test_what_does_not_exist_is_named(service: VersionService) -> None:
    """Unknown datasets and versions are told with what there is."""
    with pytest.raises(UnknownDatasetError, match="no dataset 'x'"):
        await service.history("x")
    for call in (service.compare("sales", 9), service.roll_back("sales", 9)):
        with pytest.raises(UnknownVersionError, match="holds 0 to 2"):
            await call
