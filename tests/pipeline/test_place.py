"""The folder of a cache is looked at without reading it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.pipeline.cache import DeltaCache
from app.pipeline.place import CachePlace, TableSize
from tests.pipeline.samples import metadata_of, three_months


def save(cache: DeltaCache, number: int) -> None:
    """Save one more version."""
    rows = three_months(float(number))
    cache.save(rows, metadata_of(rows))


def test_size_files_and_versions_are_those_on_the_disk(tmp_path: Path) -> None:
    """All files count, those of older versions and of the log too; each commit is a version."""
    cache, place = DeltaCache(tmp_path), CachePlace(str(tmp_path))
    for number in range(3):
        save(cache, number)
    files = [path for path in (tmp_path / "sales").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert place.size("sales") == TableSize(size, len(files), 3)
    assert place.size("sales") == CachePlace(tmp_path.as_uri()).size("sales")


def test_nothing_saved_has_no_size(tmp_path: Path) -> None:
    """A dataset without a folder, or with an empty one, takes up nothing that could be told."""
    assert CachePlace(str(tmp_path)).size("sales") is None
    (tmp_path / "sales").mkdir()
    assert CachePlace(str(tmp_path)).size("sales") is None


def test_what_cannot_be_looked_at_is_passed_over(tmp_path: Path) -> None:
    """A file that is gone, and a folder that is somebody else's, are no error."""
    cache = DeltaCache(tmp_path)
    save(cache, 0)
    place = CachePlace(str(tmp_path))
    (tmp_path / "sales" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "sales" / "_delta_log" / "away").mkdir(mode=0)
    found = place.size("sales")
    assert found is not None
    assert found.versions == 1


def test_room_and_permission_are_those_of_the_nearest_folder(tmp_path: Path) -> None:
    """Before the first refresh the folder is not there; the one above it is asked."""
    place = CachePlace(str(tmp_path / "not" / "yet"))
    assert place.free_bytes() == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.5)
    assert place.writable()


def test_of_an_object_store_nothing_is_known() -> None:
    """What would cost requests is not asked."""
    place = CachePlace("s3://bucket/cache")
    assert (place.size("sales"), place.free_bytes(), place.writable()) == (None, None, None)
