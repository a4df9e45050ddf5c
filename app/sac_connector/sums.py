"""Sums by date, exact: what the tenant adds up is held against what was read; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Final

import pyarrow as pa

# Sum by date id, as the tenant writes it.
Totals = Mapping[str | None, str | None]

_EXACT: Final = pa.decimal256(76, 30)
_WIDE: Final = Context(prec=160)


class DateSums:
    """Adds up the rows of a pull by date.

    Args:
        date: The date column.
        measure: The column of the values.
    """

    def __init__(self, date: str, measure: str) -> None:
        self._date = date
        self._measure = measure
        self._sums: dict[str | None, Decimal] | None = defaultdict(Decimal)

    def add(self, rows: pa.Table) -> None:
        """Add the rows of a page; a value that is no number ends the comparison.

        The pipeline will refuse that value, and name its place.
        """
        if self._sums is None:
            return
        try:
            exact = rows[self._measure].cast(_EXACT)
        except pa.ArrowInvalid:
            self._sums = None
            return
        page = pa.table({"date": rows[self._date], "value": exact})
        for found in page.group_by("date").aggregate([("value", "sum")]).to_pylist():
            value = found["value_sum"] or Decimal(0)
            self._sums[found["date"]] = _WIDE.add(self._sums[found["date"]], value)

    def lacks_a_date(self, totals: Totals) -> bool:
        """Whether the tenant has other dates than were read."""
        return self._sums is not None and set(self._sums) != set(totals)

    def differs(self, totals: Totals) -> bool:
        """Whether a date has another sum than the tenant says, if its text is a number."""
        if self._sums is None:
            return False
        try:
            return any(_number(text) != self._sums.get(date) for date, text in totals.items())
        except InvalidOperation:
            return False


def adds_up(totals: Totals, whole: str | None) -> bool:
    """Whether the sums by date are sums, and not maxima or last values: they give the whole.

    Of a single date nobody can tell.
    """
    try:
        total = Decimal(0)
        for text in totals.values():
            total = _WIDE.add(total, _number(text))
        return len(totals) > 1 and total == _number(whole)
    except InvalidOperation:
        return False


def _number(text: str | None) -> Decimal:
    return _WIDE.create_decimal(text or "0")
