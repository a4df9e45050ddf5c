"""Columns of text with exact numbers: filter, order, group.

Every column keeps its distinct values once and a code for each row. So a filter is decided once
for each distinct value, an order by the ranks of the values, and a million rows stay quick.
Numbers stay decimal text from end to end: a float would lose digits that the real service keeps.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any as Anything

import numpy as np
import numpy.typing as npt

from demo.tenant.filters import All, Any, Call, Compare, Expression, Not

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.int64]

JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_KEY_SPACE = 2**62

_COMPARE: dict[str, Callable[[Anything, Anything], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
}
_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


@dataclass(frozen=True, eq=False)
class Column:
    """One column: distinct values and, for each row, which of them it holds.

    A numeric column may hold text that is no number, so that a test can plant one. `cache` holds
    what was made of the values; columns of the same values share it, so a cut costs no new sort.
    """

    name: str
    codes: Codes
    values: Sequence[str | None]
    numeric: bool = False
    cache: dict[object, Anything] = field(default_factory=dict, repr=False)

    @property
    def decimals(self) -> list[Decimal | None]:
        """The distinct values as numbers; `None` for null and for text that is no number."""
        found: list[Decimal | None] = self._made("decimals", self._read_decimals)
        return found

    @property
    def ranks(self) -> Keys:
        """The place of each distinct value in ascending order; nulls first, equals share one."""
        found: Keys = self._made("ranks", self._read_ranks)
        return found

    def _made(self, what: str, make: Callable[[], Anything]) -> Anything:  # noqa: ANN401 - a cache
        """Return what was made of the values before, or make it."""
        if what not in self.cache:
            self.cache[what] = make()
        return self.cache[what]

    def _read_decimals(self) -> list[Decimal | None]:
        """Read every value that is a number."""
        return [
            Decimal(v) if v is not None and JSON_NUMBER.fullmatch(v) else None for v in self.values
        ]

    def _read_ranks(self) -> Keys:
        """Sort the values."""
        numbers = self.decimals if self.numeric else [None] * len(self.values)
        keys = [_sort_key(text, number) for text, number in zip(self.values, numbers, strict=True)]
        places = {key: place for place, key in enumerate(sorted(set(keys)))}
        return np.fromiter((places[key] for key in keys), np.int64, len(keys))

    def take(self, rows: Codes) -> "Column":
        """Return the column cut to these rows."""
        return Column(self.name, self.codes[rows], self.values, self.numeric, self.cache)

    def texts(self) -> list[str | None]:
        """Return the value of every row."""
        return [self.values[code] for code in self.codes.tolist()]


def _sort_key(text: str | None, number: Decimal | None) -> tuple[int, Decimal, str]:
    """Sort nulls first, then numbers, then text."""
    if number is not None:
        return 1, number, ""
    return (0, Decimal(0), "") if text is None else (2, Decimal(0), text)


def encode(name: str, values: Iterable[str | None], *, numeric: bool = False) -> Column:
    """Make a column of one value for each row."""
    seen: dict[str | None, int] = {}
    codes = [seen.setdefault(value, len(seen)) for value in values]
    return Column(name, np.array(codes, np.int32), tuple(seen), numeric)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as columns of one length."""

    columns: tuple[Column, ...]
    length: int

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    def records(self, rows: Codes, names: Sequence[str]) -> list[tuple[str | None, ...]]:
        """Return the values of some columns, row by row."""
        texts = [self.by_name[name].take(rows).texts() for name in names]
        return list(zip(*texts, strict=True)) if texts else [()] * len(rows)

    def take(self, rows: Codes) -> "Table":
        """Return the table cut to these rows."""
        return Table(tuple(column.take(rows) for column in self.columns), len(rows))

    def where(self, condition: Expression | None) -> Codes:
        """Return the rows that meet a condition, in stored order."""
        if condition is None:
            return np.arange(self.length, dtype=np.int32)
        return np.flatnonzero(self._mask(condition)).astype(np.int32)

    def order(self, rows: Codes, keys: Sequence[tuple[str, bool]]) -> Codes:
        """Return the rows in the order of the keys; rows that tie keep their order."""
        if not keys:
            return rows
        columns = [(self.by_name[name], descending) for name, descending in keys]
        key = _combine(
            (
                (ranks.max(initial=0) - ranks if descending else ranks)[column.codes[rows]],
                int(ranks.max(initial=0)) + 1,
            )
            for column, descending in columns
            for ranks in (column.ranks,)
        )
        return rows[np.argsort(key, kind="stable")]

    def group(self, rows: Codes, names: Sequence[str]) -> "Table":
        """Sum the numeric columns among `names` for each combination of the others.

        Groups stand in the order in which they first appear: the real service promises none.
        A group of nulls sums to null; text that is no number spoils its group and shows.
        """
        parts = [self.by_name[name] for name in names]
        key = _combine(
            (
                (part.ranks[part.codes[rows]], int(part.ranks.max(initial=0)) + 1)
                for part in parts
                if not part.numeric
            ),
            len(rows),
        )
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        appearance = np.argsort(first, kind="stable")
        by_group = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[by_group], np.arange(len(first)))
        columns = [
            _sums(part, part.codes[rows][by_group], starts, appearance)
            if part.numeric
            else part.take(rows[first[appearance]])
            for part in parts
        ]
        return Table(tuple(columns), len(first))

    def _mask(self, condition: Expression) -> Mask:
        """Decide a condition for every row."""
        match condition:
            case Not(term):
                return ~self._mask(term)
            case All(terms):
                both: Mask = np.logical_and.reduce([self._mask(term) for term in terms])
                return both
            case Any(terms):
                either: Mask = np.logical_or.reduce([self._mask(term) for term in terms])
                return either
            case Compare() | Call():
                column = self.by_name[condition.column]
                return _verdicts(column, condition)[column.codes]


# A table and which of its rows count, in their order.
View = tuple[Table, Codes]


def _verdicts(column: Column, condition: Compare | Call) -> Mask:
    """Decide a condition for each distinct value of its column.

    Null follows OData: it equals only null, differs from all else, and is neither less nor greater.
    """
    if isinstance(condition, Call):
        decide = _FUNCTIONS[condition.function]
        found = [text is not None and decide(text, condition.text) for text in column.values]
        return np.array(found, np.bool_)
    values: Sequence[Anything] = column.values
    if column.numeric and condition.value is not None:
        values = column.decimals
    compare, wanted = _COMPARE[condition.operator], condition.value
    if condition.operator in {"eq", "ne"}:
        return np.fromiter((compare(value, wanted) for value in values), np.bool_, len(values))
    if wanted is None:
        return np.zeros(len(values), np.bool_)
    decided = (value is not None and compare(value, wanted) for value in values)
    return np.fromiter(decided, np.bool_, len(values))


def _combine(parts: Iterable[tuple[Keys, int]], length: int = 0) -> Keys:
    """Fold the ranks of several columns into one number for each row that sorts like the tuple.

    Args:
        parts: For each column the ranks of the rows and how many ranks there are.
        length: The number of rows, needed when there is no column at all.
    """
    key: Keys | None = None
    space = 1
    for ranks, size in parts:
        if key is None:
            key, space = ranks, size
            continue
        if space * size > _KEY_SPACE:
            distinct, key = np.unique(key, return_inverse=True)
            space = len(distinct)
        key = key * size + ranks
        space *= size
    return np.zeros(length, np.int64) if key is None else key


def _sums(column: Column, codes: Codes, starts: Keys, appearance: Keys) -> Column:
    """Sum a column exactly over runs of rows that begin at `starts`."""
    exact = [None if number is None else number.as_tuple() for number in column.decimals]
    digits = max((-int(parts.exponent) for parts in exact if parts), default=0)
    digits = max(digits, 0)
    whole = [_scaled(number, digits) if number is not None else 0 for number in column.decimals]
    largest = max((abs(number) for number in whole), default=0)
    fits = largest * max(len(codes), 1) < _KEY_SPACE
    amounts = np.array(whole, np.int64 if fits else object)
    present = np.array([text is not None for text in column.values], np.int64)
    wrong = {
        c: t for c, t in enumerate(column.values) if t is not None and column.decimals[c] is None
    }
    if not len(starts):
        return Column(column.name, np.zeros(0, np.int32), (), numeric=True)
    totals = np.add.reduceat(amounts[codes], starts).tolist()
    counts = np.add.reduceat(present[codes], starts).tolist()
    texts = [
        _text(total, digits) if count else None for total, count in zip(totals, counts, strict=True)
    ]
    if wrong:
        for row in np.flatnonzero(np.isin(codes, list(wrong))).tolist():
            texts[int(np.searchsorted(starts, row, side="right")) - 1] = wrong[int(codes[row])]
    ordered = [texts[place] for place in appearance.tolist()]
    return Column(column.name, np.arange(len(ordered), dtype=np.int32), ordered, numeric=True)


def _scaled(number: Decimal, digits: int) -> int:
    """Return the number times ten to the power of `digits`, exactly in any decimal context."""
    sign, figures, exponent = number.as_tuple()
    power: int = 10 ** (int(exponent) + digits)
    whole = int("".join(map(str, figures))) * power
    return -whole if sign else whole


def _text(whole: int, digits: int) -> str:
    """Write a scaled whole number as decimal text without trailing zeros."""
    if not digits:
        return str(whole)
    sign, text = ("-" if whole < 0 else ""), str(abs(whole)).zfill(digits + 1)
    return sign + f"{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")
