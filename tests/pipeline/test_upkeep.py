"""What an operator does to a series, where the table alone does not say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import write_deltalake

from app.errors import CacheCorruptError, CacheUnavailableError, UnknownVersionError
from app.pipeline import upkeep
from app.pipeline.cache import DeltaCache
from app.pipeline.history import Pin
from app.pipeline.series_table import SeriesTable
from app.pipeline.table_files import file_sizes
from tests.pipeline.foreign_tool import commit, upgraded
from tests.pipeline.samples import metadata_of, three_months


@pytest.fixture
def table(tmp_path: Path) -> SeriesTable:
    """Return the table of a dataset with three versions."""
    for first in (1.0, 2.0, 3.0):
        rows = three_months(first)
        DeltaCache(tmp_path).save(rows, metadata_of(rows))
    return SeriesTable("sales", str(tmp_path / "sales"), {})


def test_going_back_and_forth_keeps_every_version(table: SeriesTable) -> None:
    """A rollback of a rollback is one more version; all of them stay readable."""
    upkeep.roll_back(table, 0)
    upkeep.roll_back(table, 2)
    assert table.versions() == (0, 1, 2, 3, 4)
    for version, first in enumerate((1.0, 2.0, 3.0, 1.0, 3.0)):
        assert table.load(Pin(version)).rows.equals(three_months(first))
    assert table.load().metadata.restored_version == 2


def test_a_repair_of_a_repair_names_the_first_version(table: SeriesTable) -> None:
    """However often rows are brought back, the metadata say which version brought them."""
    for version in (3, 4):
        (newest,) = file_sizes(table.open_version(version - 1))
        (Path(table.uri) / newest).unlink()
        repaired = upkeep.repair(table)
        assert repaired is not None
        assert (repaired.version, repaired.metadata.restored_version) == (version, 1)


def test_a_version_that_is_cleaned_while_it_is_read_is_unknown(
    table: SeriesTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that comes too late is told that the version is gone, not that it is broken."""
    opened = table.open_version

    def too_late(version: int) -> object:
        for path in (Path(table.uri) / "_delta_log").glob("*0000.json"):
            path.unlink()
        return opened(version)

    monkeypatch.setattr(table, "open_version", too_late)
    with pytest.raises(UnknownVersionError):
        table.load(Pin(0))


@pytest.mark.parametrize("anew", [False, True])
def test_a_repair_that_fails_leaves_what_was_there(
    table: SeriesTable, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    """A full disk, say, must not take away what is served; the next try may succeed."""
    commit(Path(table.uri), upgraded("rowTracking", readers=False))
    before = sorted(path.name for path in (Path(table.uri) / "_delta_log").iterdir())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("app.pipeline.table_format.write_deltalake", full)
        with pytest.raises(CacheUnavailableError, match="No space left"):
            upkeep.repair(table, anew=anew)
    assert sorted(path.name for path in (Path(table.uri) / "_delta_log").iterdir()) == before
    assert table.load().rows.equals(three_months(3.0))
    repaired = upkeep.repair(table, anew=anew)
    assert repaired is not None
    assert repaired.version == (0 if anew else 3)


def test_a_repair_that_was_published_is_not_taken_back(
    table: SeriesTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that cannot be read back stays the newest; nothing is renamed over it."""
    commit(Path(table.uri), upgraded("rowTracking", readers=False))

    def lost(*arguments: object, **named: object) -> None:
        write_deltalake(*arguments, **named)  # type: ignore[call-overload]
        newest = max(Path(table.uri).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        newest.write_bytes(b"PAR1")

    with monkeypatch.context() as patch:
        patch.setattr("app.pipeline.table_format.write_deltalake", lost)
        with pytest.raises(CacheCorruptError):
            upkeep.repair(table)
    served = table.load()
    assert (served.version, served.rows.equals(three_months(3.0))) == (2, True)
    repaired = upkeep.repair(table)
    assert repaired is not None
    assert (repaired.version, repaired.warning) == (4, None)
