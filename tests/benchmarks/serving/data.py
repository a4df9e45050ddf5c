"""The rows that all contenders serve, each in the form that suits it best."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.pipeline.cache import DeltaCache
from app.pipeline.contract import date_bounds, series_schema
from app.records import SeriesMetadata

TABLE: Final = "points"
MONTHS: Final = 60
# Members of each dimension; a key is one member of each, and most combinations do not occur.
SIZES: Final = {
    "dim_region": 8,
    "dim_product": 40,
    "dim_channel": 20,
    "dim_account": 12,
    "dim_cost_center": 30,
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where each form of the rows is.

    Attributes:
        cache: Our cache.
        parquet: A Parquet file for roapi.
        sqlite: An indexed database for Datasette.
    """

    cache: Path
    parquet: Path
    sqlite: Path


def rows_of(keys: int) -> pa.Table:
    """Return monthly rows of so many keys, sorted; the same every time."""
    chance = np.random.default_rng(2026)
    every = int(np.prod(list(SIZES.values())))
    chosen = np.sort(chance.choice(every, keys, replace=False))
    codes = np.unravel_index(chosen, tuple(SIZES.values()))
    months = np.arange("2021-01", "2026-01", dtype="M8[M]").astype("M8[D]")
    columns = [
        pa.array(np.tile(months, keys)),
        pa.array(np.round(chance.normal(1000, 400, keys * MONTHS), 2) + 0.0),
    ]
    for (name, size), code in zip(SIZES.items(), codes, strict=True):
        members = pa.array([f"{name[4:].upper()}_{n:02}" for n in range(size)])
        columns.append(members.take(pa.array(np.repeat(code, MONTHS))))
    return pa.Table.from_arrays(columns, schema=series_schema(list(SIZES)))


def keys_of(rows: pa.Table) -> list[dict[str, str]]:
    """Return the members of every key."""
    first = rows.take(pa.array(range(0, rows.num_rows, MONTHS))).select(list(SIZES))
    found: list[dict[str, str]] = first.to_pylist()
    return found


def laid_out(rows: pa.Table, folder: Path) -> Places:
    """Write the rows for everyone."""
    places = Places(folder / "cache", folder / f"{TABLE}.parquet", folder / "bench.db")
    DeltaCache(places.cache).save(rows, _metadata(rows))
    # Texts, and the periods beforehand: the others need not compute them, as ours must.
    day = rows["date"]
    plain = rows.set_column(0, "date", day.cast(pa.string()))
    for unit in ("quarter", "year"):
        plain = plain.append_column(unit, _starts(day, unit))
    pq.write_table(plain, places.parquet)
    _write_sqlite(plain, places.sqlite)
    return places


def _starts(day: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    return pc.floor_temporal(day, unit=unit).cast(pa.date32()).cast(pa.string())


def _metadata(rows: pa.Table) -> SeriesMetadata:
    first, last = date_bounds(rows)
    return SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime.now(UTC),
        row_count=rows.num_rows,
        min_date=first,
        max_date=last,
    )


def _write_sqlite(rows: pa.Table, path: Path) -> None:
    names = rows.schema.names
    with sqlite3.connect(path) as base:
        base.execute(f"create table {TABLE} ({', '.join(names)})")
        holes = ", ".join("?" * len(names))
        for batch in rows.to_batches(max_chunksize=50_000):
            values = zip(*(batch[name].to_pylist() for name in names), strict=True)
            base.executemany(f"insert into {TABLE} values ({holes})", values)  # noqa: S608 - our own names
        for name in (*SIZES, "date"):
            base.execute(f"create index by_{name} on {TABLE} ({name}, date)")
        base.execute(f"create index by_key on {TABLE} ({', '.join((*SIZES, 'date'))})")
        base.execute("analyze")
    base.close()


def chance_of(seed: int) -> random.Random:
    """Return repeatable chance."""
    return random.Random(seed)
