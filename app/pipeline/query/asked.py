"""What a caller wants to see of a series, and whether that makes sense by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from app.errors import BadQueryError
from app.records import Grain


class Aggregation(StrEnum):
    """How the stored dates of one period of the answer become its value."""

    SUM = "sum"
    AVG = "avg"
    LAST = "last"
    MIN = "min"
    MAX = "max"
    COUNT = "count"  # of the stored points


class Fill(StrEnum):
    """What stands in a period that has no value."""

    NULL = "null"
    ZERO = "zero"
    CARRY = "carry"  # the last value before it


class Transform(StrEnum):
    """What is shown in place of the values."""

    CHANGE = "change"  # against the period before
    PCT_CHANGE = "pct_change"  # the same as a fraction
    YOY = "yoy"  # against the same period of the year before, as a fraction
    CUMULATIVE = "cumulative"  # the sum since the first period of the window


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column to sort by.

    Attributes:
        column: `date`, `value`, or a dimension as `dim_region` or `region`.
        descending: Largest first.
    """

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """What a caller wants to see.

    Attributes:
        start: First day, inclusive; None for no bound. A stored period is in the window if its
            first day is.
        end: Last day, inclusive; None for no bound.
        first: So many periods of the answer, from the oldest that is selected; None for all.
        last: So many periods of the answer, up to the newest that is selected; None for all.
        grain: Grain of the answer; None for the stored one.
        group_by: Dimensions to keep, as `dim_region` or `region`; None for all, empty for none.
        filters: Members to keep, by dimension; a row must match all dimensions.
        excluded: Members to leave out, by dimension.
        prefixes: Beginnings of the members to keep, by dimension.
        agg: How dates are combined; None for the dataset's own rule.
        fill: What stands in periods without a value; None to leave them out.
        transform: What is shown in place of the values; None for the values.
        sort: The order; ties, and what is not named, by dimensions, then date.
        limit: Most rows to return; None for all.
        cursor: Where the page before ended; None for the first page.
    """

    start: date | None = None
    end: date | None = None
    first: int | None = None
    last: int | None = None
    grain: Grain | None = None
    group_by: tuple[str, ...] | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    agg: Aggregation | None = None
    fill: Fill | None = None
    transform: Transform | None = None
    sort: tuple[SortKey, ...] = ()
    limit: int | None = None
    cursor: str | None = None

    def with_others(
        self, start: date | None, end: date | None, filters: Mapping[str, tuple[str, ...]]
    ) -> SeriesQuery:
        """Return the same query of other days and members; `replace` takes twice as long."""
        return SeriesQuery(
            start=start,
            end=end,
            first=self.first,
            last=self.last,
            grain=self.grain,
            group_by=self.group_by,
            filters=filters,
            excluded=self.excluded,
            prefixes=self.prefixes,
            agg=self.agg,
            fill=self.fill,
            transform=self.transform,
            sort=self.sort,
            limit=self.limit,
            cursor=self.cursor,
        )


def check_alone(query: SeriesQuery) -> None:
    """Check what can be told without the series.

    Raises:
        BadQueryError: Two parameters contradict each other, or a number is too small.
    """
    if query.start is not None and query.end is not None and query.start > query.end:
        raise BadQueryError(
            f"start ({query.start}) lies after end ({query.end}).",
            parameter="start",
            next_step="Swap them, or leave one out.",
        )
    if query.first is None and query.last is None and query.limit is None:
        return
    if query.first is not None and query.last is not None:
        raise BadQueryError(
            "Both 'first' and 'last' are given.", parameter="first", next_step="Give one."
        )
    for name, number in (("first", query.first), ("last", query.last)):
        if number is not None and number < 1:
            raise BadQueryError(
                f"{name} is {number}.", parameter=name, next_step="Ask for at least 1 period."
            )
    if query.limit is not None and query.limit < 1:
        raise BadQueryError(
            f"limit is {query.limit}.", parameter="limit", next_step="Ask for at least 1 row."
        )


def parse_sort(text: str) -> tuple[SortKey, ...]:
    """Read columns separated by commas, each with a minus for the largest first.

    >>> parse_sort("date,-value")
    (SortKey(column='date', descending=False), SortKey(column='value', descending=True))

    Raises:
        BadQueryError: A name is missing.
    """
    keys = [
        SortKey(part.removeprefix("-").strip(), part.startswith("-"))
        for part in map(str.strip, text.split(","))
    ]
    if not all(key.column for key in keys):
        raise BadQueryError(
            f"sort is '{text[:80]}', in which a name is missing.",
            parameter="sort",
            next_step="Write it as in date,-value.",
        )
    return tuple(keys)
