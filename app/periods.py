"""Grains: how a source writes a date, and the first day of the period that it means."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import GrainError, shortened
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
# What stands around a text unseen: blanks, zero-width ones, and a byte order mark.
_UNSEEN = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200c\u200d\u2060\ufeff"
# Zeros alone, in whatever form of a date: SAP's initial date.
_UNUSED_FORM = re.compile(r"(?=[^0]*0)[0TZ:./\s-]+", re.IGNORECASE)
# A day, or a moment of it: ISO 8601 and what else begins with the year.
_MOMENT_FORM = re.compile(
    r"(?P<year>[0-9]{4})(?P<mark>[-/.]?)(?P<month>[0-9]{2})(?P=mark)(?P<day>[0-9]{2})"
    r"(?:(?:T|\s+|(?<=[0-9]{8})(?=[0-9]{6}\Z))"
    r"(?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]+))?)?"
    r"\s?)?(?P<zone>Z|UTC|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?",
    re.IGNORECASE,
)
_WEEKDAY_FORM = re.compile(r"([0-9]{4})-?W([0-9]{2})-?([0-9])", re.IGNORECASE)
# Milliseconds since 1970, as OData V2 writes them.
_EPOCH_FORM = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-]0000)?\)/")
_EPOCH = datetime.combine(date(1970, 1, 1), time.min)
# A period that says what it is, by a letter or by the order of its parts.
_PERIOD_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?P<year>[0-9]{4})[-/. _]?(?:(?P<unit>[QM]|[CK]?W)(?P<number>[0-9]{1,2}))",
        r"(?P<unit>[QM]|[CK]?W)(?P<number>[0-9]{1,2})[-/. _]?(?P<year>[0-9]{4})",
        r"(?P<number>[0-9])(?P<unit>Q)[-/. _]?(?P<year>[0-9]{4})",
        r"(?P<year>[0-9]{4})[-/.](?P<number>[0-9]{2})(?P<unit>)",
        r"(?P<number>[0-9]{2})[-/.](?P<year>[0-9]{4})(?P<unit>)",
    )
)
_UNITS = {"q": Grain.QUARTER, "w": Grain.WEEK, "m": Grain.MONTH, "": Grain.MONTH}
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


def absence(text: str | None) -> SkipReason | None:
    """Return why a text stands for no date at all; None if it may stand for one."""
    bare = _bare(text)
    if not bare:
        return SkipReason.DATE_MISSING
    if bare == UNASSIGNED:
        return SkipReason.DATE_UNASSIGNED
    return SkipReason.DATE_UNUSED if _UNUSED_FORM.fullmatch(bare) else None


def parse_id(text: str | None, grain: Grain) -> date | SkipReason:
    """Read a date as a source writes it, if that can mean one thing only.

    That is the id form of the grain, a period that says of which kind it is (`2024-Q3`, `W05.2024`,
    `2024-02`), or a day or moment that begins with the year, which every grain takes.

    Args:
        text: The date; null and blank mean that there is none. Blanks around it do not count.
        grain: The grain of the dataset.

    Returns:
        The first day of the period, or the reason to skip the record.

    Raises:
        GrainError: It is a period of another grain, names none that exists, or may mean several.
    """
    if (reason := absence(text)) is not None:
        return reason
    bare = _bare(text)
    if bare.isascii() and bare.isdigit() and len(bare) in _ID_LENGTHS:
        return _parse_digits(bare, grain)
    try:
        moment = _moment(bare)
        if moment is not None:
            return period_start(moment.date(), grain)
        period = _period(bare)
    except (ValueError, OverflowError):
        raise _impossible(bare, grain) from None
    if period is None:
        # A member that is called in words, and is no date in any form.
        if not any(map(str.isdigit, bare)):
            return SkipReason.DATE_UNPARSABLE
        raise _unclear(bare, grain)
    start, own = period
    if own is not grain:
        raise _other_grain(bare, grain, [own])
    return start


def moment_of(text: str, start: date) -> datetime:
    """Return the moment that a date names: its own if it names one, else its period's first.

    Args:
        text: A date that `parse_id` could read.
        start: What it made of it.
    """
    return _moment(_bare(text)) or datetime.combine(start, time.min)


def names_a_period(text: str, grain: Grain) -> bool:
    """Whether a text is a period of this very grain, and not just a day that lies in one."""
    try:
        read = isinstance(parse_id(text, grain), date)
    except GrainError:
        return False
    bare = _bare(text)
    return read and (len(bare) in _ID_LENGTHS or _moment(bare) is None)


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


def _bare(text: str | None) -> str:
    return (text or "").strip(_UNSEEN)


def _moment(text: str) -> datetime | None:
    """Return the moment that a text names, None if it has no such form.

    Raises:
        GrainError: It may be another day elsewhere.
        ValueError: There is no such moment.
        OverflowError: There is no such moment.
    """
    zoned = False
    if found := _EPOCH_FORM.fullmatch(text):
        moment, zoned = _EPOCH + timedelta(milliseconds=int(found[1])), True
    elif found := _WEEKDAY_FORM.fullmatch(text):
        year, week, day = map(int, found.groups())
        moment = datetime.combine(date.fromisocalendar(year, week, day), time.min)
    elif found := _MOMENT_FORM.fullmatch(text):
        year, month, day = map(int, found.group("year", "month", "day"))
        hour, minute, second = (int(part or 0) for part in found.group("hour", "minute", "second"))
        clock = time(hour, minute, second, int((found["part"] or "")[:6].ljust(6, "0")))
        moment = datetime.combine(date(year, month, day), clock)
        zoned = found["zone"] is not None
    else:
        return None
    if zoned and moment.time() != time.min:
        raise GrainError(
            f"The date '{shortened(text)}' is a moment with a time zone, which is another day in "
            "other zones.",
            next_step="Let the source write the day alone, or choose another date column.",
        )
    return moment


def _period(text: str) -> tuple[date, Grain] | None:
    """Return the first day of a period that says of which kind it is, and that kind.

    Raises:
        ValueError: There is no such period.
    """
    for form in _PERIOD_FORMS:
        if found := form.fullmatch(text):
            grain = _UNITS[found["unit"][-1:].lower()]
            return _first_day(int(found["year"]), found["number"], grain), grain
    return None


def _parse_digits(text: str, grain: Grain) -> date:
    day = _day_of_id(text, grain)
    if day is not None:
        return day
    fitting = [other for other in GRAINS if _day_of_id(text, other) is not None]
    raise _other_grain(text, grain, fitting) if fitting else _impossible(text, grain)


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


def _other_grain(text: str, grain: Grain, fitting: list[Grain]) -> GrainError:
    forms = " or ".join(f"{other} ({ID_FORMS[other]})" for other in fitting)
    return GrainError(
        f"The date '{shortened(text)}' is a {forms}, "
        f"but the grain of the dataset is {grain} ({ID_FORMS[grain]}).",
        next_step=f"Set the grain of the dataset to {' or '.join(fitting)}, "
        "or choose another date column.",
    )


def _impossible(text: str, grain: Grain) -> GrainError:
    return GrainError(
        f"The date '{shortened(text)}' names no period that exists; "
        f"the grain of the dataset is {grain} ({ID_FORMS[grain]} or YYYY-MM-DD).",
        next_step="Correct the date in the source, or choose another date column or grain.",
    )


def _unclear(text: str, grain: Grain) -> GrainError:
    return GrainError(
        f"The date '{shortened(text)}' has no form that can mean one thing only; "
        f"the grain of the dataset is {grain} ({ID_FORMS[grain]} or YYYY-MM-DD).",
        next_step="Correct the date in the source, choose another date column, or name a "
        "date_attribute if the customer manages the dates.",
    )
