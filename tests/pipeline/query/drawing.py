"""Draws series, and questions to them: every parameter, in any combination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from app.periods import is_finer, period_start
from app.pipeline.contract import series_schema, sort_series
from app.pipeline.query import Aggregation, Fill, QueryResult, SeriesQuery, SortKey, Transform
from app.records import Grain, SeriesMetadata, TimeAggregation
from tests.pipeline.query.oracle import Row, full
from tests.pipeline.samples import metadata_of

DIMENSIONS = ("dim_region", "dim_product", "dim_kind")
MEMBERS = {
    "dim_region": ("EMEA", "EMEU", "APJ", "#", "ä", "\U0010ffffz"),
    "dim_product": ("x", "xy", "z"),
    "dim_kind": ("a", "b"),
}
FIRST, LAST = date(2023, 11, 1), date(2025, 3, 31)
DAYS = st.dates(FIRST, LAST)
LONG_DAYS = {
    Grain.DAY: 100,
    Grain.WEEK: 500,
    Grain.MONTH: 900,
    Grain.QUARTER: 1500,
    Grain.YEAR: 3000,
}
VALUES = st.one_of(
    st.decimals(-1000, 1000, places=2).map(float),
    st.sampled_from([0.0, 1.0, 0.1, 0.2, 0.30000000000000004, 1e15, 123456789012345.67, 5e-9]),
    st.floats(-1e6, 1e6, allow_nan=False),
).map(lambda value: value + 0.0)


@st.composite
def tables(
    draw: st.DrawFn, grain: Grain | None = None, dimensions: int | None = None
) -> tuple[pa.Table, SeriesMetadata]:
    """Draw a series with up to three dimensions, of any grain and rule, unless they are given."""
    grain = grain or draw(st.sampled_from(Grain))
    names = DIMENSIONS[: draw(st.integers(0, 3)) if dimensions is None else dimensions]
    days = st.integers(0, LONG_DAYS[grain]).map(
        lambda number: period_start(FIRST + timedelta(days=number), grain)
    )
    members = [st.sampled_from(MEMBERS[name]) for name in names]
    row = st.tuples(days, VALUES, *members)
    size = draw(st.sampled_from([0, 1, 4]))
    found = draw(
        st.lists(row, unique_by=lambda row: (row[0], *row[2:]), min_size=size, max_size=40)
    )
    table = stored(found, names)
    rule = draw(st.sampled_from(TimeAggregation))
    return table, replace(metadata_of(table, grain=grain), time_aggregation=rule)


def stored(found: list[Any], names: tuple[str, ...]) -> pa.Table:
    """Return a sorted series."""
    schema = series_schema(names)
    columns = list(zip(*found, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return sort_series(pa.Table.from_arrays(arrays, schema=schema))


@st.composite
def queries(draw: st.DrawFn, table: pa.Table, grain: Grain) -> SeriesQuery:
    """Draw a query that fits a series: every parameter, in any combination."""
    names = tuple(table.schema.names[2:])
    kept = draw(st.none() | st.lists(st.sampled_from(names), unique=True)) if names else None
    columns = ["date", "value", *(names if kept is None else kept)]
    start, end = sorted(draw(st.tuples(DAYS, DAYS)))
    last, first = draw(st.sampled_from([(None, None), (1, None), (None, 1), (4, None), (None, 3)]))
    is_yearly = grain is Grain.YEAR
    return SeriesQuery(
        start=draw(st.sampled_from([None, start])),
        end=draw(st.sampled_from([None, end])),
        last=last,
        first=first,
        grain=draw(st.none() | st.sampled_from([one for one in Grain if not is_finer(one, grain)])),
        group_by=None if kept is None else tuple(kept),
        filters=draw(filters(table, names)),
        excluded=draw(filters(table, names)),
        prefixes=draw(prefixes(table, names)),
        agg=draw(st.none() | st.sampled_from(Aggregation)),
        fill=draw(st.none() | st.sampled_from(Fill)),
        transform=draw(st.none() | st.sampled_from(Transform)),
        sort=tuple(
            SortKey(column, draw(st.booleans()))
            for column in draw(st.lists(st.sampled_from(columns), unique=True, max_size=3))
        ),
        limit=draw(st.none() | st.integers(1, 30 if is_yearly else 200)),
    )


def filters(table: pa.Table, names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw some members of some dimensions, named either way."""
    return members_of(table, names, lambda texts: st.lists(st.sampled_from(texts), min_size=1))


def prefixes(table: pa.Table, names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw beginnings of some members."""
    return members_of(
        table,
        names,
        lambda texts: st.lists(
            st.sampled_from(texts).flatmap(
                lambda text: st.integers(0, len(text)).map(lambda size: text[:size])
            ),
            min_size=1,
            max_size=2,
        ),
    )


def members_of(
    table: pa.Table,
    names: tuple[str, ...],
    some: Callable[[list[str]], st.SearchStrategy[list[str]]],
) -> st.SearchStrategy[dict[str, Any]]:
    """Draw texts for some dimensions, mostly for none."""
    if not table.num_rows or not names:
        return st.just({})
    known = {name: sorted(set(table[name].to_pylist())) for name in names}
    choice = st.sampled_from(names).flatmap(
        lambda name: st.tuples(
            st.sampled_from([name, name.removeprefix("dim_")]), some(known[name]).map(tuple)
        )
    )
    return st.one_of(
        st.just({}),
        st.lists(choice, max_size=2, unique_by=lambda pair: full(pair[0])).map(dict),
    )


def rows_of(result: QueryResult) -> list[Row]:
    """Return the rows of an answer as the oracle writes them."""
    table = result.rows
    keys = [table[name].to_pylist() for name in table.schema.names[2:]]
    members = list(zip(*keys, strict=True)) if keys else [()] * table.num_rows
    return list(zip(table["date"].to_pylist(), table["value"].to_pylist(), members, strict=True))
