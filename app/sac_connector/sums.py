"""Sums by date and member: what the tenant adds up is held against what was read; pure.

Sums of decimals are exact, and are the same or are not. Those of floating-point numbers depend on
the order of the additions, which a tenant may choose anew for each answer: they are the same if
they lie no further apart than additions in any order can bring them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from app.exact import added, number, read

# Sum by the members of one column, as the tenant writes it; and all of these by column.
Totals = Mapping[str | None, str | None]
AllTotals = Mapping[str, Totals]

# How far off one addition may be, as a share of its result (IEEE 754).
UNITS: Final[Mapping[str, float]] = {"Edm.Double": 2.0**-53, "Edm.Single": 2.0**-24}
# Both sums may be written with the digits that are sure alone: 15 of a double, 6 of a single.
_WRITTEN: Final = 90
_STEP: Final = Decimal("5e-324")


def tolerance(unit: float, rows: int) -> float:
    """Return how far two sums may be apart, as a share of the sum of the absolute values.

    Each of them is off by one unit a row at the most, whatever the order of the additions.

    Args:
        unit: How far off one addition may be; 0 for decimals.
        rows: How many numbers are added.
    """
    return unit * (2 * rows + _WRITTEN)


@dataclass(slots=True)
class _Sum:
    """The numbers of one member: their sum, that of their absolute values, and how many."""

    value: Decimal = Decimal(0)
    magnitude: Decimal = Decimal(0)
    rows: int = 0


class ReadSums:
    """Adds up the rows of a pull by the members of each of some columns.

    Args:
        columns: The columns.
        measure: The column of the values.
        unit: How far off one addition of the tenant may be; 0 for decimals.
        records: How many records the tenant added up before; 0 if the rows are the records.
    """

    def __init__(
        self, columns: Sequence[str], measure: str, unit: float = 0.0, records: int = 0
    ) -> None:
        self._measure = measure
        self._unit = unit
        self._records = records
        self._bad = False
        self._sums: dict[str, defaultdict[str | None, _Sum]] = {
            column: defaultdict(_Sum) for column in columns
        }

    def add(self, rows: pa.Table) -> None:
        """Add the rows of a page; a value that is no number ends the comparison.

        The pipeline will refuse that value, and name its place.
        """
        values = read(rows[self._measure].combine_chunks())
        if self._bad or values.bad is not None:
            self._bad = True
            return
        magnitude = [("magnitude", "sum")] if self._unit else []
        wanted = [("value", "sum"), ("value", "count"), *magnitude]
        for column, sums in self._sums.items():
            page = pa.table({"member": rows[column], "value": values.usual})
            if magnitude:
                page = page.append_column("magnitude", pc.abs(values.usual))
            grouped = page.group_by("member").aggregate(wanted)
            for found in grouped.to_pylist():
                part = sums[found["member"]]
                part.value = added(part.value, found["value_sum"] or Decimal(0))
                part.magnitude = added(part.magnitude, found.get("magnitude_sum") or Decimal(0))
                part.rows += found["value_count"]
            for place, value in values.odd.items():
                part = sums[rows[column][place].as_py()]
                part.value = added(part.value, value)
                part.magnitude = added(part.magnitude, value.copy_abs())

    @property
    def tolerance(self) -> float:
        """The largest tolerance of a date."""
        by_date = next(iter(self._sums.values())).values()
        rows = max((part.rows for part in by_date), default=0)
        return tolerance(self._unit, rows + self._records)

    def lacks_a_member(self, totals: AllTotals) -> bool:
        """Whether the tenant has other dates or members than were read."""
        return not self._bad and any(
            set(sums) != set(totals[column]) for column, sums in self._sums.items()
        )

    def differs(self, totals: AllTotals) -> bool:
        """Whether a date or member has another sum than the tenant says; never of no numbers."""
        if self._bad:
            return False
        pairs = [
            (number(text or "0"), sums.get(member, _Sum()))
            for column, sums in self._sums.items()
            for member, text in totals[column].items()
        ]
        known = all(told is not None for told, _ in pairs)
        return known and not all(self._same(told, part.value, part) for told, part in pairs)

    def same(self, totals: AllTotals, others: AllTotals) -> bool:
        """Whether the tenant says the same both times."""
        return all(
            set(said) == set(others[column])
            and all(
                text == others[column][member]
                or self._same(
                    number(text or "0"),
                    number(others[column][member] or "0"),
                    self._sums[column].get(member, _Sum()),
                )
                for member, text in said.items()
            )
            for column, said in totals.items()
        )

    def adds_up(self, column: str, totals: Totals, whole: str | None) -> bool:
        """Whether sums are sums, and not maxima or last values: they give the whole.

        Of a single one nobody can tell.

        Args:
            column: The column that the sums are by.
            totals: The sums.
            whole: The sum of all.
        """
        parts = [number(text or "0") for text in totals.values()]
        known = [part for part in parts if part is not None]
        read_in_all = _Sum(
            magnitude=added(Decimal(0), *(part.magnitude for part in self._sums[column].values())),
            rows=sum(part.rows for part in self._sums[column].values()),
        )
        return len(parts) == len(known) > 1 and self._same(
            added(*known), number(whole or "0"), read_in_all
        )

    def _same(self, one: Decimal | None, other: Decimal | None, of: _Sum) -> bool:
        """Whether two numbers may both be the sum of what was read."""
        if one is None or other is None:
            return False
        # What was read may be a part only, or have been added up before.
        magnitude = max(of.magnitude, one.copy_abs(), other.copy_abs())
        allowed = Decimal(tolerance(self._unit, of.rows + self._records)) * magnitude
        if self._unit:
            # The smallest doubles are rounded by a step of one size, not by a share.
            allowed += _STEP * (of.rows + self._records + 2)
        return added(one, other.copy_negate()).copy_abs() <= allowed


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

    def differs(self, after: Snapshot, read_sums: ReadSums | None = None) -> bool:
        """Whether what both of them know is not the same.

        Args:
            after: The later state.
            read_sums: What was read meanwhile; says how far equal sums may be apart.
        """
        if None not in (self.count, after.count) and self.count != after.count:
            return True
        if self.totals is None or after.totals is None or self.totals == after.totals:
            return False
        return read_sums is None or not read_sums.same(self.totals, after.totals)

    def compared(self, after: Snapshot) -> str:
        """Return the most that both of them know: `sums`, `count` or `none`."""
        if None not in (self.totals, after.totals):
            return "sums"
        return "none" if None in (self.count, after.count) else "count"
