"""JSON and CSV say exactly what the table says."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.api.encode import header_text, series_csv, series_json, series_response
from app.api.params import Format, SeriesRequest
from app.api.schemas import SeriesResponse
from app.pipeline.contract import series_schema
from app.pipeline.freshness import Notice
from app.pipeline.query import QueryResult, SeriesQuery
from app.pipeline.series import SeriesView
from app.records import CachedSeries, Grain, SeriesMetadata
from app.reports import Freshness, FreshnessState

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
POINTS = st.lists(
    st.tuples(
        st.dates(date(1000, 1, 1)), st.floats(allow_nan=False, allow_infinity=False), TEXT, TEXT
    ),
    max_size=5,
)


def a_view(points: list[tuple[date, float, str, str]], notice: Notice | None = None) -> SeriesView:
    """Return a view of these points, with two dimensions."""
    schema = series_schema(["dim_a", "dim_b"])
    columns = list(zip(*points, strict=True)) if points else [()] * 4
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    rows = pa.Table.from_arrays(arrays, schema=schema)
    metadata = SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime(2026, 11, 21, 14, 5, tzinfo=UTC),
        row_count=len(points),
        min_date=None,
        max_date=None,
    )
    series = CachedSeries(rows=rows, metadata=metadata, version=7)
    result = QueryResult(rows=rows, total=len(points), grain=Grain.DAY)
    freshness = Freshness(
        state=FreshnessState.FRESH, data_time=metadata.last_refresh_time, age_s=90
    )
    return SeriesView(series, result, notice or Notice(), freshness)


def as_point(point: tuple[date, float, str, str]) -> dict[str, Any]:
    """Return a point as JSON shows it."""
    day, value, a, b = point
    return {"date": day.isoformat(), "value": value, "dim_a": a, "dim_b": b}


@given(points=POINTS)
def test_json_holds_every_point_unchanged(points: list[tuple[date, float, str, str]]) -> None:
    """What is read back from the JSON is what was in the table, to the last bit."""
    body = json.loads(series_json(a_view(points)))
    assert body["points"] == [as_point(point) for point in points]


@given(points=POINTS)
def test_json_is_what_the_schema_says(points: list[tuple[date, float, str, str]]) -> None:
    """The hand-written JSON fits the response model, member by member."""
    content = series_json(a_view(points))
    model = SeriesResponse.model_validate_json(content)
    assert list(json.loads(content)) == list(SeriesResponse.model_fields)
    assert json.loads(model.model_dump_json()) == json.loads(content)


@given(points=POINTS)
def test_csv_holds_every_point_unchanged(points: list[tuple[date, float, str, str]]) -> None:
    """What a CSV reader makes of it is what was in the table."""
    content = series_csv(a_view(points)).decode()
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [{**row, "value": float(row["value"])} for row in rows] == list(map(as_point, points))


def test_slices_leave_no_seam() -> None:
    """A series longer than one slice has every point once, in order."""
    points = [(date(2026, 1, 1), float(number), "a", "b") for number in range(25_001)]
    body = json.loads(series_json(a_view(points)))
    assert [point["value"] for point in body["points"]] == [point[1] for point in points]


@given(text=TEXT)
def test_any_text_fits_into_a_header(text: str) -> None:
    """A header text is printable ASCII, and decodes to the text it was made from."""
    encoded = header_text(text)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert unquote(encoded) == text


async def test_headers_name_the_version_and_the_warning() -> None:
    """The version comes always, the warning and its code together if there is one."""
    plain = await series_response(a_view([]), SeriesRequest(None, SeriesQuery(), Format.CSV))
    warned = await series_response(
        a_view([], Notice("Old.", "old")), SeriesRequest(None, SeriesQuery(), Format.JSON)
    )
    assert plain.headers["x-series-version"] == "7"
    assert "x-series-warning" not in plain.headers
    assert (plain.headers["x-series-freshness"], plain.headers["age"]) == ("fresh", "90")
    assert plain.headers["last-modified"] == "Sat, 21 Nov 2026 14:05:00 GMT"
    assert warned.headers["x-series-warning"] == "Old."
    assert warned.headers["x-series-warning-code"] == "old"
