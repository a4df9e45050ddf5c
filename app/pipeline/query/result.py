"""What a query found: columns as numpy has them, and an Arrow table of them on request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from app.pipeline.contract import DATE, VALUE, dimensions_of
from app.pipeline.query.calendar import Days, Flags, Ints, day_of
from app.pipeline.query.index import Column, encoded, numbers
from app.pipeline.query.ratios import Floats
from app.records import Grain


@dataclass(slots=True)
class Columns:
    """The rows of an answer by column; the cheapest way to read a few of them.

    Rows of one key have the same members, so that these are noted once for each key. Nobody changes
    one; it is not frozen, because to make a frozen one takes as long as to cut its columns.

    Attributes:
        days: The date of each row, in days since 1970.
        values: The value of each row; 0 where there is none.
        missing: Which rows have no value; None if all have one.
        keys: The key of each row.
        dimensions: The dimensions that were kept.
    """

    days: Days
    values: Floats
    missing: Flags | None
    keys: Ints
    dimensions: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return (DATE, VALUE, *(one.name for one in self.dimensions))

    def part(self, start: int, stop: int) -> Columns:
        """Return some of the rows, counted from 0."""
        rows = slice(start, stop)
        missing = None if self.missing is None else self.missing[rows]
        return Columns(
            self.days[rows], self.values[rows], missing, self.keys[rows], self.dimensions
        )

    def codes(self, column: Column) -> Ints:
        """Return for each row the place of its member."""
        codes: Ints = column.of_keys[self.keys]
        return codes

    def texts(self, column: Column) -> list[str]:
        """Return the member of each row."""
        texts = column.members.texts
        return [texts[code] for code in self.codes(column).tolist()]

    def lists(self) -> list[list[object]]:
        """Return the columns as Python has them: ISO dates, numbers or None, texts."""
        dates: list[object] = [iso_date(day) for day in self.days.tolist()]
        values: list[object] = self.values.tolist()
        if self.missing is not None:
            for place in np.flatnonzero(self.missing).tolist():
                values[place] = None
        return [dates, values, *(list[object](self.texts(one)) for one in self.dimensions)]

    def table(self) -> pa.Table:
        """Return them as an Arrow table; dimensions become dictionaries."""
        arrays = [
            pa.array(self.days, pa.int32()).view(pa.date32()),
            pa.array(self.values, mask=self.missing),
        ]
        fields = [
            pa.field(DATE, pa.date32(), nullable=False),
            pa.field(VALUE, pa.float64(), nullable=self.missing is not None),
        ]
        for column in self.dimensions:
            codes = pa.array(self.codes(column).astype(np.int32))
            # The codes are our own; proving each of them costs more than all else here.
            array = pa.DictionaryArray.from_arrays(codes, column.members.arrow, safe=False)
            arrays.append(array)
            fields.append(pa.field(column.name, array.type, nullable=False))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


class QueryResult:
    """What a query found, as far as the limit goes.

    Attributes:
        total: Rows there are without the limit.
        grain: Grain of the rows.

    Args:
        rows: The rows, as a table or by column; each is made of the other when it is asked for.
        total: Rows there are without the limit.
        grain: Grain of the rows.
    """

    __slots__ = ("_columns", "_table", "grain", "total")

    def __init__(self, rows: pa.Table | Columns, total: int, grain: Grain) -> None:
        self._table = None if isinstance(rows, Columns) else rows
        self._columns = rows if isinstance(rows, Columns) else None
        self.total = total
        self.grain = grain

    def __len__(self) -> int:
        return len(self.columns.days)

    @property
    def rows(self) -> pa.Table:
        """`date`, `value` (null where there is none), and the dimensions, in the order asked."""
        if self._table is None and self._columns is not None:
            self._table = self._columns.table()
        return self._table

    @property
    def columns(self) -> Columns:
        """The same by column."""
        if self._columns is None:
            self._columns = _columns(self._table)
        return self._columns


@lru_cache(maxsize=65_536)
def iso_date(day: int) -> str:
    """Return the ISO date of a day, counted from 1970."""
    return day_of(day).isoformat()


def _columns(table: pa.Table) -> Columns:
    dimensions = []
    for name in dimensions_of(table.schema):
        members, codes = encoded(table[name])
        dimensions.append(Column(name, codes, members))
    value = table[VALUE]
    missing = value.is_null().to_numpy() if value.null_count else None
    values = numbers(value.fill_null(0.0), np.float64)
    # Each row is a key of its own: which are alike is not known here.
    rows = np.arange(table.num_rows)
    return Columns(numbers(table[DATE], np.int32), values, missing, rows, tuple(dimensions))
