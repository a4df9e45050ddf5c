"""Members of a dimension are counted as a reader would count them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.members import MemberFacts, count_members, having, searched
from tests.pipeline.samples import series

DAYS = st.integers(min_value=1, max_value=12).map(lambda month: date(2026, month, 1))
REGIONS = st.sampled_from(["EMEA", "APJ", "ä", "Z", "#", "'"])
ROWS = st.lists(
    st.tuples(DAYS, st.just(1.0), REGIONS), max_size=20, unique_by=lambda row: (row[0], row[2])
)


@given(ROWS, st.dictionaries(REGIONS, st.text(max_size=5)))
def test_every_point_is_counted_once(
    rows: Sequence[tuple[date, float, str]], labels: dict[str, str]
) -> None:
    """Ids stand in the order of their bytes, with their points, bounds and texts."""
    facts = count_members(series(rows), "dim_region", labels)
    expected = []
    for region in sorted({row[2] for row in rows}, key=str.encode):
        days = [row[0] for row in rows if row[2] == region]
        label = labels.get(region, "")
        expected.append(MemberFacts(region, label, len(days), min(days), max(days)))
    assert list(facts) == expected


@given(ROWS, st.lists(REGIONS, max_size=3))
def test_a_filter_leaves_the_rows_of_its_members(
    rows: Sequence[tuple[date, float, str]], wanted: Sequence[str]
) -> None:
    """Nothing else stays, and nothing of them goes."""
    left = having(series(rows), "dim_region", wanted)
    assert left.equals(series([row for row in rows if row[2] in wanted]))


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6))), st.text(max_size=2))
def test_a_search_looks_into_ids_and_texts(pairs: Sequence[tuple[str, str]], text: str) -> None:
    """The case of letters does not count, and the order stays."""
    day = date(2026, 1, 1)
    members = [MemberFacts(one, label, 1, day, day) for one, label in pairs]
    for member in searched(members, text):
        assert text.casefold() in member.id.casefold() or text.casefold() in member.label.casefold()
    assert searched(members, "") == tuple(members)
    for one, label in pairs:
        found = searched([MemberFacts(one, label, 1, day, day)], one.upper())
        assert found or one.upper().casefold() != one.casefold()
