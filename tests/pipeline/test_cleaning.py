"""Cleaning takes away what nobody needs, and nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from structlog.testing import capture_logs

from app.errors import CacheCorruptError, CacheUnavailableError, UnknownVersionError
from app.pipeline.cache import DeltaCache
from app.pipeline.history import Pin
from app.pipeline.retention import Retention
from app.records import CachedSeries
from tests.pipeline.samples import metadata_of, three_months

AT_ONCE = Retention(versions=2, grace=timedelta(0))


@pytest.fixture
def cache(tmp_path: Path) -> DeltaCache:
    """Return a cache with the versions 0 to 4 of `sales`."""
    cache = DeltaCache(tmp_path)
    for number in range(5):
        save(cache, number)
    return cache


def save(cache: DeltaCache, number: int) -> CachedSeries:
    """Save rows that tell which version they are."""
    rows = three_months(float(number))
    return cache.save(rows, metadata_of(rows))


def parquet(root: Path) -> set[str]:
    """Return the names of the data files."""
    return {path.name for path in (root / "sales").glob("*.parquet")}


def test_old_versions_go_and_the_kept_ones_stay_whole(cache: DeltaCache, tmp_path: Path) -> None:
    """Beyond the rule log and data are gone; within it every version is what was saved."""
    cleaned = cache.vacuum("sales", AT_ONCE)
    assert (cleaned.versions, cleaned.files, cleaned.oldest) == (3, 3, 3)
    assert cleaned.bytes > 0
    for reader in (cache, DeltaCache(tmp_path)):
        assert reader.versions("sales") == (3, 4)
        assert [check.problem for check in reader.verify("sales")] == [None, None]
        assert reader.load("sales", Pin(3)).rows.equals(three_months(3.0))
        assert reader.load("sales").rows.equals(three_months(4.0))
        with pytest.raises(UnknownVersionError, match="holds 3 to 4"):
            reader.load("sales", Pin(2))
    assert len(parquet(tmp_path)) == 2
    assert DeltaTable(tmp_path / "sales").to_pyarrow_table().num_rows == 6
    assert save(cache, 5).version == 5
    assert cache.vacuum("sales", AT_ONCE).oldest == 4


def test_without_a_rule_only_what_is_no_version_goes(cache: DeltaCache, tmp_path: Path) -> None:
    """Files that a killed writer left are deleted; files of somebody else never are."""
    folder = tmp_path / "sales"
    orphan = "part-00000-13d6b454-6203-4284-b1e0-cf973646c17e-c000.snappy.parquet"
    left = [orphan, f"{orphan}#1", "_delta_log/00000000000000000005.json#1"]
    foreign = ["notes.txt", "mine.parquet", "part-1.parquet", "_delta_log/readme.md"]
    for name in (*left, *foreign):
        (folder / name).write_text("x")
    (folder / "_sac_series" / orphan).write_text("x")
    assert cache.vacuum("sales", Retention()).files == 0
    cleaned = cache.vacuum("sales", Retention(grace=timedelta(0)))
    assert (cleaned.versions, cleaned.files, cleaned.bytes) == (0, 3, 3)
    assert not any((folder / name).exists() for name in left)
    assert all((folder / name).exists() for name in foreign)
    assert (folder / "_sac_series" / orphan).exists()
    assert cache.versions("sales") == (0, 1, 2, 3, 4)


def test_the_grace_period_is_for_readers(cache: DeltaCache, tmp_path: Path) -> None:
    """What was current within the grace period stays, also its data."""
    foreign = DeltaTable(tmp_path / "sales", version=0)
    assert cache.vacuum("sales", Retention(versions=1)).versions == 0
    later = datetime.now(UTC) + timedelta(minutes=59)
    assert cache.vacuum("sales", Retention(versions=1), now=later).versions == 0
    assert foreign.to_pyarrow_table().num_rows == 6
    later += timedelta(minutes=2)
    assert cache.vacuum("sales", Retention(versions=1), now=later).versions == 4


def test_touches_belong_to_the_rows_they_confirm(cache: DeltaCache) -> None:
    """A version that only confirmed rows keeps the data it shows."""
    for _ in range(3):
        cache.touch(cache.load("sales").metadata)
    save(cache, 8)
    cleaned = cache.vacuum("sales", AT_ONCE)
    assert cleaned.oldest == 4
    assert all(check.problem is None for check in cache.verify("sales"))
    later = Retention(age=timedelta(0), grace=timedelta(0))
    assert cache.vacuum("sales", later).oldest == 8
    assert cache.load("sales").rows.equals(three_months(8.0))


def test_a_broken_newest_version_stops_a_cleaning(cache: DeltaCache, tmp_path: Path) -> None:
    """The older version that is served instead must not be cleaned away under its readers."""
    newest = next(
        path
        for path in (tmp_path / "sales").glob("*.parquet")
        if path.name in DeltaTable(tmp_path / "sales").file_uris()[0]
    )
    newest.unlink()
    before = parquet(tmp_path)
    with pytest.raises(CacheCorruptError) as caught:
        cache.vacuum("sales", AT_ONCE)
    assert "repair" in caught.value.next_step
    assert parquet(tmp_path) == before
    assert cache.versions("sales") == (0, 1, 2, 3, 4)


def test_a_cleaning_that_is_killed_leaves_readable_versions(
    cache: DeltaCache, tmp_path: Path
) -> None:
    """After each deletion of a log entry all versions that are listed can be read."""
    DeltaTable(tmp_path / "sales", version=3).create_checkpoint()
    for version in (2, 1, 0):
        os.unlink(tmp_path / "sales" / "_delta_log" / f"{version:020}.json")  # noqa: PTH108
        reader = DeltaCache(tmp_path)
        assert [check.problem for check in reader.verify("sales")] == [None] * (2 + version)
        assert reader.load("sales").rows.equals(three_months(4.0))


def test_a_service_cleans_after_a_refresh_if_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rule every save cleans; what cannot be cleaned is told to the log alone."""
    cache = DeltaCache(tmp_path, retention=AT_ONCE)
    for number in range(4):
        save(cache, number)
    assert cache.versions("sales") == (2, 3)

    def refuse(*_: object) -> None:
        raise CacheUnavailableError("The disk is read-only.")

    monkeypatch.setattr("app.pipeline.upkeep.vacuum", refuse)
    with capture_logs() as logs:
        cache.touch(cache.load("sales").metadata)
    assert [line["event"] for line in logs] == ["cache_not_cleaned"]
    assert cache.load("sales").version == 4
