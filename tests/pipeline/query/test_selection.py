"""Filters select keys, whichever way is taken to find them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.pipeline.query import SeriesQuery
from app.pipeline.query.index import SeriesIndex
from app.pipeline.query.selection import keys_of, selection_of, share
from app.records import SeriesMetadata
from tests.pipeline.query.drawing import tables
from tests.pipeline.samples import series


@given(tables(), st.data())
def test_keys_have_one_of_the_codes_in_each_dimension(
    drawn: tuple[pa.Table, SeriesMetadata], data: st.DataObject
) -> None:
    """One member or many, in the first dimensions or others: the keys are those that fit."""
    index = SeriesIndex.of(drawn[0])
    wanted = {
        place: tuple(sorted(data.draw(st.sets(st.integers(0, len(members) - 1)))))
        for place, members in enumerate(index.members)
        if len(members) and data.draw(st.booleans())
    }
    fits = np.ones(index.key_count, np.bool_)
    for place, codes in wanted.items():
        fits &= np.isin(index.codes[place], codes)
    found = np.arange(index.key_count)[keys_of(index, wanted)]
    assert found.tolist() == np.flatnonzero(fits).tolist()
    assert 0 <= share(index, wanted) <= 1


def test_all_kinds_of_filters_must_hold() -> None:
    """Members, members left out, and beginnings narrow each other."""
    names = ("EMEA", "EMEU", "APJ", "AMER")
    index = SeriesIndex.of(series([(date(2024, 1, 1), 1.0, name) for name in names]))
    query = SeriesQuery(
        filters={"region": ("EMEA", "EMEU", "APJ")},
        excluded={"dim_region": ("EMEU",)},
        prefixes={"region": ("EM", "AM")},
    )
    codes = selection_of(index, query).codes
    assert [index.members[0].texts[code] for code in codes[0]] == ["EMEA"]


def test_no_more_than_twenty_members_are_listed() -> None:
    """A long list of members is cut, and the rest counted."""
    index = SeriesIndex.of(series([(date(2024, 1, 1), 1.0, f"m{n:03}") for n in range(50)]))
    with pytest.raises(BadQueryError) as caught:
        selection_of(index, SeriesQuery(filters={"region": ("m1",)}))
    assert caught.value.next_step.count("m0") < 21
    assert "and 30 more" in caught.value.next_step


def test_of_many_members_those_that_begin_alike_are_compared() -> None:
    """The nearest is found among thousands, also if only the case of a letter is wrong."""
    names = sorted(f"{letter}{n:04}" for letter in "ABC" for n in range(2000))
    index = SeriesIndex.of(series([(date(2024, 1, 1), 1.0, name) for name in names]))
    for wrong in ("b10000", "B1000x", "b1000"):
        with pytest.raises(BadQueryError) as caught:
            selection_of(index, SeriesQuery(filters={"region": (wrong,)}))
        assert caught.value.next_step.startswith("Members: B1000, ")
    with pytest.raises(BadQueryError, match="no member 'zzz'"):
        selection_of(index, SeriesQuery(filters={"region": ("zzz",)}))


def test_a_long_text_is_looked_for_by_its_beginning() -> None:
    """Of many members those are listed that begin like it, and no length makes that dear."""
    names = [f"member {number:05}" for number in range(2_000)]
    index = SeriesIndex.of(series([(date(2024, 1, 1), 1.0, name) for name in names]))
    told = []
    for text in ("Member 0123" + "x" * 60_000, "Member 0123" + "x" * 69):
        for query in (
            SeriesQuery(filters={"region": (text,)}),
            SeriesQuery(prefixes={"region": (text,)}),
        ):
            with pytest.raises(BadQueryError, match="and 1980 more") as caught:
                selection_of(index, query)
            told.append(caught.value.next_step)
    assert len(set(told)) == 1
    assert "member 01230" in told[0]
