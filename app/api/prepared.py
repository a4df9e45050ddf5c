"""Reads at once a query string of a form that was read before: only members and dates are new.

A chart asks for one region after the other, and for one month after the other; all else in its
query string stays. What that comes to is remembered with the form, as databases prepare statements.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from app.api.fields import QUERY_NAMES, Conditions
from app.api.params import SeriesRequest
from app.errors import BadQueryError
from app.pipeline.contract import DIMENSION_PREFIX
from app.pipeline.query import EXCLUDED_MARK, PREFIX_MARK, parse_end, parse_start

_REMEMBERED: Final = 512
_LONGEST_REMEMBERED: Final = 1_000
_START: Final = "start"
_END: Final = "end"
_DATES: Final = (_START, _END)
_MARKS: Final = (EXCLUDED_MARK, PREFIX_MARK)

# The `Accept` header, then the names whose texts are new each time, and all else as it stands.
Form = tuple[str | bytes, ...]


def form_of(query: bytes, accept: bytes) -> tuple[Form, list[str]] | None:
    """Split a query string into what is common to many and what is its own.

    Args:
        query: As it arrived.
        accept: The header that may choose the format.

    Returns:
        The form, and the texts of the names in it; None for a query string with escapes.
    """
    if b"%" in query or b"+" in query:
        return None
    form: list[str | bytes] = [accept]
    texts: list[str] = []
    for pair in query.decode("latin-1").split("&"):
        name, _, text = pair.partition("=")
        if name.startswith(DIMENSION_PREFIX) or name in _DATES:
            form.append(name)
            texts.append(text)
        elif pair:
            form.append(pair)
    return tuple(form), texts


class PreparedRequest:
    """All requests of one form.

    Args:
        names: The names of the texts, in their order.
        asked: One of these requests.
        query_names: All names of the query string, sorted.
    """

    __slots__ = ("_asked", "_dimensions", "_end", "_start", "query_names")

    def __init__(
        self, names: list[str], asked: SeriesRequest, query_names: tuple[str, ...]
    ) -> None:
        self.query_names = query_names
        self._asked = asked
        self._start = names.index(_START) if _START in names else None
        self._end = names.index(_END) if _END in names else None
        self._dimensions = [(n, place) for place, n in enumerate(names) if n not in _DATES]

    def request(self, texts: list[str], if_none_match: str | None) -> SeriesRequest:
        """Return the request with other texts.

        Raises:
            BadQueryError: A date is malformed.
        """
        start, end, asked = self._start, self._end, self._asked
        query = asked.query.with_others(
            None if start is None else parse_start(texts[start]),
            None if end is None else parse_end(texts[end]),
            {name: (texts[place],) for name, place in self._dimensions},
        )
        return SeriesRequest(
            asked.datasets, query, asked.format, asked.pin, asked.allow_expired, if_none_match
        )


class PreparedForms:
    """The forms that were read before."""

    def __init__(self) -> None:
        self._known: dict[Form, PreparedRequest] = {}

    def find(self, form: Form) -> PreparedRequest | None:
        """Return what is known of a form."""
        return self._known.get(form)

    def asked(self, scope: Scope, known: Conditions) -> SeriesRequest | None:
        """Return what a request asks for if its form is known; None for any other.

        Args:
            scope: The request; the names of its query string are noted in its state.
            known: Its headers.
        """
        split = form_of(scope["query_string"], known.accept)
        prepared = None if split is None else self.find(split[0])
        if split is None or prepared is None:
            return None
        try:
            asked = prepared.request(split[1], known.if_none_match)
        except BadQueryError:
            # There may be more to say than this.
            return None
        scope.setdefault("state", {})[QUERY_NAMES] = prepared.query_names
        return asked

    def learn(self, form: Form, asked: SeriesRequest) -> None:
        """Remember what a query string of a form came to, if others can be read by it.

        Args:
            form: Of the query string.
            asked: What the query string came to, read as every other is.
        """
        parts = [part for part in form[1:] if isinstance(part, str)]
        names = [part for part in parts if part.startswith(DIMENSION_PREFIX) or part in _DATES]
        is_plain = len(set(names)) == len(names) and not any(n.endswith(_MARKS) for n in names)
        is_short = sum(map(len, form)) <= _LONGEST_REMEMBERED
        # A cursor is good for one page of one query.
        if not (is_plain and is_short) or asked.query.cursor is not None:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        query_names = tuple(sorted({part.partition("=")[0] for part in parts}))
        self._known[form] = PreparedRequest(names, asked, query_names)
