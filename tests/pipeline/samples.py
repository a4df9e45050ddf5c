"""Small data and Hypothesis strategies that the tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st

from app.pipeline.contract import date_bounds, series_schema, sort_series
from app.records import DatasetDefinition, Grain, Page, SeriesMetadata

FIXTURE = Path(__file__).parents[1] / "fixtures" / "sample_series.csv"
REFRESHED = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)

DEFINITION = DatasetDefinition(
    name="sales",
    source="sac",
    model_id="Cmodel",
    date_column="Date",
    value_column="Amount",
    dimensions=("Region", "CostCenter"),
)

Record = tuple[str | None, str | None, str | None, str | None]

numbers = st.decimals(
    min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=7, allow_nan=False
)
months = st.sampled_from([f"{year}{month:02}" for year in (2023, 2024) for month in (1, 2, 12)])
members = st.sampled_from(["a", "b", "ä", "Z", "#"])


def page(records: Sequence[Record], number: int = 1) -> Page:
    """Return a page of records of `DEFINITION`: date, region, cost centre, amount."""
    columns = list(zip(*records, strict=True)) or [()] * 4
    arrays = [pa.array(column, pa.string()) for column in columns]
    names = ["Date", "Region", "CostCenter", "Amount"]
    return Page(number, pa.Table.from_arrays(arrays, names=names), 100)


def series(rows: Sequence[tuple[date, float, str]], *, sort: bool = True) -> pa.Table:
    """Return a series with the one dimension `dim_region`."""
    columns = list(zip(*rows, strict=True)) or [()] * 3
    schema = series_schema(["dim_region"])
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=schema)
    return sort_series(table) if sort else table


def metadata_of(
    rows: pa.Table,
    *,
    dataset: str = "sales",
    grain: Grain = Grain.MONTH,
    refreshed: datetime = REFRESHED,
) -> SeriesMetadata:
    """Return metadata that describe these rows."""
    first, last = date_bounds(rows)
    return SeriesMetadata(
        dataset=dataset,
        source="sac",
        last_refresh_time=refreshed,
        row_count=rows.num_rows,
        min_date=first,
        max_date=last,
        grain=grain,
    )


def three_months(first: float = 1.0) -> pa.Table:
    """Return a series of three months in each of two regions."""
    return series(
        [
            (date(2024, month, 1), first + month / 10, region)
            for month in (1, 2, 3)
            for region in ("EMEA", "APJ")
        ]
    )
