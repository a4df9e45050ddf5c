"""Questions to a cached series."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.periods import is_finer, period_start
from app.pipeline.contract import content_hash, series_schema, sort_series, validate
from app.pipeline.query import SeriesQuery, parse_end, parse_start, run_query
from app.records import Grain, TimeAggregation
from tests.pipeline.samples import metadata_of, series

DIMENSIONS = ("dim_region", "dim_product")
Row = tuple[date, float, str, str]

amounts = st.decimals(min_value=-10000, max_value=10000, places=2).map(float).map(lambda x: x + 0.0)
rows = st.lists(
    st.tuples(
        st.dates(min_value=date(2023, 11, 1), max_value=date(2025, 2, 28)),
        amounts,
        st.sampled_from(["a", "b", "#"]),
        st.sampled_from(["x", "y"]),
    ),
    unique_by=lambda row: (row[0], row[2], row[3]),
    max_size=60,
)
coarse = st.sampled_from(list(Grain))
kept_dimensions = st.sampled_from([None, (), ("region",), ("dim_product",), ("product", "region")])


def stored(found: list[Row]) -> pa.Table:
    """Return a series by day with two dimensions."""
    schema = series_schema(DIMENSIONS)
    columns = list(zip(*found, strict=True)) or [()] * 4
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return sort_series(pa.Table.from_arrays(arrays, schema=schema))


def combined(values: dict[date, Decimal], rule: TimeAggregation) -> float:
    """Combine the values of some dates as the rule says, in plain decimals."""
    match rule:
        case TimeAggregation.SUM:
            return float(sum(values.values()))
        case TimeAggregation.AVG:
            with localcontext(prec=200):
                return float(sum(values.values()) / len(values))
        case TimeAggregation.LAST:
            return float(values[max(values)])
        case TimeAggregation.MIN:
            return float(min(values.values()))
        case TimeAggregation.MAX:
            return float(max(values.values()))


def expected(
    found: list[Row], kept: tuple[str, ...], grain: Grain, rule: TimeAggregation
) -> dict[tuple[object, ...], float]:
    """Answer a roll-up row by row: first over dimensions at each date, then over dates."""
    groups: dict[tuple[object, ...], dict[date, Decimal]] = defaultdict(
        lambda: defaultdict(Decimal)
    )
    for day, value, region, product in found:
        members = {"dim_region": region, "dim_product": product}
        key = (*(members[name] for name in kept), period_start(day, grain))
        groups[key][day] += Decimal(repr(value))
    # A roll-up reads what was summed at each date as the float that it would show.
    return {
        key: combined({day: Decimal(repr(float(v))) for day, v in dates.items()}, rule)
        for key, dates in groups.items()
    }


@given(rows, kept_dimensions, coarse, st.sampled_from(TimeAggregation))
def test_a_roll_up_is_what_plain_decimals_give(
    found: list[Row], group_by: tuple[str, ...] | None, grain: Grain, rule: TimeAggregation
) -> None:
    """Dimensions are summed at each date first, then dates combined, all exactly."""
    table = stored(found)
    metadata = replace(metadata_of(table, grain=Grain.DAY), time_aggregation=rule)
    result = run_query(table, metadata, SeriesQuery(group_by=group_by, grain=grain))
    named = {name if name.startswith("dim_") else f"dim_{name}" for name in group_by or ()}
    kept = DIMENSIONS if group_by is None else tuple(n for n in DIMENSIONS if n in named)
    answer = {
        (*(row[name] for name in kept), row["date"]): row["value"]
        for row in result.rows.to_pylist()
    }
    assert answer == expected(found, kept, grain, rule)
    validate(result.rows, grain)
    assert (result.total, result.grain) == (len(answer), grain)


@given(rows, st.dates(date(2023, 10, 1), date(2025, 3, 1)), st.integers(0, 400))
def test_a_window_keeps_both_its_ends(found: list[Row], start: date, days: int) -> None:
    """A stored period is in the window if its first day lies between start and end, inclusive."""
    end = date.fromordinal(start.toordinal() + days)
    table = stored(found)
    query = SeriesQuery(start=start, end=end)
    result = run_query(table, metadata_of(table, grain=Grain.DAY), query)
    assert result.rows.equals(stored([row for row in found if start <= row[0] <= end]))


@given(rows)
def test_no_question_gives_the_whole_series(found: list[Row]) -> None:
    """An empty query returns the rows as they are, bit for bit."""
    table = stored(found)
    result = run_query(table, metadata_of(table, grain=Grain.DAY), SeriesQuery())
    assert content_hash(result.rows) == content_hash(table)


@given(rows, st.integers(1, 80))
def test_a_limit_cuts_and_the_total_tells(found: list[Row], limit: int) -> None:
    """The first rows are returned, and the total says how many there are."""
    table = stored(found)
    result = run_query(table, metadata_of(table, grain=Grain.DAY), SeriesQuery(limit=limit))
    assert result.rows.equals(table.slice(0, limit))
    assert result.total == len(found)


@given(rows.filter(bool), st.data())
def test_filters_keep_the_members_asked_for(found: list[Row], data: st.DataObject) -> None:
    """A row stays if each filtered dimension has one of its members."""
    regions = data.draw(st.sets(st.sampled_from(sorted({row[2] for row in found})), min_size=1))
    products = data.draw(st.sets(st.sampled_from(sorted({row[3] for row in found})), min_size=1))
    filters = {"region": tuple(regions), "dim_product": tuple(products)}
    table = stored(found)
    result = run_query(table, metadata_of(table, grain=Grain.DAY), SeriesQuery(filters=filters))
    assert result.rows.equals(stored([r for r in found if r[2] in regions and r[3] in products]))


def test_tenths_add_up_to_tenths() -> None:
    """0.1 and 0.2 are 0.3, and the average of 0.1, 0.2 and 0.3 is 0.2."""
    table = series([(date(2024, m, 1), m / 10, "a") for m in (1, 2, 3)])
    for rule, value in ((TimeAggregation.SUM, 0.6), (TimeAggregation.AVG, 0.2)):
        metadata = replace(metadata_of(table), time_aggregation=rule)
        result = run_query(table, metadata, SeriesQuery(grain=Grain.QUARTER))
        assert result.rows["value"].to_pylist() == [value]


def test_a_head_count_is_added_over_regions_before_the_last_month_is_taken() -> None:
    """`last` is the last month of the total, not the total of last months."""
    table = series(
        [(date(2024, 1, 1), 10, "a"), (date(2024, 1, 1), 5, "b"), (date(2024, 2, 1), 7, "a")]
    )
    metadata = replace(metadata_of(table), time_aggregation=TimeAggregation.LAST)
    result = run_query(table, metadata, SeriesQuery(grain=Grain.YEAR, group_by=()))
    assert result.rows["value"].to_pylist() == [7]


@pytest.mark.parametrize(
    ("query", "parameter", "found", "hint"),
    [
        (SeriesQuery(group_by=("regio",)), "group_by", "'regio'", "dim_region, dim_product"),
        (SeriesQuery(filters={"regoin": ("a",)}), "regoin", "'regoin'", "dim_region"),
        (SeriesQuery(filters={"region": ("emea",)}), "dim_region", "'emea'", "EMEA, "),
        (SeriesQuery(grain=Grain.DAY), "grain", "day", "month, quarter, year"),
        (SeriesQuery(limit=0), "limit", "0", "at least 1"),
        (
            SeriesQuery(start=date(2024, 2, 1), end=date(2024, 1, 1)),
            "start",
            "2024-02-01",
            "Swap them",
        ),
    ],
    ids=["group", "filter", "member", "grain", "limit", "window"],
)
def test_a_bad_question_names_its_parameter(
    query: SeriesQuery, parameter: str, found: str, hint: str
) -> None:
    """The error names the parameter, what was found, and what there is, nearest first."""
    table = stored([(date(2024, 1, 1), 1.0, "EMEA", "x"), (date(2024, 1, 1), 1.0, "APJ", "x")])
    with pytest.raises(BadQueryError) as caught:
        run_query(table, metadata_of(table), query)
    assert caught.value.parameter == parameter
    assert found in caught.value.problem
    assert hint in caught.value.next_step


def test_no_more_than_twenty_members_are_listed() -> None:
    """A long list of members is cut, and the rest counted."""
    table = series([(date(2024, 1, 1), 1.0, f"m{number:03}") for number in range(50)])
    with pytest.raises(BadQueryError) as caught:
        run_query(table, metadata_of(table), SeriesQuery(filters={"region": ("m1",)}))
    assert caught.value.next_step.count("m0") < 21
    assert "and 30 more" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-Q4", date(2024, 10, 1), date(2024, 12, 31)),
        ("2024-q1", date(2024, 1, 1), date(2024, 3, 31)),
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("9999", date(9999, 1, 1), date(9999, 12, 31)),
    ],
)
def test_a_bound_is_read_to_its_end(text: str, first: date, last: date) -> None:
    """A start is the first day of what is written, an end the last."""
    assert parse_start(text) == first
    assert parse_end(text) == last


@given(st.text(max_size=12))
def test_any_bound_is_a_date_or_an_error_that_names_its_parameter(text: str) -> None:
    """No text raises anything else, and a start never lies after its own end."""
    try:
        assert parse_start(text, "from") <= parse_end(text, "from")
    except BadQueryError as error:
        parameter = error.parameter
        assert parameter == "from"


@pytest.mark.parametrize("text", ["2024-13", "2024-02-30", "2024-Q5", "0000", "24", "٢٠٢٤", ""])
def test_a_bound_of_no_form_is_refused(text: str) -> None:
    """What is no date is shown back with the forms there are."""
    with pytest.raises(BadQueryError, match=r"end is .* no date.*2024-Q1"):
        parse_end(text)


@given(coarse, coarse)
def test_only_a_finer_grain_is_refused(grain: Grain, wanted: Grain) -> None:
    """Every grain that is not finer than the stored one can be asked for."""
    table = series_schema(()).empty_table()
    query = SeriesQuery(grain=wanted)
    if is_finer(wanted, grain):
        with pytest.raises(BadQueryError):
            run_query(table, metadata_of(table, grain=grain), query)
    else:
        assert run_query(table, metadata_of(table, grain=grain), query).grain is wanted
