"""Points that are put together from pieces are what the encoder makes of them as a whole."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.api.writing.objects import row_objects
from app.pipeline.query import Column, Columns
from app.pipeline.query.index import Members

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
MEMBERS = st.lists(NAMES, min_size=1, max_size=4, unique=True).map(sorted)
VALUES = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9).map(float)
DAYS = st.integers(-719_162, 2_932_896)


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    """Draw rows of a few keys in any order, some without a value."""
    keys, rows = draw(st.integers(1, 4)), draw(st.integers(0, 8))

    def listed(each: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(each, min_size=rows, max_size=rows))

    dimensions = []
    for number, texts in enumerate(draw(st.lists(MEMBERS, max_size=3))):
        codes = st.lists(st.integers(0, len(texts) - 1), min_size=keys, max_size=keys)
        members = Members.of(pa.array(texts, pa.string()))
        name = f"dim_{draw(NAMES)}{number}"
        dimensions.append(Column(name, np.array(draw(codes), np.int8), members))
    missing = np.array(listed(st.booleans()), np.bool_) if draw(st.booleans()) else None
    return Columns(
        np.array(listed(DAYS), np.int32),
        np.array(listed(VALUES), np.float64),
        missing,
        np.array(listed(st.integers(0, keys - 1)), np.int64),
        tuple(dimensions),
    )


@given(columns())
def test_the_pieces_are_the_whole(found: Columns) -> None:
    """Byte for byte what msgspec writes of one object for each row."""
    rows = [dict(zip(found.names, row, strict=True)) for row in zip(*found.lists(), strict=True)]
    text = b"[" + row_objects(found) + b"]"
    assert text == msgspec.json.encode(rows)
    assert json.loads(text) == rows
