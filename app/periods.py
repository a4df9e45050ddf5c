"""Grains: how a source writes a date, and the first day of the period that it means."""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import GrainError
from app.records import Grain, Window

GRAINS = tuple(Grain)
ID_FORMS = {
    Grain.DAY: "YYYYMMDD",
    Grain.WEEK: "YYYYWW",
    Grain.MONTH: "YYYYMM",
    Grain.QUARTER: "YYYYQ",
    Grain.YEAR: "YYYY",
}
UNASSIGNED = "#"

_ID_LENGTHS = {len(form) for form in ID_FORMS.values()}
_ISO_FORM = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UNUSED_FORM = re.compile(r"0{4,8}")
_QUARTERS = 4
_MONTHS_IN_QUARTER = 3


class SkipReason(StrEnum):
    """Why a record is left out of a series; each is counted, none is silent."""

    DATE_UNASSIGNED = "date_unassigned"
    DATE_UNUSED = "date_unused"
    DATE_MISSING = "date_missing"
    DATE_UNPARSABLE = "date_unparsable"
    VALUE_NULL = "value_null"


def is_finer(grain: Grain, other: Grain) -> bool:
    """Return whether `grain` is a shorter period than `other`."""
    return GRAINS.index(grain) < GRAINS.index(other)


def period_start(day: date, grain: Grain) -> date:
    """Return the first day of the period that holds `day`; a week starts on its Monday."""
    match grain:
        case Grain.DAY:
            return day
        case Grain.WEEK:
            return day - timedelta(days=day.weekday())
        case Grain.MONTH:
            return day.replace(day=1)
        case Grain.QUARTER:
            return date(day.year, day.month - (day.month - 1) % _MONTHS_IN_QUARTER, 1)
        case Grain.YEAR:
            return date(day.year, 1, 1)


def period_starts(days: pa.ChunkedArray, grain: Grain) -> pa.ChunkedArray:
    """Return the first day of every day's period, as `period_start` does; null stays null."""
    floored = pc.floor_temporal(days, unit=grain.value, week_starts_monday=True)
    return floored.cast(pa.date32())


def parse_id(text: str | None, grain: Grain) -> date | SkipReason:
    """Read a date as a source writes it: the id form of the grain, or an ISO date.

    Args:
        text: The id; null and blank mean that there is no date.
        grain: The grain of the dataset.

    Returns:
        The first day of the period, or the reason to skip the record.

    Raises:
        GrainError: The id is a period of another grain, or has the form of a date and names
            none that exists.
    """
    if text is None or not text.strip():
        return SkipReason.DATE_MISSING
    if text == UNASSIGNED:
        return SkipReason.DATE_UNASSIGNED
    if _UNUSED_FORM.fullmatch(text):
        return SkipReason.DATE_UNUSED
    if _ISO_FORM.fullmatch(text):
        day = _iso_date(text)
        if day is None:
            raise _impossible(text, grain)
        return period_start(day, grain)
    return _parse_digits(text, grain)


def day_of(text: str, start: date) -> date:
    """Return the day that a date names: itself if it is an ISO date, else its period's first.

    Args:
        text: A date that `parse_id` could read.
        start: What it made of it.
    """
    day = _iso_date(text) if _ISO_FORM.fullmatch(text) else None
    return day or start


def id_of(day: date, grain: Grain) -> str:
    """Return the id of the period that holds `day`; the inverse of `parse_id`."""
    match grain:
        case Grain.DAY:
            return f"{day.year:04}{day.month:02}{day.day:02}"
        case Grain.WEEK:
            iso = day.isocalendar()
            return f"{iso.year:04}{iso.week:02}"
        case Grain.MONTH:
            return f"{day.year:04}{day.month:02}"
        case Grain.QUARTER:
            return f"{day.year:04}{(day.month - 1) // _MONTHS_IN_QUARTER + 1}"
        case Grain.YEAR:
            return f"{day.year:04}"


def next_period(day: date, grain: Grain) -> date:
    """Return the first day of the period after the one that holds `day`.

    Raises:
        OverflowError: The next period lies after the year 9999.
    """
    longest = {Grain.DAY: 1, Grain.WEEK: 7, Grain.MONTH: 31, Grain.QUARTER: 92, Grain.YEAR: 366}
    return period_start(period_start(day, grain) + timedelta(days=longest[grain]), grain)


def window_start(today: date, window: Window, grain: Grain) -> date:
    """Return the first day of a window that ends with the present period.

    Args:
        today: The present day.
        window: How many periods, the present one included.
        grain: The grain of the series; the window starts with a whole period of it.
    """
    day = period_start(today, window.grain)
    for _ in range(window.count - 1):
        if day.toordinal() == 1:
            break
        day = period_start(day - timedelta(days=1), window.grain)
    return period_start(day, grain)


def _parse_digits(text: str, grain: Grain) -> date | SkipReason:
    if not (text.isascii() and text.isdigit()):
        return SkipReason.DATE_UNPARSABLE
    day = _day_of_id(text, grain)
    if day is not None:
        return day
    fitting = [other for other in GRAINS if _day_of_id(text, other) is not None]
    if fitting:
        raise _other_grain(text, grain, fitting)
    if len(text) in _ID_LENGTHS:
        raise _impossible(text, grain)
    return SkipReason.DATE_UNPARSABLE


def _day_of_id(text: str, grain: Grain) -> date | None:
    """Return the first day of a digit id, None if it is no id of this grain."""
    if len(text) != len(ID_FORMS[grain]):
        return None
    try:
        return _first_day(int(text[:4]), text[4:], grain)
    except ValueError:
        return None


def _first_day(year: int, rest: str, grain: Grain) -> date:
    match grain:
        case Grain.DAY:
            return date(year, int(rest[:2]), int(rest[2:]))
        case Grain.WEEK:
            return date.fromisocalendar(year, int(rest), 1)
        case Grain.MONTH:
            return date(year, int(rest), 1)
        case Grain.QUARTER:
            return date(year, int(rest) * _MONTHS_IN_QUARTER - 2, 1)
        case Grain.YEAR:
            return date(year, 1, 1)


def _iso_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _other_grain(text: str, grain: Grain, fitting: list[Grain]) -> GrainError:
    forms = " or ".join(f"{other} ({ID_FORMS[other]})" for other in fitting)
    return GrainError(
        f"The date id '{text}' is a {forms}, "
        f"but the grain of the dataset is {grain} ({ID_FORMS[grain]}).",
        next_step=f"Set the grain of the dataset to {' or '.join(fitting)}, "
        "or choose another date column.",
    )


def _impossible(text: str, grain: Grain) -> GrainError:
    return GrainError(
        f"The date id '{text}' names no period that exists; "
        f"the grain of the dataset is {grain} ({ID_FORMS[grain]} or YYYY-MM-DD).",
        next_step="Correct the date in the source, or choose another date column or grain.",
    )
