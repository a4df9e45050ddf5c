"""The other query options, and the raw query string."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tenant.filters import Compare, QueryError
from demo.tenant.odata import parse_query, split_query


@given(st.dictionaries(st.sampled_from(["$filter", "$select", "pagesize", "x"]), st.text()))
def test_a_query_string_is_split_and_decoded_as_it_was_written(options: dict[str, str]) -> None:
    """Whatever was percent-encoded comes back."""
    raw = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
    assert split_query(raw, refuse_plus=True) == options


def test_all_options_are_read() -> None:
    """One query with everything in it yields everything."""
    options = parse_query(
        "$select=A,%20B&$filter=A%20eq%20'1%2B1'&$orderby=A,B%20desc,C%20asc"
        "&$top=5&$skip=0&$count=true&pagesize=7&package=2&$format=text/csv&delimiter=%3B"
    )
    assert options.select == ("A", "B")
    assert options.filter == Compare("A", "eq", "1+1")
    assert options.orderby == (("A", False), ("B", True), ("C", False))
    assert (options.top, options.skip, options.count) == (5, 0, True)
    assert (options.page_size, options.package) == (7, 2)
    assert (options.csv, options.delimiter) == (True, ";")


def test_an_encoded_dollar_is_a_dollar() -> None:
    """`%24select` is read like `$select`."""
    assert parse_query("%24select=A").select == ("A",)


@pytest.mark.parametrize("raw", ["$apply=groupby((A))", "$deltatoken=1", "foo=1", "", "&&"])
def test_what_the_service_ignores_is_ignored(raw: str) -> None:
    """Aggregation by `$apply` and unknown plain names change nothing."""
    assert parse_query(raw) == parse_query("")


@pytest.mark.parametrize(
    "raw",
    [
        "$pagesize=5",
        "$expand=X",
        "$search=X",
        "$top=-1",
        "$top=1.5",
        "$top=x",
        "$top=",
        "$skip=-1",
        "$skip=%D9%A1",
        "pagesize=0",
        "package=0",
        "$count=yes",
        "$select=",
        "$select=A,,B",
        "$select=A,A",
        "$orderby=A%20up",
        "$orderby=A,,B",
        "$filter=A%20eq%20'%FF'",
        "$format=xlsx",
        "delimiter=ab",
        "$top=1&$top=2",
        "$skiptoken=x&pagesize=5",
        "$filter=A+eq+'x'",
        "deltaid=1&$top=1",
        "$deltatoken=1&$deltatoken=2",
    ],
)
def test_what_the_service_refuses_is_refused(raw: str) -> None:
    """Unknown options, bad numbers, doubled options, a plus for a blank: all are errors."""
    with pytest.raises(QueryError):
        parse_query(raw)


def test_a_plus_is_a_blank_only_where_that_is_allowed() -> None:
    """Without the strict switch a plus stands for a blank, as in a form."""
    assert parse_query("$filter=A+eq+'x'", refuse_plus=False).filter == Compare("A", "eq", "x")
