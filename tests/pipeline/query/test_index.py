"""The index holds the rows of a series, and finds them by key and date."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.query.calendar import FIRST_DAY, LAST_DAY
from app.pipeline.query.index import Members, SeriesIndex, count_of, part_of
from app.records import SeriesMetadata
from tests.pipeline.query.drawing import stored, tables

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), unique=True)
Drawn = tuple[pa.Table, SeriesMetadata]


def keys(index: SeriesIndex) -> list[tuple[str, ...]]:
    """Return the members of each key."""
    columns = [
        [members.texts[code] for code in codes.tolist()]
        for codes, members in zip(index.codes, index.members, strict=True)
    ]
    return list(zip(*columns, strict=True)) if columns else [()] * index.key_count


@given(tables())
def test_the_index_holds_every_row(drawn: Drawn) -> None:
    """Each row is found again under its key, with its date and value."""
    table, _ = drawn
    index = SeriesIndex.of(table)
    lengths = [after - before for before, after in pairwise(index.offsets.tolist())]
    members = [key for key, n in zip(keys(index), lengths, strict=True) for _ in range(n)]
    columns = [table[name].to_pylist() for name in index.dimensions]
    assert members == (list(zip(*columns, strict=True)) if columns else [()] * table.num_rows)
    assert index.days.tolist() == table["date"].cast(pa.int32()).to_pylist()
    assert index.stored.tolist() == table["value"].to_pylist()
    assert sorted(set(keys(index))) == keys(index)


@given(tables(), st.data())
def test_rows_are_found_by_key_and_window(drawn: Drawn, data: st.DataObject) -> None:
    """A run of keys and a list of them give the same rows, and each row knows its key."""
    index = SeriesIndex.of(drawn[0])
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, index.key_count)] * 2)))
    first, last = sorted(data.draw(st.tuples(*[st.integers(19_600, 20_200)] * 2)))
    if data.draw(st.booleans()):
        first, last = FIRST_DAY, LAST_DAY
    every = np.arange(index.row_count)
    owner = index.offsets.searchsorted(every, "right") - 1
    inside = (index.days >= first) & (index.days <= last) & (owner >= start) & (owner < stop)
    expected = every[inside].tolist()
    for wanted in (slice(start, stop), np.arange(start, stop)):
        rows = index.rows_of(wanted, first, last)
        assert every[rows].tolist() == expected
        assert count_of(rows) == len(expected)
        assert index.keys_of(rows).tolist() == owner[inside].tolist()
        assert every[part_of(rows, 1, 3)].tolist() == expected[1:3]


@given(tables(), st.data())
def test_dropping_dimensions_groups_the_keys(drawn: Drawn, data: st.DataObject) -> None:
    """Groups are the distinct members of what is kept, in their order."""
    index = SeriesIndex.of(drawn[0])
    places = list(range(len(index.dimensions)))
    kept = tuple(sorted(data.draw(st.sets(st.sampled_from(places))) if places else ()))
    found = index.grouping(kept)
    short = [tuple(key[place] for place in kept) for key in keys(index)]
    distinct = sorted(set(short))
    assert found.count == len(distinct)
    assert [distinct[group] for group in found.group_of.tolist()] == short
    for place, codes in zip(kept, found.codes, strict=True):
        texts = index.members[place].texts
        assert [texts[code] for code in codes.tolist()] == [
            group[kept.index(place)] for group in distinct
        ]


@given(TEXTS, st.text(max_size=2))
def test_beginnings_are_found_side_by_side(texts: list[str], prefix: str) -> None:
    """The members that begin with a text are exactly those of the range."""
    ordered = sorted(texts)
    members = Members.of(pa.array(ordered, pa.string()))
    found = [members.texts[code] for code in members.beginning_with(prefix)]
    assert found == [text for text in ordered if text.startswith(prefix)]


def test_so_many_members_that_no_number_holds_a_key_are_grouped_all_the_same() -> None:
    """Keys are ranked step by step where their codes would not fit into 64 bits."""
    names = tuple(f"dim_{number:02}" for number in range(16))
    rows = [(date(2024, 1, 1), 1.0, *[f"{n:03}"] * 16) for n in range(40)]
    index = SeriesIndex.of(stored(rows, names))
    assert index.ranks is None
    assert index.grouping(tuple(range(15))).count == 40
