"""Arrow and Parquet hold what the table holds, and in their schema what headers say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.writing.tables import arrow_stream, parquet_file
from app.pipeline.freshness import Notice
from app.pipeline.series import SeriesAnswer
from app.reports import FreshnessState
from tests.api.writing.answers import POINTS, Point, a_view, an_answer

Write = Callable[[SeriesAnswer], Iterator[bytes]]
BOTH = pytest.mark.parametrize("write", [arrow_stream, parquet_file])
DAY = date(2026, 1, 1)


def read(write: Write, answer: SeriesAnswer) -> pa.Table:
    """Write an answer and read it back."""
    content = b"".join(write(answer))
    if write is arrow_stream:
        return pa.ipc.open_stream(content).read_all()
    return pq.read_table(io.BytesIO(content))


@BOTH
@given(points=POINTS, others=POINTS, coded=st.booleans())
def test_tables_hold_every_point_unchanged(
    write: Write, points: list[Point], others: list[Point], coded: bool
) -> None:
    """One dataset or several: all rows come back, in order, to the last bit."""
    one = an_answer(a_view(points, coded=coded))
    assert read(write, one).to_pylist() == one.views[0].result.rows.to_pylist()
    other = a_view(others, dataset="other", dimensions=("dim_b", "dim_c"))
    found = read(write, an_answer(one.views[0], other)).to_pylist()
    assert [row["dataset"] for row in found] == ["default"] * len(points) + ["other"] * len(others)
    assert [row["value"] for row in found] == [point[1] for point in [*points, *others]]
    assert [row["dim_c"] for row in found] == [None] * len(points) + [p[3] for p in others]


@BOTH
def test_the_schema_tells_what_headers_tell(write: Write) -> None:
    """Version, freshness and warning are in the metadata, and all of them as JSON."""
    view = a_view(notice=Notice("It is old.", "too_old"), state=FreshnessState.STALE)
    found: dict[bytes, bytes] = read(write, an_answer(view, cursor="abc")).schema.metadata
    told = {key.decode(): found[key].decode() for key in found if key != b"sac_series"}
    assert told == {
        "dataset": "default",
        "version": "7",
        "freshness": "stale",
        "warning": "It is old.",
        "warning_code": "too_old",
        "next": "abc",
    }
    whole: dict[str, Any] = json.loads(found[b"sac_series"])
    assert whole["series"][0]["freshness"]["data_time"] == "2026-11-21T14:05:00Z"
    assert whole["warning"] == "It is old."


def test_names_are_coded_in_arrow() -> None:
    """A dimension is a dictionary, which pandas reads as categories."""
    schema = read(arrow_stream, an_answer(a_view([(DAY, 1.0, "x", "y")]))).schema
    assert schema.field("dim_a").type == pa.dictionary(pa.int32(), pa.string())


@BOTH
def test_a_long_answer_leaves_in_pieces(write: Write) -> None:
    """No piece holds the whole, and the pieces together do."""
    points: list[Point] = [(DAY, float(number), "a", str(number % 7)) for number in range(140_000)]
    answer = an_answer(a_view(points))
    pieces = [len(piece) for piece in write(answer)]
    assert max(pieces) < sum(pieces) / 2
    assert read(write, answer)["value"].to_pylist() == [float(n) for n in range(140_000)]
