"""What can be told of a query without its series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError
from app.pipeline.query import Aggregation, SortKey, parse_sort
from app.records import TimeAggregation

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)


@given(st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=4))
def test_an_order_is_read_as_it_is_written(keys: list[tuple[str, bool]]) -> None:
    """Commas separate the columns, and a minus turns one around."""
    text = ", ".join(f"-{name}" if descending else name for name, descending in keys)
    assert parse_sort(text) == tuple(SortKey(name, descending) for name, descending in keys)


@pytest.mark.parametrize("text", ["", ",", "date,", "-", "date,-"])
def test_an_order_with_a_hole_is_refused(text: str) -> None:
    """A name that is missing is a mistake, not nothing."""
    with pytest.raises(BadQueryError, match="a name is missing"):
        parse_sort(text)


def test_every_rule_of_a_dataset_can_be_asked_for() -> None:
    """What a dataset may declare is a part of what a query may ask."""
    assert {rule.value for rule in TimeAggregation} < {rule.value for rule in Aggregation}
