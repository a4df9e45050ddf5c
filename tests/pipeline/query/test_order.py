"""Rows are sorted as asked, and ties stay in their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.pipeline.query import SortKey
from app.pipeline.query.order import ordered, sort_columns


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=20))
def test_rows_come_in_the_wanted_order(rows: list[tuple[int, int, bool]]) -> None:
    """The first key decides, then the second; what has no value comes last either way."""
    values, codes, present = (np.array([row[n] for row in rows]) for n in range(3))
    columns = {"value": values.astype(float), "dim_a": codes.astype(np.uint8)}
    keys = (SortKey("value", descending=True), SortKey("dim_a", descending=True))
    found = ordered(columns, keys, present.astype(bool)).tolist()

    def rank(place: int) -> tuple[bool, int, int, int]:
        value, code, there = rows[place]
        return not there, -value if there else 0, -code, place

    assert found == sorted(range(len(rows)), key=rank)


def test_columns_go_by_either_name() -> None:
    """A dimension is named with its prefix or without."""
    assert sort_columns((SortKey("region"),), ("dim_region",)) == (SortKey("dim_region"),)
    with pytest.raises(BadQueryError, match="'dim_region' more than once"):
        sort_columns((SortKey("region"), SortKey("dim_region")), ("dim_region",))
