"""A series as a client receives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one or several datasets, and what a reader must be told of them.

    Attributes:
        rows: `date` (date32), `value` (float64, null where there is none) and `dim_<name>`
            (text, dictionary-coded), and `dataset` before them if several were asked for.
        version: The version that was read; None for several datasets.
        freshness: `fresh`, `stale`, `expired` or `unknown`.
        warning: A sentence to show as it stands; None if all is well.
        warning_code: Its code for machines; None if all is well.
        age_s: Seconds since the source last confirmed the rows; None if they cannot be told.
        etag: Names this answer.
        revalidated: Whether the service confirmed (304) what this client had already.
        next_url: Where the next page is; None on the last one.
        total: Points that the query selects, over all pages.
    """

    rows: pa.Table = field(repr=False)
    version: int | None
    freshness: str
    warning: str | None = None
    warning_code: str | None = None
    age_s: int | None = None
    etag: str | None = None
    revalidated: bool = False
    next_url: str | None = None
    total: int = 0

    def __len__(self) -> int:
        rows: int = self.rows.num_rows
        return rows

    def to_arrow(self) -> pa.Table:
        """Return the rows as they came."""
        return self.rows

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame: `date` as `datetime64`, `value` as `float64`, dimensions as `str`.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        rows = self.rows
        for index, column in enumerate(rows.schema):
            if column.name == _DATE:
                rows = rows.set_column(index, _DATE, rows[_DATE].cast(pa.timestamp("us")))
            elif pa.types.is_dictionary(column.type):
                rows = rows.set_column(index, column.name, rows[column.name].cast(pa.string()))
        frame: pd.DataFrame = rows.replace_schema_metadata().to_pandas()
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Return a frame: `date` as `Date`, `value` as `Float64`, dimensions as text.

        Raises:
            ModuleNotFoundError: polars is not installed.
        """
        import polars as pl  # noqa: PLC0415 - a client without polars must not need it

        return cast("pl.DataFrame", pl.from_arrow(self.rows))
