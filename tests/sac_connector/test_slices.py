"""Ranges of dates: together they hold every row once."""

from hypothesis import given
from hypothesis import strategies as st

from app.sac_connector.slices import ranges

IDS = st.lists(st.from_regex(r"[0-9#]{0,6}", fullmatch=True), max_size=20)


def holds(condition: str, text: str) -> bool:
    """Evaluate a range as the tenant does, on text."""
    for part in condition.split(" and "):
        _, operator, value = part.split(" ", 2)
        bound = value[1:-1]
        if not (text >= bound if operator == "ge" else text < bound):
            return False
    return True


@given(IDS, st.integers(min_value=1, max_value=9), st.text(max_size=6))
def test_every_date_is_in_exactly_one_range(ids: list[str], parts: int, other: str) -> None:
    """Known dates, new ones, `#` and blanks alike meet one range and no more."""
    conditions = ranges("Date", ids, parts)
    assert len(conditions) <= parts
    for text in [*ids, other, "#", "0000", ""]:
        met = [condition for condition in conditions if holds(condition, text)]
        assert len(met) == (1 if conditions else 0)


@given(IDS)
def test_one_range_is_no_range(ids: list[str]) -> None:
    """Cutting into one part, or cutting a single date, gives nothing to cut."""
    assert ranges("Date", ids, 1) == []
    assert ranges("Date", ids[:1], 4) == []


def test_ranges_are_of_like_size() -> None:
    """Dates are dealt out evenly."""
    months = [f"2024{month:02}" for month in range(1, 13)]
    conditions = ranges("Date", months, 3)
    assert [sum(holds(c, month) for month in months) for c in conditions] == [4, 4, 4]
