"""JSON says exactly what the table says, as rows, as columns and as lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.series_schemas import (
    ColumnsResponse,
    SeriesResponse,
    SeveralColumnsResponse,
    SeveralSeriesResponse,
)
from app.api.writing.points import SLICE_ROWS, json_columns, json_lines, json_rows
from app.pipeline.query import QueryResult
from app.pipeline.series import SeriesAnswer
from tests.api.writing.answers import POINTS, Point, a_view, an_answer, as_point

Write = Callable[[SeriesAnswer], Iterator[bytes]]


def read(write: Write, answer: SeriesAnswer) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Write an answer and read it back; NaN and Infinity are no JSON."""
    return json.loads(b"".join(write(answer)), parse_constant=pytest.fail)


@given(points=POINTS, coded=st.booleans())
def test_rows_hold_every_point_unchanged(points: list[Point], coded: bool) -> None:
    """What is read back is what was in the table, to the last bit, and null where it was null."""
    body = read(json_rows, an_answer(a_view(points, coded=coded)))
    assert body["points"] == [as_point(point) for point in points]


@given(points=POINTS, coded=st.booleans())
def test_columns_hold_every_point_unchanged(points: list[Point], coded: bool) -> None:
    """The columns, read side by side, are the rows."""
    answer = an_answer(a_view(points, coded=coded))
    columns = read(json_columns, answer)["columns"]
    assert list(columns) == ["date", "value", "dim_a", "dim_b"]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert rows == read(json_rows, answer)["points"]


@given(points=POINTS, coded=st.booleans())
def test_lines_hold_every_point_unchanged(points: list[Point], coded: bool) -> None:
    """Each line is one point, and a name with a line end does not break it."""
    content = b"".join(json_lines(an_answer(a_view(points, coded=coded))))
    assert content.count(b"\n") == len(points)
    found = [json.loads(line) for line in content.split(b"\n")[:-1]]
    assert found == [as_point(point) for point in points]


@given(points=POINTS)
@pytest.mark.parametrize(
    ("write", "model"), [(json_rows, SeriesResponse), (json_columns, ColumnsResponse)]
)
def test_json_is_what_the_schema_says(
    write: Write, model: type[SeriesResponse | ColumnsResponse], points: list[Point]
) -> None:
    """The hand-written JSON fits the response model, member by member."""
    found = read(write, an_answer(a_view(points), cursor="abc"))
    assert set(found) == set(model.model_fields)
    assert json.loads(model.model_validate(found).model_dump_json()) == found


@given(points=POINTS, others=POINTS)
@pytest.mark.parametrize(
    ("write", "model"),
    [(json_rows, SeveralSeriesResponse), (json_columns, SeveralColumnsResponse)],
)
def test_several_datasets_stand_side_by_side(
    write: Write,
    model: type[SeveralSeriesResponse | SeveralColumnsResponse],
    points: list[Point],
    others: list[Point],
) -> None:
    """Each part is as if it were asked for alone; total and cursor are those of all."""
    views = a_view(points), a_view(others, dataset="other", dimensions=("dim_c", "dim_d"))
    found = read(write, an_answer(*views, cursor="abc"))
    assert json.loads(model.model_validate(found).model_dump_json()) == found
    assert found["series"] == [read(write, an_answer(view)) for view in views]
    assert (found["total"], found["next"]) == (len(points) + len(others), "abc")


def test_lines_of_several_datasets_name_them() -> None:
    """The dataset comes first, and a dimension that it does not have is null."""
    day = date(2026, 1, 1)
    views = (
        a_view([(day, 1.5, "x", "y")]),
        a_view([(day, None, "x", "z")], dataset="other", dimensions=("dim_a", "dim_c")),
    )
    lines = b"".join(json_lines(an_answer(*views))).decode().splitlines()
    assert [list(json.loads(line).values()) for line in lines] == [
        ["default", "2026-01-01", 1.5, "x", "y", None],
        ["other", "2026-01-01", None, "x", None, "z"],
    ]


@pytest.mark.parametrize("write", [json_rows, json_columns, json_lines])
@pytest.mark.parametrize("count", [SLICE_ROWS, SLICE_ROWS + 1, 2 * SLICE_ROWS + 1])
def test_slices_leave_no_seam(write: Write, count: int) -> None:
    """A series longer than a slice has every point once, in order."""
    points: list[Point] = [(date(2026, 1, 1), float(number), "a", "b") for number in range(count)]
    answer = an_answer(a_view(points))
    if write is json_lines:
        values = [json.loads(line)["value"] for line in b"".join(write(answer)).splitlines()]
    else:
        body = read(write, answer)
        values = body["columns"]["value"] if "columns" in body else _values(body["points"])
    assert values == [float(number) for number in range(count)]


def _values(points: list[dict[str, Any]]) -> list[float]:
    return [point["value"] for point in points]


@pytest.mark.parametrize("write", [json_rows, json_columns, json_lines])
def test_what_is_no_finite_number_is_null(write: Write) -> None:
    """A value that breaks the contract does not break the JSON of all others."""
    view = a_view([(date(2026, 1, 1), 1.0, "a", "b")] * 3)
    rows = view.result.rows.set_column(1, "value", [pa.array([float("nan"), float("inf"), 0.1])])
    answer = an_answer(replace(view, result=QueryResult(rows, len(rows), view.result.grain)))
    content = b"".join(write(answer))
    assert b"null" in content
    assert b"0.1" in content
    for line in content.splitlines():
        json.loads(line, parse_constant=pytest.fail)
