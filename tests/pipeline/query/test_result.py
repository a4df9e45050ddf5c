"""An answer is a table and columns, whichever it was made of."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given

from app.pipeline.query import Cube, Fill, QueryResult, SeriesQuery, Transform, run_query
from app.records import Grain, SeriesMetadata
from tests.pipeline.query.drawing import tables

Drawn = tuple[pa.Table, SeriesMetadata]


@given(tables())
def test_columns_and_table_say_the_same(drawn: Drawn) -> None:
    """A table that was made of columns gives these columns again, missing values included."""
    table, metadata = drawn
    query = SeriesQuery(fill=Fill.NULL, transform=Transform.CHANGE)
    found = run_query(Cube.of(table), metadata, query)
    again = QueryResult(found.rows, found.total, found.grain)
    assert len(again) == len(found) == found.rows.num_rows
    assert again.columns.days.tolist() == found.columns.days.tolist()
    assert again.columns.values.tolist() == found.columns.values.tolist()
    gaps = [one.columns.missing for one in (again, found)]
    before, after = (None if gap is None else gap.tolist() for gap in gaps)
    assert before == after
    for one, other in zip(again.columns.dimensions, found.columns.dimensions, strict=True):
        texts = again.columns.texts(one)
        assert (one.name, texts) == (other.name, found.columns.texts(other))
        assert found.rows[one.name].to_pylist() == texts


def test_a_value_that_is_never_missing_is_declared_so() -> None:
    """The schema tells whether there may be nulls."""
    empty = pa.table({"date": pa.array([], pa.date32()), "value": pa.array([], pa.float64())})
    found = QueryResult(QueryResult(empty, 0, Grain.DAY).columns, 0, Grain.DAY)
    assert not found.rows.schema.field("value").nullable
