"""A table that another tool has changed: used as far as can be, else told, and mended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from app.errors import CacheCorruptError, CacheMissingError
from app.pipeline.cache import DeltaCache
from app.pipeline.retention import Retention
from tests.pipeline.foreign_tool import (
    Change,
    commit,
    configured,
    mapped,
    together,
    upgraded,
    versions,
    with_column,
)
from tests.pipeline.samples import metadata_of, three_months

UNREADABLE = {
    "deletion vectors": together(
        upgraded("deletionVectors"), configured(delta__enableDeletionVectors="true")
    ),
    "the feature alone": upgraded("deletionVectors"),
    "mapped columns as a feature": together(upgraded("columnMapping"), mapped()),
    "v2 checkpoints": together(upgraded("v2Checkpoint"), configured(delta__checkpointPolicy="v2")),
    "wider types": upgraded("typeWidening"),
    "vacuum check": upgraded("vacuumProtocolCheck"),
    "an unknown feature": upgraded("notInventedYet"),
    "a protocol of the future": versions(9, 9),
    "a renamed column": mapped(dim_region="dim_land"),
}
UNWRITABLE = {
    "mapped columns": mapped(),
    "an unknown feature of writers": upgraded("notInventedYet", readers=False),
    "clustering": upgraded("clustering", "domainMetadata", readers=False),
    "row tracking": upgraded("rowTracking", "domainMetadata", readers=False),
    "times in commits": upgraded("inCommitTimestamp", readers=False),
    "identity columns": versions(1, 6),
    "rows may only be added": configured(delta__appendOnly="true"),
    "a constraint": together(versions(1, 3), configured(delta__constraints__low="value < 0")),
}
HARMLESS = {
    "times without zone": upgraded("timestampNtz"),
    "a change feed": together(versions(1, 4), configured(delta__enableChangeDataFeed="true")),
    "a longer retention": configured(delta__logRetentionDuration="interval 90 days"),
    "a new column": with_column("note"),
}
NEWEST = "sales/_delta_log/00000000000000000002.json"
OLD, NEW = three_months(1.0), three_months(2.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a cache with two versions of `sales`."""
    for rows in (OLD, NEW):
        DeltaCache(tmp_path).save(rows, metadata_of(rows))
    return tmp_path


def files_of(root: Path) -> set[str]:
    """Return the names of all files of the table."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def is_told(root: Path, before: set[str]) -> None:
    """Check that a save is refused with what to do, before it is tried, too, and writes nothing."""
    cache = DeltaCache(root)
    acts: list[Callable[[], object]] = [
        lambda: cache.check("sales"),
        lambda: cache.save(OLD, metadata_of(OLD)),
    ]
    for act in acts:
        with pytest.raises(CacheCorruptError) as told:
            act()
        assert "python -m demo.cache repair" in told.value.next_step
    for act in (lambda: cache.touch(metadata_of(NEW)), lambda: cache.vacuum("sales", Retention())):
        with pytest.raises(CacheCorruptError):
            act()
    assert files_of(root) == before


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_told_and_not_written_to(root: Path, change: Change) -> None:
    """The version before is served, with what to do; a repair brings it back, a save goes on."""
    commit(root / "sales", change)
    before, foreign = files_of(root), (root / NEWEST).read_text()
    served = DeltaCache(root).load("sales")
    assert (served.version, served.rows.equals(NEW)) == (1, True)
    assert served.warning is not None
    assert DeltaCache(root).glance("sales").version == 1
    is_told(root, before)
    repaired = DeltaCache(root).repair("sales")
    assert repaired is not None
    assert (repaired.version, repaired.metadata.restored_version) == (2, 1)
    assert before < files_of(root)
    assert (root / f"{NEWEST}.broken").read_text() == foreign
    goes_on(root, NEW)


@pytest.mark.parametrize("change", UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_cannot_be_written_is_served_and_told(root: Path, change: Change) -> None:
    """Readers see no difference; who refreshes is told, and a repair makes the table ours again."""
    commit(root / "sales", change)
    before = files_of(root)
    served = DeltaCache(root).load("sales")
    assert (served.version, served.warning, served.rows.equals(NEW)) == (2, None, True)
    is_told(root, before)
    repaired = DeltaCache(root).repair("sales")
    assert repaired is not None
    # The rows are those that the source confirmed last: nothing older was brought back.
    assert (repaired.version, repaired.metadata.restored_version) == (2, None)
    goes_on(root, NEW)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_is_no_matter_is_passed_over(root: Path, change: Change) -> None:
    """A save goes on from it."""
    commit(root / "sales", change)
    DeltaCache(root).check("sales")
    assert DeltaCache(root).load("sales").rows.equals(NEW)
    DeltaCache(root).save(OLD, metadata_of(OLD))
    goes_on(root, OLD)


def goes_on(root: Path, rows: pa.Table) -> None:
    """Check that a table is served without a warning, can be confirmed, and written anew."""
    served = DeltaCache(root).load("sales")
    assert (served.warning, served.rows.equals(rows)) == (None, True)
    touched = DeltaCache(root).touch(metadata_of(rows))
    assert touched.version == served.version + 1
    again = three_months(9.0)
    assert DeltaCache(root).save(again, metadata_of(again)).version == served.version + 2
    assert DeltaCache(root).load("sales").rows.equals(again)
    assert DeltaCache(root).repair("sales") is None


def test_a_table_none_of_whose_versions_can_be_read_begins_anew(root: Path) -> None:
    """Another tool has cleaned the log up to its own change: it is renamed, and a save goes on."""
    table = root / "sales"
    commit(table, UNREADABLE["deletion vectors"])
    DeltaTable(table).create_checkpoint()
    for version in (0, 1):
        (table / "_delta_log" / f"{version:020}.json").unlink()
    with pytest.raises(CacheCorruptError, match="has deletionVectors") as told:
        DeltaCache(root).load("sales")
    assert "python -m demo.cache repair" in told.value.next_step
    is_told(root, files_of(root))
    with pytest.raises(CacheMissingError, match=r"renamed to \*\.broken"):
        DeltaCache(root).repair("sales")
    assert DeltaCache(root).datasets() == ()
    with pytest.raises(CacheMissingError, match="holds no data"):
        DeltaCache(root).load("sales")
    assert DeltaCache(root).save(OLD, metadata_of(OLD)).version == 0
    goes_on(root, OLD)


def test_a_second_repair_keeps_what_the_first_one_set_aside(root: Path) -> None:
    """Nothing is ever deleted, also if the same version is renamed twice; checksums go with it."""
    log = root / "sales" / "_delta_log"
    contents = set()
    for _ in range(3):
        version = commit(root / "sales", upgraded("deletionVectors"))
        contents.add((log / f"{version:020}.json").read_text())
        (log / f"{version:020}.crc").write_text("{}")
        DeltaCache(root).repair("sales")
        assert not (log / f"{version:020}.crc").exists()
    kept = [path.read_text() for path in log.glob("*.json.broken*")]
    assert len(kept) == 3
    assert set(kept) == contents
    anew = DeltaCache(root).repair("sales", anew=True)
    assert anew is not None
    assert (anew.version, anew.rows.equals(NEW)) == (0, True)
    goes_on(root, NEW)


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"x": [1]}),
        pa.table({"date": [date(2024, 1, 1)], "value": ["1"], "dim_region": [["a"]]}),
        pa.table({"date": pa.array([None], pa.date32()), "value": pa.array([None], pa.float64())}),
    ],
    ids=["other columns", "other types", "nulls"],
)
def test_rows_of_another_tool_are_not_ours(root: Path, rows: pa.Table) -> None:
    """Whatever was put in the place of a series, the last whole version is served, and mended."""
    write_deltalake(root / "sales", rows, mode="overwrite", schema_mode="overwrite")
    served = DeltaCache(root).load("sales")
    assert (served.version, served.rows.equals(NEW)) == (1, True)
    assert served.warning is not None
    assert DeltaCache(root).glance("sales").version == 1
    DeltaCache(root).save(OLD, metadata_of(OLD))
    goes_on(root, OLD)


def test_a_partitioned_table_stays_so(root: Path) -> None:
    """Rows in one folder for each region are the same rows."""
    write_deltalake(
        root / "sales",
        NEW,
        mode="overwrite",
        schema_mode="overwrite",
        partition_by=["dim_region"],
    )
    assert DeltaCache(root).load("sales").rows.equals(NEW)
    DeltaCache(root).save(OLD, metadata_of(OLD))
    goes_on(root, OLD)
    assert DeltaTable(root / "sales").metadata().partition_columns == ["dim_region"]
