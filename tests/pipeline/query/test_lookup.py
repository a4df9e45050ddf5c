"""A key is found by its members, with the points that the query would find."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.pipeline.query import Cube, KeyLookup, SeriesQuery, day_span, run_query
from app.pipeline.query.index import SeriesIndex
from app.records import SeriesMetadata
from tests.pipeline.query.drawing import DAYS, MEMBERS, rows_of, stored, tables

Drawn = tuple[pa.Table, SeriesMetadata]


@given(tables(), st.data())
def test_it_finds_what_the_query_finds(drawn: Drawn, data: st.DataObject) -> None:
    """Any members, there or not, in any order of the dimensions, in any window."""
    table, metadata = drawn
    cube = Cube.of(table)
    names = data.draw(st.permutations(cube.base.dimensions))
    lookup = KeyLookup.of(cube.base, names)
    assert lookup is not None
    for _ in range(4):
        members = [data.draw(st.sampled_from([*MEMBERS[name], "none"])) for name in names]
        start, end = data.draw(st.tuples(*[st.none() | DAYS] * 2))
        filters = {name: (member,) for name, member in zip(names, members, strict=True)}
        found = lookup.find(members, *day_span(start, end))
        try:
            result = run_query(cube, metadata, SeriesQuery(start=start, end=end, filters=filters))
        except BadQueryError:
            assert found is None
            continue
        expected = rows_of(result)
        assert (found is None) == (not expected)
        if found is not None:
            assert found.days.tolist() == result.columns.days.tolist()
            assert found.values.tolist() == [value for _, value, _ in expected]
            texts = [one.members.texts[one.of_keys[found.key]] for one in cube.base.columns]
            assert dict(zip(cube.base.dimensions, texts, strict=True)) == dict(
                zip(names, members, strict=True)
            )


def test_all_dimensions_must_be_given() -> None:
    """Not fewer, none twice, and no other."""
    index = SeriesIndex.of(stored([(date(2024, 1, 1), 1.0, "EMEA", "x")], ("dim_a", "dim_b")))
    for names in (["dim_a"], ["dim_a", "dim_a"], ["dim_a", "b"], ["dim_a", "dim_b", "dim_b"], []):
        assert KeyLookup.of(index, names) is None
    assert KeyLookup.of(index, ["dim_b", "dim_a"]) is not None


def test_what_cannot_be_counted_is_not_looked_up() -> None:
    """With more combinations of members than a rank can tell there is no look-up."""
    names = tuple(f"dim_{number:02}" for number in range(20))
    rows = [(date(2024, 1, 1), 1.0, *(str(n) for _ in names)) for n in range(10)]
    assert KeyLookup.of(SeriesIndex.of(stored(rows, names)), names) is None
