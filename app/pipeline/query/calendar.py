"""Periods as whole numbers: the days since 1970, and the count of weeks, months, … that hold them.

Two periods that follow each other differ by one, so that windows and predecessors are sums.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.records import Grain

Ints = npt.NDArray[np.integer[Any]]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

_EPOCH: Final = date(1970, 1, 1).toordinal()
FIRST_DAY: Final = date.min.toordinal() - _EPOCH
LAST_DAY: Final = date.max.toordinal() - _EPOCH
# 1 January 1970 was a Thursday, three days after a Monday.
_MONDAY_SHIFT: Final = 3
_WEEK_DAYS: Final = 7
_MONTHS: Final = 12
_QUARTERS: Final = 4
_MONTHS_IN_QUARTER: Final = 3


def day_number(day: date) -> int:
    """Return the days from 1 January 1970 to a day."""
    return day.toordinal() - _EPOCH


def day_span(start: date | None, end: date | None) -> tuple[int, int]:
    """Return the first and the last day of a window that may be open."""
    return (
        FIRST_DAY if start is None else day_number(start),
        LAST_DAY if end is None else day_number(end),
    )


def day_of(number: int) -> date:
    """Return the day of a number; the inverse of `day_number`."""
    return date.fromordinal(number + _EPOCH)


def periods(days: Ints, grain: Grain) -> npt.NDArray[np.int64]:
    """Return the periods that hold some days."""
    match grain:
        case Grain.DAY:
            return days.astype(np.int64)
        case Grain.WEEK:
            return (days.astype(np.int64) + _MONDAY_SHIFT) // _WEEK_DAYS
        case Grain.MONTH:
            return _months(days)
        case Grain.QUARTER:
            return _months(days) // _MONTHS_IN_QUARTER
        case Grain.YEAR:
            return _months(days) // _MONTHS


# Of one number numpy makes ten times the work of a look-up.
@lru_cache(maxsize=4_096)
def period(day: int, grain: Grain) -> int:
    """Return the period that holds a day."""
    return int(periods(np.array([day]), grain)[0])


def first_days(numbers: Ints, grain: Grain) -> Days:
    """Return the first day of some periods."""
    match grain:
        case Grain.DAY:
            return numbers.astype(np.int32)
        case Grain.WEEK:
            return (numbers * _WEEK_DAYS - _MONDAY_SHIFT).astype(np.int32)
        case Grain.MONTH:
            return _first_of_months(numbers)
        case Grain.QUARTER:
            return _first_of_months(numbers * _MONTHS_IN_QUARTER)
        case Grain.YEAR:
            return _first_of_months(numbers * _MONTHS)


@lru_cache(maxsize=4_096)
def first_day(number: int, grain: Grain) -> int:
    """Return the first day of a period."""
    return int(first_days(np.array([number], np.int64), grain)[0])


def year_before(numbers: Ints, grain: Grain) -> tuple[npt.NDArray[np.int64], Flags]:
    """Return the same periods of the year before, and which of them exist.

    A week is that of the same number in the ISO year before; 29 February and week 53 may have none.
    """
    wide = numbers.astype(np.int64)
    everywhere = np.ones(len(wide), np.bool_)
    match grain:
        case Grain.DAY:
            return _day_before(wide)
        case Grain.WEEK:
            return _week_before(wide)
        case Grain.MONTH:
            return wide - _MONTHS, everywhere
        case Grain.QUARTER:
            return wide - _QUARTERS, everywhere
        case Grain.YEAR:
            return wide - 1, everywhere


def _months(days: Ints) -> npt.NDArray[np.int64]:
    return days.astype("M8[D]").astype("M8[M]").astype(np.int64)


def _first_of_months(months: Ints) -> Days:
    return months.astype("M8[M]").astype("M8[D]").astype(np.int64).astype(np.int32)


def _day_before(days: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Flags]:
    months = _months(days)
    before = _first_of_months(months - _MONTHS) + (days - _first_of_months(months))
    return before, _months(before) == months - _MONTHS


def _week_before(weeks: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Flags]:
    years = _iso_years(weeks)
    before = _first_weeks(years - 1) + (weeks - _first_weeks(years))
    return before, _iso_years(before) == years - 1


def _iso_years(weeks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # A week belongs to the year of its Thursday, and Thursdays are the multiples of seven.
    return _months(weeks * _WEEK_DAYS) // _MONTHS


def _first_weeks(years: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    fourth = _first_of_months(years * _MONTHS).astype(np.int64) + _MONDAY_SHIFT
    return (fourth + _MONDAY_SHIFT) // _WEEK_DAYS
