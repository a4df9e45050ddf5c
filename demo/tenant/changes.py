"""How rows change under a reader: pure functions from table to table."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context

import numpy as np

from demo.tenant.tables import Codes, Column, Table

# More digits than any amount of the tenant has, so that adding one is exact.
_EXACT = Context(prec=400)


@dataclass(frozen=True, slots=True)
class Change:
    """How many rows a planner at work touches, in the order in which it is done.

    Attributes:
        removed: Rows that go, from the front.
        added: Copies of the rows that were first, put in front.
        changed: Rows, spread over the whole table, whose measures each grow by one.
        moved: Rows from the front that go to the end and take the keys of the last row there.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    moved: int = 0


def apply_change(table: Table, change: Change) -> Table:
    """Return the table after a change; whatever a table is too short for does not happen."""
    kept = np.arange(min(change.removed, table.length), table.length)
    rows = np.concatenate([np.arange(min(change.added, table.length)), kept]).astype(np.int32)
    table = table.take(rows)
    if change.changed and table.length:
        places = np.linspace(0, table.length - 1, min(change.changed, table.length))
        table = _grown(table, np.unique(places.astype(np.int32)))
    moved = min(change.moved, max(0, table.length - 1))
    return _moved(table, moved) if moved else table


def _grown(table: Table, rows: Codes) -> Table:
    """Add one to every measure of these rows."""
    columns = [
        _replaced(column, rows, [_one_more(column, code) for code in column.codes[rows].tolist()])
        if column.numeric
        else column
        for column in table.columns
    ]
    return Table(tuple(columns), table.length)


def _one_more(column: Column, code: int) -> str | None:
    """Return a value and one; null becomes one, and text that is no number stays."""
    if column.values[code] is None:
        return "1"
    number = column.decimals[code]
    return column.values[code] if number is None else f"{_EXACT.add(number, 1):f}"


def _replaced(column: Column, rows: Codes, texts: Sequence[str | None]) -> Column:
    """Return a column with other values in some rows."""
    codes = column.codes.copy()
    codes[rows] = np.arange(len(texts)) + len(column.values)
    return Column(column.name, codes, (*column.values, *texts), column.numeric)


def _moved(table: Table, count: int) -> Table:
    """Put the first rows behind the last one, under its keys."""
    order = np.roll(np.arange(table.length, dtype=np.int32), -count)
    columns: list[Column] = []
    for column in table.columns:
        codes = column.codes[order]
        if not column.numeric:
            codes[-count:] = column.codes[-1]
        columns.append(Column(column.name, codes, column.values, column.numeric, column.cache))
    return Table(tuple(columns), table.length)
