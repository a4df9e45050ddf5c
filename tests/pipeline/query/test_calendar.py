"""Periods as numbers agree with Python's own calendar."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.periods import next_period, period_start
from app.pipeline.query.calendar import (
    FIRST_DAY,
    LAST_DAY,
    day_number,
    day_of,
    first_day,
    first_days,
    period,
    periods,
    year_before,
)
from app.records import Grain
from tests.pipeline.query import oracle

DAYS = st.dates(date(2, 1, 1), date(9998, 1, 1))
# pandas counts nanoseconds, so that its calendar is shorter.
NEAR_DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))


@given(DAYS, st.sampled_from(Grain))
def test_a_period_is_the_one_that_holds_the_day(day: date, grain: Grain) -> None:
    """The first day of its number is the first day of its period, and one more is the next."""
    number = period(day_number(day), grain)
    assert day_of(first_day(number, grain)) == period_start(day, grain)
    assert day_of(first_day(number + 1, grain)) == next_period(day, grain)


@given(st.lists(DAYS, max_size=5), st.sampled_from(Grain))
def test_many_days_are_as_each_of_them(days: list[date], grain: Grain) -> None:
    """An array gives what its parts give."""
    numbers = np.array([day_number(day) for day in days], np.int32)
    found = first_days(periods(numbers, grain), grain)
    assert [day_of(int(one)) for one in found] == [period_start(day, grain) for day in days]


@given(NEAR_DAYS, st.sampled_from(Grain))
def test_the_year_before_is_that_of_the_calendar(day: date, grain: Grain) -> None:
    """Weeks go by ISO number; 29 February and week 53 may have no counterpart."""
    start = period_start(day, grain)
    expected = oracle.year_before(oracle.period_of(start, grain), grain)
    number = np.array([period(day_number(start), grain)], np.int64)
    before, exists = year_before(number, grain)
    assert bool(exists[0]) is (expected is not None)
    if expected is not None:
        assert day_of(first_day(int(before[0]), grain)) == oracle.first_day(expected)


@pytest.mark.parametrize(
    ("day", "grain"), [(date(2024, 2, 29), Grain.DAY), (date(2020, 12, 28), Grain.WEEK)]
)
def test_a_leap_day_and_a_week_53_have_no_year_before(day: date, grain: Grain) -> None:
    """What does not exist is told, not moved to a neighbour."""
    _, exists = year_before(np.array([period(day_number(day), grain)]), grain)
    assert not exists[0]


def test_the_ends_of_the_calendar_are_those_of_python() -> None:
    """The first and the last day there are have numbers."""
    assert (day_of(FIRST_DAY), day_of(LAST_DAY)) == (date.min, date.max)
    assert day_of(day_number(date(1970, 1, 1)) + 1) == date(1970, 1, 1) + timedelta(days=1)
