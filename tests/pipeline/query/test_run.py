"""The engine answers as plain pandas does, for any series and any question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import QueryTooLargeError, QueryTooSlowError
from app.periods import is_finer, period_start
from app.pipeline.contract import content_hash, series_schema, sort_series
from app.pipeline.query import (
    Aggregation,
    Cube,
    Fill,
    Guards,
    QueryResult,
    SeriesQuery,
    SortKey,
    Transform,
    run_query,
)
from app.records import Grain, SeriesMetadata, TimeAggregation
from tests.pipeline.query.oracle import Oracle, Row, full
from tests.pipeline.samples import metadata_of, series, three_months

EXAMPLES_EACH = 5
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
def tables(draw: st.DrawFn) -> tuple[pa.Table, SeriesMetadata]:
    """Draw a series with up to three dimensions, of any grain and rule."""
    grain = draw(st.sampled_from(Grain))
    names = DIMENSIONS[: draw(st.integers(0, 3))]
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


def test_the_engine_answers_as_plain_pandas_does(
    record_property: Callable[[str, object], None],
) -> None:
    """Every parameter in any combination gives the rows, the order and the floats of the oracle."""
    tally: Counter[str] = Counter()

    @settings(
        max_examples=settings().max_examples * EXAMPLES_EACH,
        suppress_health_check=list(HealthCheck),
    )
    @given(tables(), st.data())
    def check(drawn: tuple[pa.Table, SeriesMetadata], data: st.DataObject) -> None:
        table, metadata = drawn
        frame = pd.DataFrame(table.to_pydict())
        cube = Cube.of(table)
        # The same cube again, so that kept sums are read as well as new ones.
        for _ in range(2):
            query = data.draw(queries(table, metadata.grain))
            tally["cases"] += 1
            tally.update(part for part in ("fill", "transform", "agg") if getattr(query, part))
            rule = query.agg or Aggregation(metadata.time_aggregation)
            expected = Oracle(frame, query.grain or metadata.grain, rule, query).rows()
            result = run_query(cube, metadata, query)
            assert rows_of(result) == expected[: query.limit]
            assert result.total == len(expected)
            tally["rows"] += len(expected)

    try:
        check()
    finally:
        record_property("summary", ", ".join(f"{name} {tally[name]}" for name in sorted(tally)))
    assert tally["cases"] >= 500


def values_of(
    table: pa.Table, query: SeriesQuery, rule: TimeAggregation = TimeAggregation.SUM
) -> list[float | None]:
    """Return the values of an answer."""
    told = replace(metadata_of(table), time_aggregation=rule)
    found: list[float | None] = run_query(table, told, query).rows["value"].to_pylist()
    return found


@given(tables())
def test_no_question_gives_the_whole_series(drawn: tuple[pa.Table, SeriesMetadata]) -> None:
    """An empty query returns the rows as they are, bit for bit."""
    table, metadata = drawn
    assert content_hash(run_query(table, metadata, SeriesQuery()).rows) == content_hash(table)


@given(tables(), st.data())
def test_pages_put_together_are_the_whole(
    drawn: tuple[pa.Table, SeriesMetadata], data: st.DataObject
) -> None:
    """Reading on from where a page ended gives every row once, in the order of the whole."""
    table, metadata = drawn
    query = replace(data.draw(queries(table, metadata.grain)), limit=None)
    whole = rows_of(run_query(table, metadata, query))
    size = data.draw(st.integers(1, 9))
    pages: list[Row] = []
    for offset in range(0, len(whole) + size, size):
        page = run_query(table, metadata, replace(query, limit=size), offset=offset)
        assert page.total == len(whole)
        pages += rows_of(page)
    assert pages == whole


def test_tenths_add_up_to_tenths() -> None:
    """0.1 and 0.2 are 0.3, the average of 0.1, 0.2 and 0.3 is 0.2, and 0.3 less 0.1 is 0.2."""
    table = series([(date(2024, m, 1), m / 10, "a") for m in (1, 2, 3)])
    quarter = SeriesQuery(grain=Grain.QUARTER)
    assert values_of(table, quarter) == [0.6]
    assert values_of(table, quarter, rule=TimeAggregation.AVG) == [0.2]
    changes = values_of(table, SeriesQuery(transform=Transform.CHANGE))
    assert changes == [None, 0.1, 0.1]


def test_sums_are_rounded_once() -> None:
    """What is too little to change a date's float still counts in the sum over dates."""
    tiny = 2.0**-53
    large = [(date(2024, month, 1), 1.0, "a") for month in (1, 2)]
    table = series([*large, *((date(2024, month, 1), tiny, "b") for month in (1, 2, 3))])
    # Rounded at each date first, each tiny part would vanish, and the sum be 2.
    assert 1.0 + tiny == 1.0
    assert values_of(table, SeriesQuery(grain=Grain.YEAR, group_by=())) == [2.0 + 2.0**-51]


def test_a_head_count_is_added_over_regions_before_the_last_month_is_taken() -> None:
    """`last` is the last month of the total, not the total of last months."""
    table = series(
        [(date(2024, 1, 1), 10, "a"), (date(2024, 1, 1), 5, "b"), (date(2024, 2, 1), 7, "a")]
    )
    year = SeriesQuery(grain=Grain.YEAR, group_by=())
    assert values_of(table, year, rule=TimeAggregation.LAST) == [7]
    assert values_of(table, replace(year, agg=Aggregation.COUNT)) == [3]


def test_the_first_period_of_a_window_has_its_change() -> None:
    """A comparison looks before the window, and a running sum begins with it."""
    table = three_months()
    query = SeriesQuery(start=date(2024, 2, 1), filters={"region": ("APJ",)})
    assert values_of(table, replace(query, transform=Transform.CHANGE)) == [0.1, 0.1]
    assert values_of(table, replace(query, transform=Transform.CUMULATIVE)) == [1.2, 2.5]
    assert values_of(table, replace(query, transform=Transform.YOY)) == [None, None]


def test_an_answer_that_is_too_large_is_refused() -> None:
    """More rows than are served are an error that says how to narrow, never a cut answer."""
    table, guards = three_months(), Guards(max_rows=4)
    with pytest.raises(QueryTooLargeError, match=r"has 6 rows, and at most 4.*limit, cursor"):
        run_query(table, metadata_of(table), SeriesQuery(), guards=guards)
    page = run_query(table, metadata_of(table), SeriesQuery(limit=4), guards=guards)
    assert (len(page), page.total) == (4, 6)
    wide = SeriesQuery(fill=Fill.ZERO, start=date(2000, 1, 1), limit=1)
    with pytest.raises(QueryTooLargeError, match="Filling every gap makes 582 rows"):
        run_query(table, metadata_of(table), wide, guards=guards)


@pytest.mark.parametrize("query", [SeriesQuery(), SeriesQuery(group_by=(), fill=Fill.ZERO)])
def test_a_query_that_takes_too_long_is_given_up(query: SeriesQuery) -> None:
    """The deadline is looked at between steps, and what it raises ends the query."""
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise QueryTooSlowError("It took too long.")

    table = three_months()
    with pytest.raises(QueryTooSlowError):
        run_query(table, metadata_of(table), query, guards=Guards(check=check))
