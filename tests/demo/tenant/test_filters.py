"""`$filter`: what is parsed, what is refused, and that it means what it says."""

import operator
from decimal import Decimal
from typing import Any as Anything

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tenant import filters
from demo.tenant.filters import (
    MAX_DEPTH,
    All,
    Any,
    Call,
    Compare,
    Expression,
    Not,
    QueryError,
    UnpreparedError,
    columns_of,
    parse_filter,
)
from demo.tenant.tables import Table, encode

REGION = Compare("Region", "eq", "EMEA")
texts = st.text(st.sampled_from("aB'%+&/ #ü🚀()," + "eq and or not null"), max_size=6)
numbers = st.decimals(-100, 100, places=3)
comparisons = st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le"])
functions = st.sampled_from(["contains", "startswith", "endswith"])
leaves = st.one_of(
    st.builds(Compare, st.just("Text"), comparisons, st.none() | texts),
    st.builds(Compare, st.just("Number"), comparisons, st.none() | numbers),
    st.builds(Call, functions, st.just("Text"), texts),
)
expressions = st.recursive(
    leaves,
    lambda terms: st.one_of(
        st.builds(Not, terms),
        st.builds(All, st.lists(terms, min_size=2, max_size=3).map(tuple)),
        st.builds(Any, st.lists(terms, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
rows = st.lists(st.tuples(st.none() | texts, st.none() | numbers), max_size=12)


def write(expression: Expression) -> str:
    """Write a tree as filter text, with parentheses wherever they could matter."""
    match expression:
        case Compare(column, verb, value):
            return f"{column} {verb} {literal(value)}"
        case Call(function, column, text):
            return f"{function}({column}, {literal(text)})"
        case Not(term):
            return f"not ({write(term)})"
        case All(terms) | Any(terms):
            word = " and " if isinstance(expression, All) else " or "
            return word.join(f"({write(term)})" for term in terms)


def literal(value: str | Decimal | None) -> str:
    """Write a literal."""
    if value is None:
        return "null"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{value:f}"


def holds(expression: Expression, row: dict[str, Anything]) -> bool:
    """Evaluate a tree for one row, the plain way."""
    match expression:
        case Not(term):
            return not holds(term, row)
        case All(terms):
            return all(holds(term, row) for term in terms)
        case Any(terms):
            return any(holds(term, row) for term in terms)
        case Call(function, column, text):
            method = "__contains__" if function == "contains" else function
            return row[column] is not None and bool(getattr(row[column], method)(text))
        case Compare(column, verb, value):
            defined = verb in {"eq", "ne"} or None not in {row[column], value}
            return defined and bool(getattr(operator, verb)(row[column], value))


@given(expressions, rows)
def test_a_filter_keeps_the_rows_that_a_plain_evaluation_keeps(
    expression: Expression, table: list[tuple[str | None, Decimal | None]]
) -> None:
    """Whatever the filter and the rows, text, tree and table agree with plain Python."""
    columns = (
        encode("Text", [text for text, _ in table]),
        encode("Number", [None if n is None else f"{n:f}" for _, n in table], numeric=True),
    )
    kept = Table(columns, len(table)).where(parse_filter(write(expression))).tolist()
    plain = [{"Text": text, "Number": number} for text, number in table]
    assert kept == [place for place, row in enumerate(plain) if holds(expression, row)]


@given(st.text(max_size=40))
def test_no_text_crashes_the_parser(text: str) -> None:
    """Any text is either a filter or a query error."""
    try:
        parse_filter(text)
    except QueryError:
        return


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("Region eq 'EMEA'", REGION),
        ("(Region eq 'EMEA')", REGION),
        ("Region eq 'Côte d''Ivoire'", Compare("Region", "eq", "Côte d'Ivoire")),
        ("Region eq ''", Compare("Region", "eq", "")),
        ("Revenue ge -1.50", Compare("Revenue", "ge", Decimal("-1.50"))),
        ("Revenue lt 1e3", Compare("Revenue", "lt", Decimal(1000))),
        ("Revenue ne null", Compare("Revenue", "ne", None)),
        ("contains(Region,'E')", Call("contains", "Region", "E")),
        ("not(Region eq 'EMEA')", Not(REGION)),
        ("not contains(Region, 'E')", Not(Call("contains", "Region", "E"))),
        ("not not (Region eq 'EMEA')", Not(Not(REGION))),
        ("contains eq 'x'", Compare("contains", "eq", "x")),
        (
            "Region eq 'EMEA' or Region eq 'EMEA' and Revenue gt 0",
            Any((REGION, All((REGION, Compare("Revenue", "gt", Decimal(0)))))),
        ),
        (
            "(Region eq 'EMEA' or Region eq 'EMEA') and Revenue gt 0",
            All((Any((REGION, REGION)), Compare("Revenue", "gt", Decimal(0)))),
        ),
    ],
)
def test_a_filter_is_read_with_the_precedence_of_odata(text: str, tree: Expression) -> None:
    """`and` binds closer than `or`, `not` closer than both, and doubled quotes are one."""
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Region",
        "Region eq",
        "Region eq EMEA",
        "Region eq true",
        "Region EQ 'EMEA'",
        "Region = 'EMEA'",
        "Region eq 'EMEA",
        'Region eq "EMEA"',
        "Region eq 'EMEA' and",
        "Region eq 'EMEA'and Revenue gt 0",
        "Region eq'EMEA'",
        "Region eq 'EMEA' Region eq 'APJ'",
        "(Region eq 'EMEA'",
        "Region eq 'EMEA')",
        "'EMEA' eq Region",
        "not Region eq 'EMEA'",
        "contains(Region, 1)",
        "contains('EMEA', Region)",
        "contains(Region)",
        "length(Region) gt 1",
        "Revenue add 1 gt 2",
        "Revenue gt 1.2.3",
        "null eq null",
        "Region has 'EMEA'",
    ],
)
def test_what_the_service_does_not_document_is_refused(text: str) -> None:
    """A client that leans on more than the documented subset finds out here."""
    with pytest.raises(QueryError):
        parse_filter(text)


@pytest.mark.parametrize("text", ["Region in ('EMEA')", "Date in('1','2') or Region eq 'x'"])
def test_a_list_cannot_be_prepared(text: str) -> None:
    """`in (...)` is not a bad filter but one that fails later, as on a tenant."""
    with pytest.raises(UnpreparedError):
        parse_filter(text)


def test_a_long_chain_is_fine_but_a_deep_nest_is_refused() -> None:
    """Hundreds of `or` terms are parsed; nesting ends before the interpreter's stack does."""
    chain = " or ".join(f"Region eq 'R{number}'" for number in range(500))
    parsed = parse_filter(chain)
    assert isinstance(parsed, filters.Any)
    assert len(parsed.terms) == 500
    deep = "(" * (MAX_DEPTH + 1) + "Region eq 'x'" + ")" * (MAX_DEPTH + 1)
    with pytest.raises(QueryError, match="deeply"):
        parse_filter(deep)


def test_the_columns_of_a_filter_come_with_their_literals() -> None:
    """Every leaf names its column and what it is compared with."""
    parsed = parse_filter("not (A eq 'x') and (B gt 1 or contains(C, 'y')) and D eq null")
    assert list(columns_of(parsed)) == [("A", "x"), ("B", Decimal(1)), ("C", "y"), ("D", None)]
    assert list(columns_of(None)) == []
