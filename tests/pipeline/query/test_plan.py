"""A query is checked against the series, and its cost is guessed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.periods import is_finer
from app.pipeline.contract import series_schema
from app.pipeline.query import Cube, Fill, Guards, SeriesQuery, SortKey, is_light, plan_query
from app.records import Grain
from tests.pipeline.query.drawing import stored
from tests.pipeline.samples import metadata_of, series

TABLE = stored(
    [(date(2024, 1, 1), 1.0, "EMEA", "x"), (date(2024, 1, 1), 1.0, "APJ", "x")],
    ("dim_region", "dim_product"),
)


@pytest.mark.parametrize(
    ("query", "parameter", "found", "hint"),
    [
        (SeriesQuery(group_by=("regio",)), "group_by", "'regio'", "dim_region, dim_product"),
        (SeriesQuery(filters={"regoin": ("a",)}), "regoin", "'regoin'", "dim_region"),
        (SeriesQuery(filters={"region": ("emea",)}), "dim_region", "'emea'", "EMEA, "),
        (SeriesQuery(excluded={"region": ("emea",)}), "dim_region!", "'emea'", "EMEA, "),
        (SeriesQuery(prefixes={"region": ("em",)}), "dim_region^", "begins with 'em'", "EMEA, "),
        (SeriesQuery(prefixes={"regoin": ("E",)}), "regoin^", "'regoin'", "dim_region"),
        (SeriesQuery(grain=Grain.DAY), "grain", "day", "month, quarter, year"),
        (SeriesQuery(limit=0), "limit", "0", "at least 1"),
        (SeriesQuery(last=0), "last", "0", "at least 1"),
        (SeriesQuery(first=1, last=1), "first", "'last'", "Give one"),
        (SeriesQuery(sort=(SortKey("valeu"),)), "sort", "'valeu'", "Columns: value, "),
        (
            SeriesQuery(group_by=("region",), sort=(SortKey("product"),)),
            "sort",
            "'product'",
            "Columns: ",
        ),
        (
            SeriesQuery(start=date(2024, 2, 1), end=date(2024, 1, 1)),
            "start",
            "2024-02-01",
            "Swap them",
        ),
    ],
)
def test_a_bad_question_names_its_parameter(
    query: SeriesQuery, parameter: str, found: str, hint: str
) -> None:
    """The error names the parameter, what was found, and what there is, nearest first."""
    with pytest.raises(BadQueryError) as caught:
        plan_query(Cube.of(TABLE), metadata_of(TABLE), query)
    assert caught.value.parameter == parameter
    assert found in caught.value.problem
    assert hint in caught.value.next_step


@given(st.sampled_from(Grain), st.sampled_from(Grain))
def test_only_a_finer_grain_is_refused(grain: Grain, wanted: Grain) -> None:
    """Every grain that is not finer than the stored one can be asked for."""
    table = series_schema(()).empty_table()
    query = SeriesQuery(grain=wanted)
    metadata = metadata_of(table, grain=grain)
    if is_finer(wanted, grain):
        with pytest.raises(BadQueryError):
            plan_query(Cube.of(table), metadata, query)
    else:
        assert plan_query(Cube.of(table), metadata, query).grain is wanted


@pytest.mark.parametrize(
    ("query", "is_cheap"),
    [
        (SeriesQuery(), False),
        (SeriesQuery(limit=100), True),
        (SeriesQuery(sort=(SortKey("value"),), limit=1), False),
        (SeriesQuery(filters={"region": ("m00000",)}), True),
        (SeriesQuery(filters={"region": ("m00000",)}, fill=Fill.ZERO), True),
        (SeriesQuery(filters={"region": ("m00000",)}, fill=Fill.ZERO, last=100_000), False),
        (SeriesQuery(group_by=()), False),
        (SeriesQuery(fill=Fill.NULL), False),
    ],
)
def test_only_what_is_cheap_counts_as_light(query: SeriesQuery, is_cheap: bool) -> None:
    """What reads many rows, sorts them, or must add them up first, is not light."""
    table = series([(date(2024, 1, 1), 1.0, f"m{number:05}") for number in range(30_000)])
    cube = Cube.of(table)
    assert is_light(cube, plan_query(cube, metadata_of(table), query)) is is_cheap


def test_sums_that_are_at_hand_make_a_query_light() -> None:
    """The first question adds up a million points; the next one reads what came of it."""
    table = series([(date(2024, 1, 1), 1.0, f"m{number:05}") for number in range(30_000)])
    cube = Cube.of(table)
    plan = plan_query(cube, metadata_of(table), SeriesQuery(group_by=()))
    cube.over(plan.needed, Guards())
    assert is_light(cube, plan)


def test_names_without_end_are_not_remembered() -> None:
    """Dimensions that are named over and over are those that are named once."""
    cube, metadata = Cube.of(TABLE), metadata_of(TABLE)
    once = plan_query(cube, metadata, SeriesQuery(group_by=("region",)))
    assert len(cube.frames) == 1
    often = plan_query(cube, metadata, SeriesQuery(group_by=("region",) * 10_000))
    assert len(cube.frames) == 1
    assert often.kept == once.kept == (0,)
