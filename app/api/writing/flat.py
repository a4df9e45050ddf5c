"""Cuts an answer into slices of one shape, from which the flat forms are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from app.pipeline.contract import DATE, VALUE, dimensions_of
from app.pipeline.series import SeriesAnswer, SeriesView

DATASET: Final = "dataset"


def dimensions(answer: SeriesAnswer) -> tuple[str, ...]:
    """Return the dimensions of all parts of an answer, in the order in which they appear."""
    if len(answer.views) == 1:
        return dimensions_of(answer.views[0].result.rows.schema)
    named = (name for view in answer.views for name in dimensions_of(view.result.rows.schema))
    return tuple(dict.fromkeys(named))


def flat_schema(answer: SeriesAnswer) -> pa.Schema:
    """Return the columns of an answer as one table; the dataset is the first of several."""
    one = len(answer.views) == 1
    return pa.schema(
        [
            *(() if one else (pa.field(DATASET, pa.string(), nullable=False),)),
            pa.field(DATE, pa.date32(), nullable=False),
            pa.field(VALUE, pa.float64()),
            *(pa.field(name, pa.string(), nullable=not one) for name in dimensions(answer)),
        ]
    )


def flat_slices(answer: SeriesAnswer, size: int) -> Iterator[pa.Table]:
    """Yield all rows in order as tables of `flat_schema`, each of at most `size` rows.

    A dimension that a dataset does not have is null in its rows. Names are plain text.
    """
    schema = flat_schema(answer)
    for view in answer.views:
        rows = view.result.rows
        for start in range(0, rows.num_rows, size):
            part = rows.slice(start, size)
            columns = [_column(view, part, field) for field in schema]
            yield pa.Table.from_arrays(columns, schema=schema)


def members(answer: SeriesAnswer, name: str) -> pa.Array:
    """Return the distinct values of a text column of `flat_schema`, as text."""
    if name == DATASET:
        return pa.array([view.series.metadata.dataset for view in answer.views], pa.string())
    tables = (view.result.rows for view in answer.views)
    found = [_texts(pc.unique(rows[name])) for rows in tables if name in rows.schema.names]
    return pc.unique(pa.chunked_array(found, pa.string()))


def _column(view: SeriesView, part: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name == DATASET:
        return pa.repeat(view.series.metadata.dataset, part.num_rows)
    if field.name not in part.schema.names:
        return pa.nulls(part.num_rows, field.type)
    return _texts(part[field.name])


def _texts(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
