"""`$filter`, parsed into a small tree: a pure function over text.

The subset is the one that SAP documents for the Data Export Service. What lies outside of it is
refused, because a client that leans on more would work here and fail on a tenant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Operator = Literal["eq", "ne", "gt", "lt", "ge", "le"]
Function = Literal["contains", "startswith", "endswith"]

MAX_DEPTH = 50

_TOKEN = re.compile(
    r"(?P<blank>[ \t]*)(?:"
    r"(?P<string>'(?:[^']|'')*')|"
    r"(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|"
    r"(?P<name>[^\W\d]\w*)|"
    r"(?P<mark>[(),]))"
)


class QueryError(ValueError):
    """The query breaks the rules of the service: answered with 400."""


class UnpreparedError(QueryError):
    """The service accepts the text but cannot run it: answered with 500 and number 1205."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A column set against a literal; `None` stands for `null`."""

    column: str
    operator: Operator
    value: str | Decimal | None


@dataclass(frozen=True, slots=True)
class Call:
    """A text function of a column."""

    function: Function
    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    term: "Expression"


@dataclass(frozen=True, slots=True)
class All:
    """Terms joined by `and`."""

    terms: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Terms joined by `or`."""

    terms: tuple["Expression", ...]


Expression = Compare | Call | Not | All | Any


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    """Cut a filter into tokens; two words need a blank between them."""
    position, wordy = 0, False
    end = len(text.rstrip(" \t"))
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise QueryError(f"unexpected character at position {position} of $filter")
        kind = found.lastgroup or "mark"
        if wordy and kind != "mark" and not found["blank"]:
            raise QueryError(f"a blank is missing at position {position} of $filter")
        wordy = kind != "mark"
        yield _Token(kind, found[kind])
        position = found.end()
    yield _Token("end", "")


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        """Parse the whole text."""
        result = self._any()
        if self._peek.kind != "end":
            raise QueryError(f"unexpected '{self._peek.text}' in $filter")
        return result

    @property
    def _peek(self) -> _Token:
        """The token that comes next."""
        return self._tokens[self._at]

    def _next(self) -> _Token:
        """Take the next token; the end is never passed."""
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _expect(self, text: str) -> None:
        """Take a mark that must stand here."""
        token = self._next()
        if token.kind != "mark" or token.text != text:
            raise QueryError(f"expected '{text}' in $filter, found '{token.text or 'the end'}'")

    def _is(self, kind: str, *texts: str) -> bool:
        """Tell whether the next token is one of these."""
        return self._peek.kind == kind and self._peek.text in texts

    def _any(self) -> Expression:
        """Parse terms joined by `or`."""
        terms = [self._all()]
        while self._is("name", "or"):
            self._next()
            terms.append(self._all())
        return terms[0] if len(terms) == 1 else Any(tuple(terms))

    def _all(self) -> Expression:
        """Parse terms joined by `and`, which binds closer."""
        terms = [self._term()]
        while self._is("name", "and"):
            self._next()
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _term(self) -> Expression:
        """Parse a negation, a group or a predicate, to a bounded depth."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryError("$filter is nested too deeply")
        try:
            if self._is("name", "not"):
                return self._negation()
            if self._is("mark", "("):
                return self._group()
            return self._predicate()
        finally:
            self._depth -= 1

    def _negation(self) -> Expression:
        """Parse `not`; before a bare comparison its reach is unclear, so that is refused."""
        self._next()
        if not (
            self._is("mark", "(") or self._is("name", "not", "contains", "startswith", "endswith")
        ):
            raise QueryError("'not' needs a parenthesis or a function after it in $filter")
        return Not(self._term())

    def _group(self) -> Expression:
        """Parse what stands in parentheses."""
        self._next()
        result = self._any()
        self._expect(")")
        return result

    def _predicate(self) -> Expression:
        """Parse a comparison or a function."""
        column = self._name()
        if self._is("mark", "(") and column in {"contains", "startswith", "endswith"}:
            return self._call(column)
        operator = self._next()
        if operator.kind == "name" and operator.text == "in" and self._is("mark", "("):
            raise UnpreparedError("the statement cannot be prepared")
        if operator.kind != "name" or operator.text not in {"eq", "ne", "gt", "lt", "ge", "le"}:
            raise QueryError(
                f"expected a comparison in $filter, found '{operator.text or 'the end'}'"
            )
        return Compare(column, operator.text, self._literal())  # type: ignore[arg-type]

    def _call(self, function: str) -> Expression:
        """Parse the arguments of a function."""
        self._expect("(")
        column = self._name()
        self._expect(",")
        text = self._literal()
        self._expect(")")
        if not isinstance(text, str):
            raise QueryError(f"{function} takes a quoted text in $filter")
        return Call(function, column, text)  # type: ignore[arg-type]

    def _name(self) -> str:
        """Take a column name."""
        token = self._next()
        if token.kind != "name" or token.text in {"and", "or", "not", "null"}:
            raise QueryError(f"expected a column in $filter, found '{token.text or 'the end'}'")
        return token.text

    def _literal(self) -> str | Decimal | None:
        """Take a literal."""
        token = self._next()
        if token.kind == "string":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "name" and token.text == "null":
            return None
        raise QueryError(f"expected a literal in $filter, found '{token.text or 'the end'}'")


def parse_filter(text: str) -> Expression:
    """Parse the text of `$filter`.

    Raises:
        QueryError: The text is not a filter of the subset.
        UnpreparedError: It uses `in (...)`.
    """
    return _Parser(text).parse()


def columns_of(expression: Expression | None) -> Iterator[tuple[str, str | Decimal | None]]:
    """Yield every column of a filter with the literal it meets."""
    match expression:
        case Compare(column, _, value):
            yield column, value
        case Call(_, column, text):
            yield column, text
        case Not(term):
            yield from columns_of(term)
        case All(terms) | Any(terms):
            for term in terms:
                yield from columns_of(term)
