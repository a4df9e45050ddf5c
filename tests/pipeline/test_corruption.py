"""What is broken is found before it is served; the table in `docs/reliability.md` is made here.

Every damage is done to a cache with three versions: 0, 1, and 2, the newest.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import CacheError, SeriesError
from app.pipeline.cache import DeltaCache
from app.pipeline.history import Pin
from tests.pipeline.samples import metadata_of, three_months

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
NEWEST = 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a cache with the versions 0, 1 and 2."""
    cache = DeltaCache(tmp_path / "cache")
    for first in (0.0, 1.0, 2.0):
        rows = three_months(first)
        cache.save(rows, metadata_of(rows))
    return tmp_path / "cache"


def commit(table: Path, version: int = NEWEST) -> Path:
    """Return the commit of a version."""
    return table / "_delta_log" / f"{version:020}.json"


def data(table: Path, version: int = NEWEST) -> Path:
    """Return the data file of a version."""
    return table / commit(table, version).read_text().split('"add":{"path":"')[1].split('"')[0]


def cut(path: Path) -> None:
    """Keep half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def void(path: Path) -> None:
    """Leave nothing in a file."""
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)


def swap(table: Path) -> None:
    """Put older data under the name of the newest."""
    shutil.copyfile(data(table, 1), data(table))


def lie(table: Path) -> None:
    """Change the metadata of the newest version by hand."""
    path = commit(table)
    path.write_text(path.read_text().replace('\\"row_count\\":6', '\\"row_count\\":7'))


def litter(table: Path) -> None:
    """Put files of somebody else into the folder and its log."""
    for name in ("notes.txt", "mine.parquet", "_delta_log/readme.md", "_delta_log/x.tmp"):
        (table / name).write_text("mine")


def lose_log(table: Path) -> None:
    """Delete the log."""
    shutil.rmtree(table / "_delta_log")


def break_all(table: Path) -> None:
    """Delete all data files."""
    for path in table.glob("*.parquet"):
        path.unlink()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a data file is cut in half": lambda table: cut(data(table)),
    "one bit of a data file is turned": lambda table: flip(data(table)),
    "a data file is empty": lambda table: void(data(table)),
    "a data file is gone": lambda table: data(table).unlink(),
    "a data file holds older data": swap,
    "the newest commit is cut in half": lambda table: cut(commit(table)),
    "the newest commit is empty": lambda table: void(commit(table)),
    "the newest commit is gone": lambda table: commit(table).unlink(),
    "the newest commit says another row count": lie,
    "a commit in the middle is gone": lambda table: commit(table, 1).unlink(),
    "foreign files lie in the folder": litter,
    "all data files are gone": break_all,
    "the log is gone": lose_log,
}


def outcome(root: Path) -> str:
    """Say what a reader gets."""
    try:
        series = DeltaCache(root).load("sales")
    except CacheError as error:
        return f"`{error.code}`" if "python -m demo.refresh" in str(error) else str(error)
    assert series.rows.equals(three_months(float(series.version)))
    return f"version {series.version}" + ("" if series.warning is None else ", with a warning")


def pinned(root: Path) -> str:
    """Say what a reader of exactly the newest version gets."""
    try:
        series = DeltaCache(root).load("sales", Pin(NEWEST))
    except SeriesError as error:
        return f"`{error.code}`"
    assert series.rows.equals(three_months(float(NEWEST)))
    return "version 2"


def row(name: str, root: Path) -> str:
    """Damage a cache and describe what follows as a row of the page."""
    DAMAGES[name](root / "sales")
    copy = root.with_name("copy")
    shutil.copytree(root, copy)
    return f"| {name} | {outcome(root)} | {pinned(root)} | {repaired(copy)} |"


def repaired(root: Path) -> str:
    """Repair a cache and say what that did; what is served afterwards has no warning."""
    try:
        series = DeltaCache(root).repair("sales")
    except CacheError as error:
        return f"`{error.code}`"
    if series is None:
        return "nothing to do"
    loaded = DeltaCache(root).load("sales")
    assert (loaded.version, loaded.warning) == (series.version, None)
    assert loaded.rows.equals(series.rows)
    return f"version {series.metadata.restored_version} again"


@pytest.mark.parametrize("name", DAMAGES)
def test_the_page_says_what_every_damage_does(root: Path, name: str) -> None:
    """The row of the page is what happens: served is what proves whole, or an error with words."""
    assert row(name, root) in PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_refresh_mends_every_damage(root: Path, name: str) -> None:
    """After the next save the new rows are served without a warning."""
    reader = DeltaCache(root)
    reader.load("sales")
    DAMAGES[name](root / "sales")
    rows = three_months(7.0)
    DeltaCache(root).save(rows, metadata_of(rows))
    for cache in (reader, DeltaCache(root)):
        loaded = cache.load("sales")
        assert loaded.rows.equals(rows)
        assert loaded.warning is None
