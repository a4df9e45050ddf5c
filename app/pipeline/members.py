"""What the members of a dimension are: how many points each has, and from when to when. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from app.pipeline.contract import DATE


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """One member of a dimension in a series.

    Attributes:
        id: Its id, as filters write it.
        label: Its text for people; empty if it has none.
        points: Points of the series that are its own.
        min_date: First of their dates.
        max_date: Last of their dates.
    """

    id: str
    label: str
    points: int
    min_date: date
    max_date: date


def count_members(
    rows: pa.Table, dimension: str, labels: Mapping[str, str]
) -> tuple[MemberFacts, ...]:
    """Return the members of a dimension, sorted by id as its rows are.

    Args:
        rows: The rows of a series.
        dimension: A column of it.
        labels: Texts of members by id.
    """
    grouped = rows.group_by(dimension).aggregate([(DATE, "count"), (DATE, "min"), (DATE, "max")])
    facts = grouped.take(pc.sort_indices(grouped, [(dimension, "ascending")])).to_pydict()
    columns = (facts[dimension], *(facts[f"{DATE}_{kind}"] for kind in ("count", "min", "max")))
    return tuple(
        MemberFacts(member, labels.get(member, ""), count, first, last)
        for member, count, first, last in zip(*columns, strict=True)
    )


def having(rows: pa.Table, dimension: str, members: Collection[str]) -> pa.Table:
    """Return the rows that have one of some members."""
    return rows.filter(pc.is_in(rows[dimension], pa.array(members, pa.string())))


def searched(members: Sequence[MemberFacts], text: str) -> tuple[MemberFacts, ...]:
    """Return the members whose id or label holds a text, whatever the case of its letters.

    >>> day = date(2026, 1, 1)
    >>> europe, asia = (MemberFacts(i, t, 1, day, day) for i, t in (("EU", "Europe"), ("AS", "")))
    >>> [member.id for member in searched([europe, asia], "ROP")]
    ['EU']
    """
    wanted = text.casefold()
    return tuple(m for m in members if wanted in m.id.casefold() or wanted in m.label.casefold())
