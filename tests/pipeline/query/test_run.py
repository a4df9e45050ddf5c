"""The engine answers as plain pandas does, for any series and any question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import QueryTooLargeError, QueryTooSlowError
from app.pipeline.contract import content_hash
from app.pipeline.query import (
    Aggregation,
    Cube,
    Fill,
    Guards,
    SeriesQuery,
    Transform,
    run_query,
)
from app.records import Grain, SeriesMetadata, TimeAggregation
from tests.pipeline.query.drawing import queries, rows_of, tables
from tests.pipeline.query.oracle import Row, answered
from tests.pipeline.samples import metadata_of, series, three_months

EXAMPLES_EACH = 5
# What stands for a parameter that is not given.
NOTHING: tuple[object, ...] = (None, (), {})


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
        cube = Cube.of(table)
        # The same cube again, so that kept sums are read as well as new ones.
        for _ in range(2):
            query = data.draw(queries(table, metadata.grain))
            tally["cases"] += 1
            asked = (one.name for one in fields(query) if getattr(query, one.name) not in NOTHING)
            tally.update(asked)
            expected = answered(table, metadata, query)
            result = run_query(cube, metadata, query)
            assert rows_of(result) == expected[: query.limit]
            assert result.total == len(expected)
            tally["rows"] += len(expected)

    try:
        check()
    finally:
        record_property("summary", ", ".join(f"{name} {tally[name]}" for name in sorted(tally)))
    assert tally["cases"] >= 500
    # Pages, and several datasets, are asked for in tests/pipeline/test_series.py.
    assert not {one.name for one in fields(SeriesQuery)} - set(tally) - {"cursor"}


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
