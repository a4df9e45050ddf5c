"""Slices of one shape hold every row of every part once."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.writing.flat import dimensions, flat_schema, flat_slices, members
from tests.api.writing.answers import POINTS, Point, a_view, an_answer


@given(points=POINTS, others=POINTS, size=st.integers(1, 4), coded=st.booleans())
def test_slices_are_the_rows_in_order(
    points: list[Point], others: list[Point], size: int, coded: bool
) -> None:
    """All slices together are all rows of all parts, and none is longer than asked."""
    second = a_view(others, dataset="other", dimensions=("dim_b", "dim_c"), coded=coded)
    first = a_view(points)
    answer = an_answer(first, second)
    slices = list(flat_slices(answer, size))
    assert all(0 < part.num_rows <= size for part in slices)
    assert all(part.schema == flat_schema(answer) for part in slices)
    found = [row for part in slices for row in part.to_pylist()]
    expected = [
        *(
            {**row, "dataset": "default", "dim_c": None}
            for row in answer.views[0].result.rows.to_pylist()
        ),
        *({**row, "dataset": "other", "dim_a": None} for row in second.result.rows.to_pylist()),
    ]
    assert found == [{name: row[name] for name in flat_schema(answer).names} for row in expected]


def test_one_dataset_is_not_named() -> None:
    """A single series has its own columns, and no dimension of it can be null."""
    schema = flat_schema(an_answer())
    assert schema.names == ["date", "value", "dim_a", "dim_b"]
    assert [field.nullable for field in schema] == [False, True, False, False]


def test_dimensions_stand_in_the_order_in_which_they_appear() -> None:
    """The union begins with the dimensions of the first part."""
    other = a_view(dataset="other", dimensions=("dim_c", "dim_a"))
    assert dimensions(an_answer(a_view(), other)) == ("dim_a", "dim_b", "dim_c")


@given(points=POINTS, others=POINTS, coded=st.booleans())
@pytest.mark.parametrize("name", ["dim_a", "dim_b", "dim_c"])
def test_members_are_all_there_are(
    name: str, points: list[Point], others: list[Point], coded: bool
) -> None:
    """Every name that a column holds in any part is a member, once."""
    second = a_view(others, dataset="other", dimensions=("dim_b", "dim_c"), coded=coded)
    answer = an_answer(a_view(points, coded=coded), second)
    found = members(answer, name).to_pylist()
    rows = [row for part in flat_slices(answer, 10) for row in part.to_pylist()]
    assert len(found) == len(set(found))
    assert set(found) == {row[name] for row in rows} - {None}


def test_the_datasets_are_members_too() -> None:
    """The first column is coded like the dimensions."""
    answer = an_answer(a_view(), a_view(dataset="other"))
    assert members(answer, "dataset") == pa.array(["default", "other"])
