"""Roll-ups add up exactly, in a table of cells or by sorting."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from app.errors import QueryTooSlowError
from app.pipeline.query import Aggregation, Guards
from app.pipeline.query.index import SeriesIndex
from app.pipeline.query.rollup import rolled_up, summed_by_date
from app.records import Grain
from tests.pipeline.samples import series


def a_series(days: int, step: int) -> SeriesIndex:
    """Return a series by day whose dates lie some days apart; two regions take turns."""
    first = date(1990, 1, 1)
    rows = [(first + timedelta(days=step * n), n / 4, "ab"[n % 2]) for n in range(days)]
    return SeriesIndex.of(series(rows))


@pytest.mark.parametrize("step", [1, 500])
def test_dense_and_sparse_dates_add_up_alike(step: int) -> None:
    """Few dates in a long time are sorted, many are counted into a table; the sums are the same."""
    index = a_series(200, step)
    cells = summed_by_date(index, slice(0, index.row_count), (), Guards())
    assert cells.values.floats().tolist() == [n / 4 for n in range(200)]
    assert set(cells.counts.tolist()) == {1}


def test_all_values_are_read_in_parts() -> None:
    """Between two parts of a long sum the deadline is looked at."""
    looks = Counter[str]()

    def check() -> None:
        looks["looks"] += 1
        if looks["looks"] > 1:
            raise QueryTooSlowError("It took too long.")

    index = a_series(10, 1)
    with pytest.raises(QueryTooSlowError):
        rolled_up(index, slice(0, 10), (), (Grain.YEAR, Aggregation.SUM), Guards(check=check))


def test_nothing_rolls_up_to_nothing() -> None:
    """No row makes no cell, by any rule."""
    index = a_series(4, 1)
    for rule in Aggregation:
        for kept in ((), (0,)):
            assert len(rolled_up(index, slice(0, 0), kept, (Grain.YEAR, rule), Guards())) == 0
