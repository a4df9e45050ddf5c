"""What a query may cost: rows, and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.errors import QueryTooLargeError

MAX_ROWS: Final = 5_000_000


def _never() -> None:
    """Do not stop a query."""


@dataclass(frozen=True, slots=True)
class Guards:
    """The limits of one query.

    Attributes:
        max_rows: Most rows that an answer, or what it is cut from after filling, may have.
        check: Called between the steps of a query; raises once it has taken too long.
    """

    max_rows: int = MAX_ROWS
    check: Callable[[], None] = _never

    def refuse_beyond(self, rows: int, *, filled: bool = False) -> None:
        """Refuse an answer with too many rows.

        Args:
            rows: How many it would have.
            filled: Whether gaps are filled to get there.

        Raises:
            QueryTooLargeError: There are too many.
        """
        if rows <= self.max_rows:
            return
        what = "Filling every gap makes" if filled else "The answer has"
        how = (
            "Ask for a shorter window (start, end, last), fewer keys (dim_<name>=, group_by), or "
            "a coarser grain."
            if filled
            else "Ask for pages (limit, cursor), a shorter window (start, end, last), fewer "
            "members (dim_<name>=) or dimensions (group_by), or a coarser grain."
        )
        raise QueryTooLargeError(
            f"{what} {rows:,} rows, and at most {self.max_rows:,} are served at once.",
            next_step=how,
        )
