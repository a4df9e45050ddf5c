"""Answers a query slowly and plainly, with pandas and fractions, to compare the engine with.

It shares no code with the engine: rows are lists, sums are fractions, calendars are Python's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from app.pipeline.query import Aggregation, Fill, SeriesQuery, Transform
from app.records import Grain, SeriesMetadata

Key = tuple[str, ...]
Value = Fraction | None
Row = tuple[date, float | None, Key]
FREQUENCIES = {
    Grain.DAY: "D",
    Grain.WEEK: "W-SUN",
    Grain.MONTH: "M",
    Grain.QUARTER: "Q-DEC",
    Grain.YEAR: "Y-DEC",
}


def period_of(day: date, grain: Grain) -> pd.Period:
    """Return the period that holds a day."""
    return pd.Period(day, FREQUENCIES[grain])


def first_day(period: pd.Period) -> date:
    """Return the first day of a period."""
    return period.start_time.date()


def year_before(period: pd.Period, grain: Grain) -> pd.Period | None:
    """Return the same period of the year before; None if there is none."""
    day = first_day(period)
    try:
        if grain is Grain.WEEK:
            year, week, _ = day.isocalendar()
            return period_of(date.fromisocalendar(year - 1, week, 1), grain)
        return period_of(day.replace(year=day.year - 1), grain)
    except ValueError:
        return None


@dataclass
class Oracle:
    """One series and one query.

    Attributes:
        frame: `date`, `value` and the dimensions.
        grain: Grain of the answer.
        rule: How dates are combined.
        query: The query.
    """

    frame: pd.DataFrame
    grain: Grain
    rule: Aggregation
    query: SeriesQuery

    def rows(self) -> list[Row]:
        """Return all rows of the answer, sorted, without the limit."""
        shown = [(first_day(when), self.shown(key, when), key) for key, when in self.places]
        rows = [(day, rounded(value), key) for day, value, key in shown]
        rows.sort(key=lambda row: (row[2], row[0]))
        for sort in reversed(self.query.sort):
            rows = self.sorted_by(rows, sort.column, sort.descending)
        return rows

    def sorted_by(self, rows: list[Row], column: str, descending: bool) -> list[Row]:
        """Return rows sorted by one column; those without a value last."""
        if column == "date":
            return sorted(rows, key=lambda row: row[0], reverse=descending)
        if column == "value":
            sign = -1 if descending else 1
            some = [row for row in rows if row[1] is not None]
            return sorted(some, key=lambda row: sign * (row[1] or 0.0)) + [
                row for row in rows if row[1] is None
            ]
        place = self.kept.index(column)
        if descending:
            return sorted(rows, key=lambda row: row[2][place], reverse=True)
        return sorted(rows, key=lambda row: row[2][place])

    def __post_init__(self) -> None:
        """Select, cut the window, and roll up."""
        frame = self.frame.copy()
        self.dimensions = [name for name in frame.columns if name.startswith("dim_")]
        named = (
            None
            if self.query.group_by is None
            else {
                name if name.startswith("dim_") else f"dim_{name}" for name in self.query.group_by
            }
        )
        self.kept = [name for name in self.dimensions if named is None or name in named]
        exact = [Fraction(repr(value)) for value in frame["value"]]
        frame["value"] = pd.Series(exact, dtype=object)
        periods = [period_of(day, self.grain) for day in frame["date"]]
        frame["period"] = pd.Series(periods, dtype=object)
        self.selected = only(frame, [self.is_selected(row) for row in frame.to_dict("records")])
        self.oldest: Any = min(self.selected["period"], default=None)
        self.low: Any
        self.high: Any
        self.cut_window()
        self.cells = self.rolled_up()

    def is_selected(self, row: Mapping[Hashable, Any]) -> bool:
        """Say whether a stored point matches all filters."""
        query = self.query
        return (
            all(row[full(name)] in members for name, members in query.filters.items())
            and all(row[full(name)] not in members for name, members in query.excluded.items())
            and all(str(row[full(name)]).startswith(some) for name, some in query.prefixes.items())
        )

    def cut_window(self) -> None:
        """Find the periods of the answer, and the stored points that are read for it."""
        query, rows = self.query, self.selected
        first, last = query.start or date.min, query.end or date.max
        inside = only(rows, [first <= day <= last for day in rows["date"]])
        periods = sorted(set(inside["period"]))
        low = None if query.start is None else period_of(first, self.grain)
        high = None if query.end is None else period_of(last, self.grain)
        if query.last is not None and periods:
            high = periods[-1]
            oldest = high - (query.last - 1)
            low = oldest if low is None else max(low, oldest)
        if query.first is not None and periods:
            low = periods[0]
            newest = low + (query.first - 1)
            high = newest if high is None else min(high, newest)
        if (query.last or query.first) and not periods:
            low = high = None
        self.low = low or (periods[0] if periods else None)
        self.high = high or (periods[-1] if periods else None)
        if self.low is None or self.high is None:
            self.low = self.high = None
            self.read = rows[:0]
            return
        begin, end = self.low, self.high
        self.read = only(
            rows,
            [
                when < begin or (first <= day <= last and when <= end)
                for day, when in zip(rows["date"], rows["period"], strict=True)
            ],
        )

    def rolled_up(self) -> dict[tuple[Key, pd.Period], Fraction]:
        """Add up dropped dimensions at each date, then combine the dates of each period."""
        sums: dict[tuple[Key, pd.Period], dict[date, list[Fraction]]] = {}
        for row in self.read.to_dict("records"):
            key = tuple(row[name] for name in self.kept)
            cell = sums.setdefault((key, row["period"]), {})
            cell.setdefault(row["date"], []).append(row["value"])
        return {place: self.combined(cell) for place, cell in sums.items()}

    def combined(self, cell: dict[date, list[Fraction]]) -> Fraction:
        """Combine the dates of one period."""
        by_date = {day: sum(values, Fraction()) for day, values in cell.items()}
        match self.rule:
            case Aggregation.SUM:
                return sum(by_date.values(), Fraction())
            case Aggregation.AVG:
                return sum(by_date.values(), Fraction()) / len(by_date)
            case Aggregation.LAST:
                return by_date[max(by_date)]
            case Aggregation.MIN:
                return min(by_date.values())
            case Aggregation.MAX:
                return max(by_date.values())
            case Aggregation.COUNT:
                return Fraction(sum(map(len, cell.values())))

    @cached_property
    def places(self) -> list[tuple[Key, pd.Period]]:
        """Return the keys and periods that the answer has."""
        if self.low is None:
            return []
        if self.query.fill is None:
            return sorted(place for place in self.cells if place[1] >= self.low)
        keys = {tuple(row[name] for name in self.kept) for row in self.selected.to_dict("records")}
        return [(key, when) for key in sorted(keys) for when in self.every_period()]

    def every_period(self) -> list[pd.Period]:
        """Return the periods from the first to the last of the answer."""
        found, when = [], self.low
        while when <= self.high:
            found.append(when)
            when += 1
        return found

    def filled(self, key: Key, when: pd.Period | None) -> Value:
        """Return what stands at a period once gaps are filled."""
        if when is None:
            return None
        if (key, when) in self.cells:
            return self.cells[key, when]
        if self.query.fill is Fill.CARRY:
            earlier = [period for member, period in self.cells if member == key and period < when]
            return self.cells[key, max(earlier)] if earlier else None
        is_zero = self.query.fill is Fill.ZERO and when >= min(self.low, self.oldest)
        return Fraction() if is_zero else None

    @cached_property
    def sums(self) -> dict[tuple[Key, pd.Period], Fraction]:
        """The sum of each key from the first period of the answer on."""
        sums, running = {}, defaultdict[Key, Fraction](Fraction)
        for key, when in self.places:
            running[key] += self.filled(key, when) or 0
            sums[key, when] = running[key]
        return sums

    def shown(self, key: Key, when: pd.Period) -> Value:
        """Return what the answer shows at a period."""
        now = self.filled(key, when)
        if self.query.transform is None or now is None:
            return now
        if self.query.transform is Transform.CUMULATIVE:
            return self.sums[key, when]
        is_yearly = self.query.transform is Transform.YOY
        before = self.filled(key, year_before(when, self.grain) if is_yearly else when - 1)
        if before is None:
            return None
        if self.query.transform is Transform.CHANGE:
            return now - before
        return None if before == 0 else (now - before) / before


def answered(table: pa.Table, metadata: SeriesMetadata, query: SeriesQuery) -> list[Row]:
    """Return all rows that a query has of a series, without the limit."""
    rule = query.agg or Aggregation(metadata.time_aggregation)
    frame = pd.DataFrame(table.to_pydict())
    return Oracle(frame, query.grain or metadata.grain, rule, query).rows()


def rounded(value: Value) -> float | None:
    """Return the nearest float; None if there is none."""
    try:
        return None if value is None else float(value)
    except OverflowError:
        return None


def full(name: str) -> str:
    """Return the whole name of a dimension."""
    return name if name.startswith("dim_") else f"dim_{name}"


def only(frame: pd.DataFrame, wanted: list[bool]) -> pd.DataFrame:
    """Return some of the rows."""
    return frame.loc[np.array(wanted, bool)]
