"""Reads the ends of a window: days and the periods that stand for their first and last day."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from app.errors import BadQueryError
from app.periods import next_period
from app.records import Grain

_BOUND_FORM = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?|-[Qq](?P<quarter>[1-4]))?", re.ASCII
)


# The same days are asked for again and again.
@lru_cache(maxsize=4_096)
def parse_start(text: str, parameter: str = "start") -> date:
    """Read the first day of `YYYY-MM-DD`, `YYYY-MM`, `YYYY-Qn` or `YYYY`.

    Args:
        text: The bound as written.
        parameter: Name of the query parameter, for the message.

    Raises:
        BadQueryError: The text has none of these forms, or names no day that exists.
    """
    return _parse_bound(text, parameter)[0]


@lru_cache(maxsize=4_096)
def parse_end(text: str, parameter: str = "end") -> date:
    """Read the last day of `YYYY-MM-DD`, `YYYY-MM`, `YYYY-Qn` or `YYYY`.

    Args:
        text: The bound as written.
        parameter: Name of the query parameter, for the message.

    Raises:
        BadQueryError: The text has none of these forms, or names no day that exists.
    """
    first, unit = _parse_bound(text, parameter)
    try:
        return next_period(first, unit) - timedelta(days=1)
    except OverflowError:
        return date.max


def _parse_bound(text: str, parameter: str) -> tuple[date, Grain]:
    match = _BOUND_FORM.fullmatch(text)
    try:
        if match is not None:
            return _bound(match)
    except ValueError:
        pass
    raise BadQueryError(
        f"{parameter} is '{text[:40]}', which is no date.",
        parameter=parameter,
        next_step="Write it as 2024-03-31, 2024-03, 2024-Q1 or 2024.",
    )


def _bound(match: re.Match[str]) -> tuple[date, Grain]:
    year = int(match["year"])
    if match["quarter"]:
        return date(year, 3 * int(match["quarter"]) - 2, 1), Grain.QUARTER
    if match["day"]:
        return date(year, int(match["month"]), int(match["day"])), Grain.DAY
    if match["month"]:
        return date(year, int(match["month"]), 1), Grain.MONTH
    return date(year, 1, 1), Grain.YEAR
