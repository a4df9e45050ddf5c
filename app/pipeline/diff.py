"""Says what changed between two versions of a series, point by point; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from app.exact import total
from app.pipeline.contract import DATE, VALUE, dimensions_of

SHOWN_POINTS: Final = 20
_BEFORE: Final = "before"
_AFTER: Final = "after"


@dataclass(frozen=True, slots=True)
class ChangedPoint:
    """A point that two versions do not share.

    Attributes:
        key: Date and dimensions, by contract name.
        before: The older value; None if the point is new.
        after: The newer value; None if the point is gone.
    """

    key: dict[str, str]
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one kind.

    Attributes:
        count: How many there are.
        first: The first of them, in the order of a series.
    """

    count: int
    first: tuple[ChangedPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesDiff:
    """What changed from one version to another.

    Attributes:
        added: Points that only the second has.
        removed: Points that only the first has.
        changed: Points that both have, with other values.
        unchanged: How many points are the same in both.
        total_before: The exact sum of all values of the first, as a decimal number.
        total_after: The exact sum of all values of the second.
    """

    added: Points
    removed: Points
    changed: Points
    unchanged: int
    total_before: str
    total_after: str


def diff_series(before: pa.Table, after: pa.Table, shown: int = SHOWN_POINTS) -> SeriesDiff:
    """Compare two versions. With other dimensions no point of one is a point of the other.

    Args:
        before: Rows of the contract.
        after: Rows of the contract.
        shown: At most this many points of each kind are listed.
    """
    if dimensions_of(before.schema) == dimensions_of(after.schema):
        both = _joined(before, after)
        is_new, is_gone = pc.is_null(both[_BEFORE]), pc.is_null(both[_AFTER])
        differs = pc.fill_null(pc.not_equal(both[_BEFORE], both[_AFTER]), fill_value=False)
        added, removed = _points(both.filter(is_new), shown), _points(both.filter(is_gone), shown)
        changed = _points(both.filter(differs), shown)
        unchanged = both.num_rows - added.count - removed.count - changed.count
    else:
        added, removed = (
            _points(_alone(after, _AFTER), shown),
            _points(_alone(before, _BEFORE), shown),
        )
        changed, unchanged = Points(0, ()), 0
    return SeriesDiff(
        added=added,
        removed=removed,
        changed=changed,
        unchanged=unchanged,
        total_before=exact_total(before),
        total_after=exact_total(after),
    )


def settled(before: pa.Table, after: pa.Table, tolerance: float) -> pa.Table:
    """Return the rows of the second version, without changes that are none.

    Args:
        before: Rows of the contract.
        after: Rows of the contract, with the same dimensions.
        tolerance: What share of itself a value may be off and still be the same.
    """
    both = _joined(before, after)
    both = both.filter(pc.is_valid(both[_AFTER]))
    then, now = both[_BEFORE], both[_AFTER]
    allowed = pc.multiply(pc.max_element_wise(pc.abs(then), pc.abs(now)), tolerance)
    same = pc.fill_null(pc.less_equal(pc.abs(pc.subtract(now, then)), allowed), fill_value=False)
    columns = both.append_column(VALUE, pc.if_else(same, then, now))
    return columns.select(after.column_names).cast(after.schema)


def exact_total(rows: pa.Table) -> str:
    """Return the exact sum of all values, as a decimal number without an exponent.

    >>> exact_total(pa.table({"value": [0.1, 0.1, 0.1]}))
    '0.3'
    """
    text = f"{total(rows[VALUE]):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _joined(before: pa.Table, after: pa.Table) -> pa.Table:
    keys = [name for name in before.column_names if name != VALUE]
    left, right = _renamed(before, _BEFORE), _renamed(after, _AFTER)
    return left.join(right, keys=keys, join_type="full outer")


def _renamed(rows: pa.Table, value: str) -> pa.Table:
    return rows.rename_columns([value if name == VALUE else name for name in rows.column_names])


def _alone(rows: pa.Table, value: str) -> pa.Table:
    other = _BEFORE if value == _AFTER else _AFTER
    return _renamed(rows, value).append_column(other, pa.nulls(rows.num_rows, pa.float64()))


def _points(rows: pa.Table, shown: int) -> Points:
    keys = [name for name in rows.column_names if name not in {_BEFORE, _AFTER}]
    dimensions = [name for name in keys if name != DATE]
    order = [(name, "ascending") for name in (*dimensions, DATE)]
    if not rows.num_rows or not shown:
        return Points(rows.num_rows, ())
    first = rows.take(pc.select_k_unstable(rows, min(shown, rows.num_rows), order))
    return Points(
        rows.num_rows, tuple(_point(row, [DATE, *dimensions]) for row in first.to_pylist())
    )


def _point(row: dict[str, Any], keys: list[str]) -> ChangedPoint:
    return ChangedPoint({name: str(row[name]) for name in keys}, row[_BEFORE], row[_AFTER])
