"""The contract of a series."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DataError
from app.pipeline.contract import (
    content_hash,
    contract_name,
    date_bounds,
    dimension_names,
    merge_runs,
    nearest_first,
    series_schema,
    sort_series,
    validate,
)
from app.records import Grain
from tests.pipeline.samples import series, three_months

JAN, FEB = date(2024, 1, 1), date(2024, 2, 1)

rows = st.lists(
    st.tuples(
        st.sampled_from([date(2024, month, 1) for month in range(1, 13)]),
        st.floats(allow_nan=False, allow_infinity=False, max_value=1e40, min_value=-1e40).map(
            lambda value: value + 0.0
        ),
        st.text(max_size=3),
    ),
    unique_by=lambda row: (row[0], row[2]),
)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Region", "dim_region"),
        ("CostCenter", "dim_cost_center"),
        ("ProductID", "dim_product_id"),
        ("HTTPServer", "dim_http_server"),
        ("dim_region", "dim_region"),
        ("DIM_Region", "dim_region"),
        ("Account___Description", "dim_account_description"),
        ("Größe", "dim_grosse"),
        ("Straße", "dim_strasse"),
        ("Регион", "dim_регион"),
        ("  2nd  half ", "dim_2nd_half"),
    ],
)
def test_a_column_gets_a_snake_name(column: str, name: str) -> None:
    """Names become lower-case snake names with the prefix, accents dropped, scripts kept."""
    assert contract_name(column) == name


@given(st.text())
def test_a_contract_name_is_stable(column: str) -> None:
    """A contract name is its own contract name; a name without letters is refused."""
    try:
        name = contract_name(column)
    except DataError:
        return
    assert name.startswith("dim_")
    assert contract_name(name) == name


@given(st.lists(st.text(min_size=1), unique=True))
def test_dimension_names_lead_back_to_their_columns(columns: list[str]) -> None:
    """Every column keeps its place and its own name, or a collision names both columns."""
    try:
        names = dimension_names(columns)
    except DataError:
        return
    assert list(names.values()) == columns


def test_columns_that_collide_are_both_named() -> None:
    """Two columns with one contract name are refused, and both stand in the message."""
    with pytest.raises(DataError, match="'CostCenter' and 'cost_center'"):
        dimension_names(["CostCenter", "cost_center"])


def test_a_name_without_letters_is_refused() -> None:
    """A column name that holds no letter or digit cannot become a dimension."""
    with pytest.raises(DataError, match="neither a letter nor a digit"):
        contract_name("$_$")


@given(rows)
def test_sorted_rows_keep_the_contract(found: list[tuple[date, float, str]]) -> None:
    """Whatever the rows are, sorting them gives a valid series, ordered by bytes then date."""
    table = sort_series(series(found, sort=False))
    validate(table, Grain.MONTH)
    keys = [(row["dim_region"].encode(), row["date"]) for row in table.to_pylist()]
    assert keys == sorted(keys)
    assert sort_series(table).equals(table)


@given(rows)
def test_bounds_are_the_first_and_the_last_date(found: list[tuple[date, float, str]]) -> None:
    """The bounds are the extremes of the dates, or None twice."""
    days = [row[0] for row in found]
    expected = (min(days), max(days)) if days else (None, None)
    assert date_bounds(series(found)) == expected


@given(rows, st.integers(1, 5))
def test_equal_content_has_an_equal_hash(found: list[tuple[date, float, str]], size: int) -> None:
    """Neither chunks, nor offsets, nor dictionaries, nor long offsets change the hash."""
    table = series(found)
    expected = content_hash(table)
    pieces = [table.slice(start, size) for start in range(0, table.num_rows, size)]
    padded = pa.concat_tables([three_months(), table]).slice(6)
    assert content_hash(pa.concat_tables([table.schema.empty_table(), *pieces])) == expected
    assert content_hash(padded) == expected
    for other in (
        table["dim_region"].dictionary_encode(),
        table["dim_region"].cast("large_string"),
    ):
        assert content_hash(table.set_column(2, "dim_region", other)) == expected


@given(rows, rows)
def test_different_content_has_a_different_hash(
    one: list[tuple[date, float, str]], other: list[tuple[date, float, str]]
) -> None:
    """Two series have the same hash only if they are equal."""
    left, right = series(one), series(other)
    assert (content_hash(left) == content_hash(right)) == left.equals(right)


def test_the_hash_knows_the_columns() -> None:
    """The same values under another name are other content."""
    table = three_months()
    assert content_hash(table) != content_hash(table.rename_columns(["date", "value", "dim_x"]))
    moved = series([(JAN, 1.0, "ab"), (FEB, 1.0, "c")], sort=False)
    cut = series([(JAN, 1.0, "a"), (FEB, 1.0, "bc")], sort=False)
    assert content_hash(moved) != content_hash(cut)


@given(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=30))
def test_nearest_names_are_a_selection(found: str, names: list[str]) -> None:
    """At most twenty names are given, all of them existing, an equal one first."""
    nearest = nearest_first(found, names)
    assert len(nearest) == min(len(names), 20)
    assert set(nearest) <= set(names)
    if found in names:
        assert nearest[0].casefold() == found.casefold()


def test_a_long_name_costs_no_more_than_a_short_one() -> None:
    """A caller who sends the longest address there is does not keep the service busy."""
    names = [f"{'a' * 40}{number}" for number in range(500)]
    for pattern in ("a", "ab", "x"):
        far, near = pattern * 30_000, pattern * 40
        assert nearest_first(far, names) == nearest_first(near[:80], names)


def nullable(table: pa.Table) -> pa.Table:
    """Return the rows with columns that admit null."""
    return table.cast(pa.schema([(field.name, field.type) for field in table.schema]))


def replaced(name: str, values: list[object]) -> pa.Table:
    """Return a valid series with one column's values replaced."""
    table = series([(JAN, 1.0, "a"), (FEB, 2.0, "a")])
    place = table.schema.get_field_index(name)
    field = table.schema.field(name)
    return table.set_column(place, field, pa.array(values, field.type))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (three_months().drop_columns(["value"]), "The columns are (date"),
        (three_months().rename_columns(["date", "value", "region"]), "'region' is neither"),
        (three_months().select(["value", "date", "dim_region"]), "The columns are (value"),
        (nullable(three_months()), "The columns are (date: date32"),
        (replaced("value", [1.0, None]), "Row 2 has no value"),
        (replaced("dim_region", [None, "a"]), "Row 1 has no dim_region"),
        (replaced("date", [JAN, None]), "Row 2 has no date"),
        (replaced("value", [1.0, float("nan")]), "Row 2 has a value that is not finite"),
        (replaced("value", [float("-inf"), 1.0]), "Row 1 has a value that is not finite"),
        (replaced("value", [1.0, -0.0]), "Row 2 has a negative zero"),
        (replaced("date", [JAN, date(2024, 2, 2)]), "Row 2 has a date that does not start a month"),
        (replaced("date", [JAN, JAN]), "Row 2 repeats the date and dimensions"),
        (replaced("date", [FEB, JAN]), "Row 2 is not sorted"),
        (replaced("dim_region", ["b", "a"]), "Row 2 is not sorted by dimensions"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_rule_is_named(table: pa.Table, reason: str) -> None:
    """Every rule of the contract is refused with its own reason and the row that breaks it."""
    with pytest.raises(DataError) as caught:
        validate(table, Grain.MONTH)
    assert reason in caught.value.problem
    assert "docs/data_contract.md" in caught.value.next_step


def test_an_empty_series_keeps_the_contract() -> None:
    """A series without rows is valid for every grain."""
    for grain in Grain:
        validate(series_schema(["dim_a"]).empty_table(), grain)


def test_a_hash_of_nulls_is_refused() -> None:
    """A table with nulls is no series and has no hash."""
    with pytest.raises(DataError, match="has no value"):
        content_hash(replaced("value", [1.0, None]))


@given(st.lists(st.tuples(st.dates(), st.sampled_from(["a", "ä", "b"])), unique=True), st.data())
def test_sorted_parts_are_put_in_order(keys: list[tuple[date, str]], data: st.DataObject) -> None:
    """Slices of a sorted series in any order are the series again."""
    table = series([(day, 1.0, name) for day, name in keys])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(keys)), max_size=4)))
    ends = [0, *cuts, len(keys)]
    slices = [table.slice(a, b - a) for a, b in pairwise(ends)]
    mixed = pa.concat_tables(data.draw(st.permutations(slices)))
    assert merge_runs(mixed).equals(table)
