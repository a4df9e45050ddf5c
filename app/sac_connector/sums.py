"""Sums by date and member, exact: what the tenant adds up is held against what was read; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from app.exact import added, number, read

# Sum by the members of one column, as the tenant writes it; and all of these by column.
Totals = Mapping[str | None, str | None]
AllTotals = Mapping[str, Totals]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What tells two states of the data apart.

    Attributes:
        count: Rows; None if the tenant does not say.
        totals: Sums by date and by each kept dimension, as the tenant adds them up; None if
            that was not asked.
    """

    count: int | None = None
    totals: AllTotals | None = None

    def differs(self, after: Snapshot) -> bool:
        """Whether what both of them know is not the same."""
        if None not in (self.count, after.count) and self.count != after.count:
            return True
        return None not in (self.totals, after.totals) and self.totals != after.totals

    def compared(self, after: Snapshot) -> str:
        """Return the most that both of them know: `sums`, `count` or `none`."""
        if None not in (self.totals, after.totals):
            return "sums"
        return "none" if None in (self.count, after.count) else "count"


class ReadSums:
    """Adds up the rows of a pull by the members of each of some columns.

    Args:
        columns: The columns.
        measure: The column of the values.
    """

    def __init__(self, columns: Sequence[str], measure: str) -> None:
        self._measure = measure
        self._sums: dict[str, defaultdict[str | None, Decimal]] | None = {
            column: defaultdict(Decimal) for column in columns
        }

    def add(self, rows: pa.Table) -> None:
        """Add the rows of a page; a value that is no number ends the comparison.

        The pipeline will refuse that value, and name its place.
        """
        if self._sums is None:
            return
        values = read(rows[self._measure].combine_chunks())
        if values.bad is not None:
            self._sums = None
            return
        for column, sums in self._sums.items():
            page = pa.table({"member": rows[column], "value": values.usual})
            for found in page.group_by("member").aggregate([("value", "sum")]).to_pylist():
                sums[found["member"]] = added(
                    sums[found["member"]], found["value_sum"] or Decimal(0)
                )
            for place, value in values.odd.items():
                member = rows[column][place].as_py()
                sums[member] = added(sums[member], value)

    def lacks_a_member(self, totals: AllTotals) -> bool:
        """Whether the tenant has other dates or members than were read."""
        return self._sums is not None and any(
            set(sums) != set(totals[column]) for column, sums in self._sums.items()
        )

    def differs(self, totals: AllTotals) -> bool:
        """Whether a date or member has another sum than the tenant says; never of no numbers."""
        if self._sums is None:
            return False
        pairs = [
            (number(text or "0"), sums.get(member))
            for column, sums in self._sums.items()
            for member, text in totals[column].items()
        ]
        return all(told is not None for told, _ in pairs) and any(
            told != summed for told, summed in pairs
        )


def adds_up(totals: Totals, whole: str | None) -> bool:
    """Whether sums are sums, and not maxima or last values: they give the whole.

    Of a single one nobody can tell.
    """
    parts = [number(text or "0") for text in totals.values()]
    known = [part for part in parts if part is not None]
    return len(parts) == len(known) > 1 and added(*known) == number(whole or "0")
