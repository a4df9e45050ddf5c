"""Compares what a tenant adds up with the sum of its records, point by point; pure."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from app.pipeline.contract import DATE, VALUE
from app.records import Difference, Verification

SHOWN_DIFFERENCES: Final = 20
_OTHER: Final = "other"


def compare(aggregates: pa.Table, facts: pa.Table) -> Verification:
    """Compare two pulls of one dataset.

    Args:
        aggregates: The series as the tenant added it up.
        facts: The series as its records add up. Both have the same columns.

    Returns:
        What differs: by value, or because only one of them has the point.
    """
    keys = [name for name in facts.column_names if name != VALUE]
    renamed = aggregates.rename_columns(
        [_OTHER if name == VALUE else name for name in aggregates.column_names]
    )
    both = facts.join(renamed, keys=keys, join_type="full outer")
    same = pc.fill_null(pc.equal(both[VALUE], both[_OTHER]), fill_value=False)
    differing = both.filter(pc.invert(same))
    ordered = differing.sort_by([(name, "ascending") for name in (*keys[1:], DATE)])
    first = ordered.slice(0, SHOWN_DIFFERENCES).to_pylist()
    return Verification(
        points=both.num_rows,
        differing=differing.num_rows,
        differences=tuple(_difference(row, keys) for row in first),
    )


def _difference(row: dict[str, Any], keys: list[str]) -> Difference:
    return Difference(
        key={name: str(row[name]) for name in keys}, aggregates=row[_OTHER], facts=row[VALUE]
    )
