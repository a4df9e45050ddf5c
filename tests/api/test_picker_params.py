"""The query string of the members of a dimension is read strictly."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.api.picker_params import member_query
from app.errors import BadQueryError


def request(pairs: list[tuple[str, str]]) -> Request:
    """Return a request with a query string."""
    query = urlencode(pairs).encode()
    return Request({"type": "http", "query_string": query, "headers": []})


@given(st.lists(st.tuples(st.sampled_from(["dim_a", "dim_b"]), st.text(max_size=5)), max_size=6))
async def test_every_member_of_a_filter_arrives(pairs: list[tuple[str, str]]) -> None:
    """In the order given, by dimension."""
    query = await member_query(request(pairs), search="x", after=None, limit=7)
    expected: dict[str, tuple[str, ...]] = {}
    for name, member in pairs:
        expected[name] = (*expected.get(name, ()), member)
    assert query.filters == expected
    assert (query.search, query.after, query.limit) == ("x", None, 7)


@pytest.mark.parametrize("pairs", [[("limt", "1")], [("search", "a"), ("search", "b")]])
async def test_what_is_unknown_or_doubled_is_refused(pairs: list[tuple[str, str]]) -> None:
    """The problem names the parameter."""
    with pytest.raises(BadQueryError) as caught:
        await member_query(request(pairs))
    assert caught.value.parameter == pairs[0][0]
