"""An index lives as long as its table."""

from __future__ import annotations

import gc

from app.pipeline.cubes import Cubes
from tests.pipeline.samples import three_months


def test_an_index_is_built_once() -> None:
    """The same table gets the same index, and it is then at hand."""
    cubes, table = Cubes(), three_months()
    assert cubes.at_hand(table) is None
    assert cubes.of(table) is cubes.of(table) is cubes.at_hand(table)


def test_an_equal_table_is_another() -> None:
    """Tables go by identity: nobody compares a million rows."""
    cubes, table, other = Cubes(), three_months(), three_months()
    assert cubes.of(table) is not cubes.of(other)


def test_an_index_goes_with_its_table() -> None:
    """A version that nobody holds leaves no index behind."""
    cubes, table = Cubes(), three_months()
    cubes.of(table)
    del table
    gc.collect()
    assert cubes.count == 0
