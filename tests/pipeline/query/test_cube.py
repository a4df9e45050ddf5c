"""Sums are made once, kept within a bound, and add up to the whole."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.query import Cube, Guards
from app.pipeline.query.index import SeriesIndex
from app.records import SeriesMetadata
from tests.pipeline.query.drawing import stored, tables

GRID = stored(
    [(date(2024, 1, 1), 1.0, f"r{n % 4}", f"p{n}", "ab"[n % 2]) for n in range(64)],
    ("dim_region", "dim_product", "dim_kind"),
)


def total(index: SeriesIndex) -> Fraction:
    """Return the exact sum of all values."""
    exact = index.exact
    assert isinstance(exact.bottom, int)
    return Fraction(sum(exact.tops.tolist()), exact.bottom)


@given(tables(), st.data())
def test_sums_add_up_to_the_whole(
    drawn: tuple[pa.Table, SeriesMetadata], data: st.DataObject
) -> None:
    """Whatever is dropped, nothing is lost: neither a value nor a stored point."""
    cube = Cube.of(drawn[0])
    places = list(range(len(cube.base.dimensions)))
    kept = tuple(sorted(data.draw(st.sets(st.sampled_from(places))) if places else ()))
    sums = cube.over(kept, Guards())
    points = sums.row_count if sums.counts is None else int(sums.counts.sum())
    assert (total(sums), points) == (total(cube.base), cube.base.row_count)


def test_sums_are_made_once() -> None:
    """The second question gets the same object, without a step of work."""
    cube = Cube.of(GRID)
    assert cube.at_hand((0,)) is None
    assert cube.over((0,), Guards()) is cube.at_hand((0,))
    assert cube.at_hand((0, 1, 2)) is cube.base


def test_sums_that_are_no_shorter_are_not_made() -> None:
    """Each product has a key of its own, so that the series itself serves as well."""
    cube = Cube.of(GRID)
    assert cube.over((1, 2), Guards()) is cube.base


def test_the_oldest_sums_make_room() -> None:
    """Beyond the bound the sums that were not asked for longest are dropped."""
    cube = Cube.of(GRID)
    small = Cube(cube.base, kept_bytes=cube.over((0,), Guards()).nbytes)
    for kept in ((0,), (2,), (0, 2)):
        small.over(kept, Guards())
    assert small.at_hand((0,)) is None
    assert small.at_hand((0, 2)) is not None
