"""Compares what a tenant adds up with the sum of its records, point by point; pure."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from app.pipeline.contract import DATE, VALUE
from app.records import Difference, Verification

SHOWN_DIFFERENCES: Final = 20
_OTHER: Final = "other"
_MAGNITUDE: Final = "magnitude"


def compare(
    aggregates: pa.Table,
    facts: pa.Table,
    magnitudes: pa.Table | None = None,
    tolerance: float | None = None,
) -> Verification:
    """Compare two pulls of one dataset.

    Args:
        aggregates: The series as the tenant added it up.
        facts: The series as its records add up. Both have the same columns.
        magnitudes: The series that the absolute values of the records add up to.
        tolerance: How far apart two values may be to count as the same, as a share of their
            magnitude; None if they must be equal.

    Returns:
        What differs: by value, or because only one of them has the point.
    """
    keys = [name for name in facts.column_names if name != VALUE]
    both = facts.join(_renamed(aggregates, _OTHER), keys=keys, join_type="full outer")
    same = pc.equal(both[VALUE], both[_OTHER])
    if magnitudes is not None and tolerance is not None:
        both = both.join(_renamed(magnitudes, _MAGNITUDE), keys=keys, join_type="left outer")
        apart = pc.abs(pc.subtract(both[VALUE], both[_OTHER]))
        same = pc.less_equal(apart, pc.multiply(both[_MAGNITUDE], tolerance))
    differing = both.filter(pc.invert(pc.fill_null(same, fill_value=False)))
    ordered = differing.sort_by([(name, "ascending") for name in (*keys[1:], DATE)])
    first = ordered.slice(0, SHOWN_DIFFERENCES).to_pylist()
    return Verification(
        points=both.num_rows,
        differing=differing.num_rows,
        differences=tuple(_difference(row, keys) for row in first),
    )


def _renamed(rows: pa.Table, value: str) -> pa.Table:
    return rows.rename_columns([value if name == VALUE else name for name in rows.column_names])


def _difference(row: dict[str, Any], keys: list[str]) -> Difference:
    return Difference(
        key={name: str(row[name]) for name in keys}, aggregates=row[_OTHER], facts=row[VALUE]
    )
