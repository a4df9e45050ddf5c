"""Cuts a pull into ranges of dates that can be read side by side; pure."""

from __future__ import annotations

from collections.abc import Sequence

from app.sac_connector.filters import literal


def ranges(column: str, ids: Sequence[str], parts: int) -> list[str]:
    """Return filters that each row with a date meets exactly one of.

    The ranges lie end to end and are open at both ends of time, so dates that are not among the
    ids (new ones, `#`, `0000`) are in one of them as well.

    Args:
        column: The date column.
        ids: Dates that are known to exist, in any order.
        parts: How many ranges to make at the most.

    >>> ranges("Date", ["202401", "202402", "202403", "202404"], 2)
    ["Date lt '202403'", "Date ge '202403'"]
    """
    known = sorted(set(ids))
    parts = min(parts, len(known))
    cuts = [known[len(known) * part // parts] for part in range(1, parts)]
    if not cuts:
        return []
    bounds = [f"{column} ge {literal(cut)}" for cut in cuts]
    ends = [f"{column} lt {literal(cut)}" for cut in cuts]
    middle = [f"{start} and {end}" for start, end in zip(bounds, ends[1:], strict=False)]
    return [ends[0], *middle, bounds[-1]]
