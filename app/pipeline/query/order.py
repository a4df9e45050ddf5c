"""Sorts the rows of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.errors import BadQueryError
from app.pipeline.contract import DATE, DIMENSION_PREFIX, VALUE, nearest_first
from app.pipeline.query.asked import SortKey
from app.pipeline.query.calendar import Flags

_SHOWN: Final = 20


def sort_columns(keys: tuple[SortKey, ...], dimensions: tuple[str, ...]) -> tuple[SortKey, ...]:
    """Return the keys of an order with the names that the answer uses.

    Args:
        keys: The order, in the caller's words.
        dimensions: The dimensions of the answer.

    Raises:
        BadQueryError: A key is no column of the answer, or is named twice.
    """
    columns = (DATE, VALUE, *dimensions)
    found = tuple(SortKey(_column(key.column, columns), key.descending) for key in keys)
    names = [key.column for key in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadQueryError(
            f"sort names '{twice}' more than once.", parameter="sort", next_step="Name it once."
        )
    return found


def ordered(
    columns: Mapping[str, npt.NDArray[Any]], keys: tuple[SortKey, ...], present: Flags | None
) -> npt.NDArray[np.int64]:
    """Return the places of rows in a wanted order; ties stay as they are.

    Args:
        columns: The columns; dimensions as codes that sort as their members do.
        keys: The order.
        present: Which rows have a value; those without come last. None if all have one.
    """
    wanted: list[npt.NDArray[Any]] = []
    for key in keys:
        column = columns[key.column]
        if key.descending:
            column = -column if column.dtype.kind == "f" else -column.astype(np.int64)
        if key.column == VALUE and present is not None:
            column = np.where(present, column, np.inf)
        wanted.append(column)
    return np.lexsort(wanted[::-1])


def _column(name: str, columns: tuple[str, ...]) -> str:
    for candidate in (name, DIMENSION_PREFIX + name):
        if candidate in columns:
            return candidate
    raise BadQueryError(
        f"sort names '{name[:80]}', which is no column of the answer.",
        parameter="sort",
        next_step=f"Columns: {', '.join(nearest_first(name, columns, _SHOWN))}.",
    )
