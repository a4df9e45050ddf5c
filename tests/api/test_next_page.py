"""The next page is found from wherever this one was asked for, however long the query is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.next_page import LONGEST_HEADER, next_link, whole_query

PLACES = ["http://service/series", "https://host/sac/series?x=1", "https://host/a/b%20c/series"]
NAMES = st.sampled_from(["start", "dim_a", "cursor", "dim_b!", "c%75rsor", "limit"])
PAIRS = st.lists(st.tuples(NAMES, st.text(st.characters(codec="utf-8"), max_size=9)), max_size=9)
CHOICE = random.Random(0)


def target(link: str | None, place: str) -> str:
    """Return the address that a link on a page leads to."""
    assert link is not None
    address, _, relation = link.partition("; ")
    assert relation == 'rel="next"'
    assert len(link) <= LONGEST_HEADER
    return urljoin(place, address.strip("<>"))


def asked(query: str) -> list[tuple[str, str]]:
    """Return what the service reads from a query string."""
    return parse_qsl(whole_query(query.encode("latin-1")).decode("latin-1"), keep_blank_values=True)


@given(pairs=PAIRS, place=st.sampled_from(PLACES))
def test_the_next_page_is_the_same_query(pairs: Sequence[tuple[str, str]], place: str) -> None:
    """All parameters are kept in their order, at the address of this page whatever a proxy cuts."""
    query = "&".join(f"{name}={text.encode().hex()}" for name, text in pairs)
    following = urlsplit(target(next_link("/series", query, "new"), place))
    assert following.path == urlsplit(place).path
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "cursor"]
    assert asked(following.query) == [*kept, ("cursor", "new")]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ('dim_a=x>; rel="x", <y', "dim_a=x%3E; rel=%22x%22, %3Cy&"),
        ("c%75rsor=old&limit=3", "limit=3&"),
        ("", ""),
    ],
)
def test_a_link_holds_whatever_a_client_sends(query: str, kept: str) -> None:
    """Signs that would end the address are quoted, and no second cursor comes along."""
    assert next_link("/series", query, "new") == f'<series?{kept}cursor=new>; rel="next"'


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"dim_region=M{number:06}" for number in range(1_000)) + "&limit=5",
        "&".join(f"dim_region%5E={one:04X}" for one in CHOICE.sample(range(16**4), 600)),
        "dim_a=" + "%C3%BC" * 10_000,
        "dim_a=" + "\xfc" * 60_000,
    ],
    ids=["numbered", "chosen", "escaped", "raw"],
)
def test_a_long_query_is_carried_by_the_cursor(query: str) -> None:
    """The link is short and leads to the same query, and so on from page to page."""
    link = next_link("/sac/series", query, "first")
    following = urlsplit(target(link, PLACES[1])).query
    assert following.startswith("cursor=first.")
    assert asked(following) == [*parse_qsl(query), ("cursor", "first")]
    whole = whole_query(following.encode("latin-1")).decode("latin-1")
    again = urlsplit(target(next_link("/sac/series", whole, "second"), PLACES[1])).query
    assert asked(again) == [*parse_qsl(query), ("cursor", "second")]


def test_what_stands_beside_the_cursor_counts() -> None:
    """Whoever repeats the query, or changes limit or format, is answered what was asked."""
    query = "&".join(f"dim_a={number:05}" for number in range(2_000)) + "&limit=5&format=csv"
    following = urlsplit(target(next_link("/series", query, "x"), PLACES[0])).query
    found = asked(f"limit=7&{following}&format=json")
    assert found[:2] == [("limit", "7"), ("format", "json")]
    assert sorted(found[2:]) == sorted([*parse_qsl(query)[:-2], ("cursor", "x")])
    assert sorted(asked(f"{query}&{following}")) == sorted([*parse_qsl(query), ("cursor", "x")])


def test_what_cannot_be_short_is_no_link() -> None:
    """Names that have nothing in common cannot be made short."""
    query = "&".join(f"dim_a={CHOICE.getrandbits(64):016x}" for _ in range(1_000))
    assert next_link("/series", query, "x") is None


@given(st.from_regex(r"\A(a=1&)?cursor=[\w-]{0,9}\.[\w-]{0,40}(&b=2)?\Z") | st.text(max_size=30))
def test_nonsense_is_left_for_the_reader_of_cursors(query: str) -> None:
    """What was not made here fails nowhere, and becomes no longer query than was sent."""
    data = query.encode()
    assert len(whole_query(data)) <= len(data)


def test_a_cursor_that_was_cut_is_left_as_it_is() -> None:
    """Half of a query is another query."""
    query = "&".join(f"dim_a={number:05}" for number in range(2_000))
    following = urlsplit(target(next_link("/series", query, "x"), PLACES[0])).query.encode()
    assert all(whole_query(following[:end]) == following[:end] for end in range(len(following)))


def test_a_bomb_does_not_go_off() -> None:
    """What would be longer than any query is none."""
    short = urlsplit(target(next_link("/series", "dim_a=" + "x" * 10**7, "x"), PLACES[0])).query
    assert whole_query(short.encode()) == short.encode()
