"""Other tools read the tables of the cache as they are, without us and without a network."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import duckdb_extension_delta
import polars as pl
import pytest
from deltalake import DeltaTable

from app.pipeline.cache import DeltaCache
from app.pipeline.contract import sort_series
from app.pipeline.retention import Retention
from tests.pipeline.samples import metadata_of, three_months

EXTENSION = (
    Path(duckdb_extension_delta.__file__).parent
    / f"extensions/v{duckdb.__version__}/delta.duckdb_extension"
)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Return a table with two versions of other rows, and a third that confirms the second."""
    cache = DeltaCache(tmp_path)
    for first in (1.0, 2.0):
        rows = three_months(first)
        saved = cache.save(rows, metadata_of(rows))
    cache.touch(saved.metadata)
    return str(tmp_path / "sales")


@pytest.fixture
def duck() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that reads Delta tables, and fetches nothing."""
    connection = duckdb.connect()
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute(f"LOAD '{EXTENSION}'")
    return connection


def test_polars_reads_the_table(table: str) -> None:
    """The columns have the contract's types, the rows are equal, and versions can be asked for."""
    frame = pl.scan_delta(table)
    assert frame.collect_schema() == {
        "date": pl.Date,
        "value": pl.Float64,
        "dim_region": pl.String,
    }
    rows = three_months(2.0)
    assert sort_series(frame.collect().to_arrow().cast(rows.schema)).equals(rows)
    old = pl.scan_delta(table, version=0).filter(pl.col("dim_region") == "APJ")
    assert old.collect()["value"].to_list() == [1.1, 1.2, 1.3]


def test_duckdb_reads_the_table(table: str, duck: duckdb.DuckDBPyConnection) -> None:
    """The columns have the contract's types, the rows are equal, and filters work."""
    described = duck.execute(f"DESCRIBE SELECT * FROM delta_scan('{table}')").fetchall()  # noqa: S608
    assert [(name, kind) for name, kind, *_ in described] == [
        ("date", "DATE"),
        ("value", "DOUBLE"),
        ("dim_region", "VARCHAR"),
    ]
    found = duck.execute(
        f"SELECT * FROM delta_scan('{table}') ORDER BY dim_region, date"  # noqa: S608
    ).fetchall()
    assert found == [tuple(row.values()) for row in three_months(2.0).to_pylist()]
    old = duck.execute(
        f"SELECT value FROM delta_scan('{table}', version=0) WHERE date = ?",  # noqa: S608
        [date(2024, 2, 1)],
    ).fetchall()
    assert old == [(1.2,), (1.2,)]


def test_a_cleaned_table_is_still_a_table(table: str, duck: duckdb.DuckDBPyConnection) -> None:
    """After old log entries are gone, the checkpoint that took their place is understood."""
    cache = DeltaCache(Path(table).parent)
    assert cache.vacuum("sales", Retention(versions=1, grace=timedelta(0))).versions == 1
    assert pl.scan_delta(table).collect().height == 6
    counted = duck.execute(f"SELECT count(*) FROM delta_scan('{table}')").fetchone()  # noqa: S608
    assert counted == (6,)


def test_the_layout_is_the_one_that_was_measured(table: str) -> None:
    """One file, not partitioned, nothing about it that a reader must know of."""
    found = DeltaTable(table)
    assert len(found.file_uris()) == 1
    assert found.metadata().partition_columns == []
    assert found.protocol().min_reader_version == 1
