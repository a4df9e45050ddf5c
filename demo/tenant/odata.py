"""OData query options as the export service takes them: pure functions over text.

The subset is the one that SAP documents for the Data Export Service. What lies outside of it is refused,
because a client that leans on more would work here and fail on a tenant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

Operator = Literal["eq", "ne", "gt", "lt", "ge", "le"]
Function = Literal["contains", "startswith", "endswith"]

# `$apply` and `$deltatoken` are taken and ignored by the real service: a caller gets leaf rows, not an error.
KNOWN_OPTIONS = frozenset(
    {
        "$select", "$filter", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken",
        "$apply", "$deltatoken",
    }
)  # fmt: skip
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
class Options:
    """The options of one query; `None` means that the caller did not say."""

    select: tuple[str, ...] | None = None
    filter: Expression | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int | None = None
    count: bool = False
    page_size: int | None = None
    package: int | None = None
    format: str | None = None
    skip_token: str | None = None


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
            msg = f"unexpected character at position {position} of $filter"
            raise QueryError(msg)
        kind = found.lastgroup or "mark"
        if wordy and kind != "mark" and not found["blank"]:
            msg = f"a blank is missing at position {position} of $filter"
            raise QueryError(msg)
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
        result = self._any()
        if self._peek.kind != "end":
            msg = f"unexpected '{self._peek.text}' in $filter"
            raise QueryError(msg)
        return result

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _expect(self, text: str) -> None:
        token = self._next()
        if token.kind != "mark" or token.text != text:
            msg = f"expected '{text}' in $filter, found '{token.text or 'the end'}'"
            raise QueryError(msg)

    def _is(self, kind: str, *texts: str) -> bool:
        return self._peek.kind == kind and self._peek.text in texts

    def _any(self) -> Expression:
        terms = [self._all()]
        while self._is("name", "or"):
            self._next()
            terms.append(self._all())
        return terms[0] if len(terms) == 1 else Any(tuple(terms))

    def _all(self) -> Expression:
        terms = [self._term()]
        while self._is("name", "and"):
            self._next()
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _term(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            msg = "$filter is nested too deeply"
            raise QueryError(msg)
        try:
            if self._is("name", "not"):
                return self._negation()
            if self._is("mark", "("):
                return self._group()
            return self._predicate()
        finally:
            self._depth -= 1

    def _negation(self) -> Expression:
        self._next()
        if not (
            self._is("mark", "(") or self._is("name", "not", "contains", "startswith", "endswith")
        ):
            msg = "'not' needs a parenthesis or a function after it in $filter"
            raise QueryError(msg)
        return Not(self._term())

    def _group(self) -> Expression:
        self._next()
        result = self._any()
        self._expect(")")
        return result

    def _predicate(self) -> Expression:
        column = self._name()
        if self._is("mark", "(") and column in {"contains", "startswith", "endswith"}:
            return self._call(column)
        operator = self._next()
        if operator.kind == "name" and operator.text == "in" and self._is("mark", "("):
            msg = "the statement cannot be prepared"
            raise UnpreparedError(msg)
        if operator.kind != "name" or operator.text not in {"eq", "ne", "gt", "lt", "ge", "le"}:
            msg = f"expected a comparison in $filter, found '{operator.text or 'the end'}'"
            raise QueryError(msg)
        return Compare(column, operator.text, self._literal())  # type: ignore[arg-type]

    def _call(self, function: str) -> Expression:
        self._expect("(")
        column = self._name()
        self._expect(",")
        text = self._literal()
        self._expect(")")
        if not isinstance(text, str):
            msg = f"{function} takes a quoted text in $filter"
            raise QueryError(msg)
        return Call(function, column, text)  # type: ignore[arg-type]

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name" or token.text in {"and", "or", "not", "null"}:
            msg = f"expected a column in $filter, found '{token.text or 'the end'}'"
            raise QueryError(msg)
        return token.text

    def _literal(self) -> str | Decimal | None:
        token = self._next()
        if token.kind == "string":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "name" and token.text == "null":
            return None
        msg = f"expected a literal in $filter, found '{token.text or 'the end'}'"
        raise QueryError(msg)


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


def parse_orderby(text: str) -> tuple[tuple[str, bool], ...]:
    """Parse the text of `$orderby` into columns, each with whether it descends.

    Raises:
        QueryError: A part is not `column`, `column asc` or `column desc`.
    """
    keys: list[tuple[str, bool]] = []
    for part in text.split(","):
        match part.split():
            case [name] | [name, "asc"]:
                keys.append((name, False))
            case [name, "desc"]:
                keys.append((name, True))
            case _:
                msg = f"'{part}' is not a column with a direction in $orderby"
                raise QueryError(msg)
    return tuple(keys)


def parse_select(text: str) -> tuple[str, ...]:
    """Parse the text of `$select`.

    Raises:
        QueryError: The list has an empty or a doubled entry.
    """
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) != len(names):
        msg = "$select has an empty or a doubled column"
        raise QueryError(msg)
    return names


def split_query(raw: str, *, refuse_plus: bool) -> dict[str, str]:
    """Split a query string as it came over the wire into decoded names and values.

    Args:
        raw: The query string, still percent-encoded.
        refuse_plus: Whether a `+` is an error rather than a blank.

    Raises:
        QueryError: A `+`, broken UTF-8, a name given twice, or an option that the service does not know.
    """
    if "+" in raw and refuse_plus:
        msg = "the query string holds a '+'; a blank is %20 and a plus is %2B"
        raise QueryError(msg)
    options: dict[str, str] = {}
    for part in filter(None, raw.split("&")):
        name, _, value = part.partition("=")
        try:
            name, value = (unquote(x.replace("+", " "), errors="strict") for x in (name, value))
        except UnicodeDecodeError:
            msg = "the query string is not UTF-8"
            raise QueryError(msg) from None
        if name in options:
            msg = f"the option {name} is given twice"
            raise QueryError(msg)
        if name.startswith("$") and name not in KNOWN_OPTIONS:
            msg = f"the option {name} is not supported"
            raise QueryError(msg)
        options[name] = value
    return options


def _whole(options: dict[str, str], name: str, least: int) -> int | None:
    """Read a whole number of at least `least`, or `None` when the option is absent."""
    text = options.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < least:
        msg = f"{name} must be a whole number of at least {least}, not '{text}'"
        raise QueryError(msg)
    return int(text)


@lru_cache(maxsize=512)
def parse_query(raw: str, *, refuse_plus: bool = True) -> Options:
    """Parse a raw query string into options.

    Raises:
        QueryError: Any part of it is refused.
        UnpreparedError: The filter uses `in (...)`.
    """
    options = split_query(raw, refuse_plus=refuse_plus)
    if "$skiptoken" in options and len(options) > 1:
        msg = "a next link is used as it is, without further options"
        raise QueryError(msg)
    count = options.get("$count", "false")
    if count not in {"true", "false"}:
        msg = f"$count must be true or false, not '{count}'"
        raise QueryError(msg)
    return Options(
        select=parse_select(options["$select"]) if "$select" in options else None,
        filter=parse_filter(options["$filter"]) if "$filter" in options else None,
        orderby=parse_orderby(options["$orderby"]) if "$orderby" in options else (),
        top=_whole(options, "$top", 0),
        skip=_whole(options, "$skip", 0),
        count=count == "true",
        page_size=_whole(options, "pagesize", 1),
        package=_whole(options, "package", 1),
        format=options.get("$format"),
        skip_token=options.get("$skiptoken"),
    )
