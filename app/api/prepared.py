"""Reads at once a query string of a form that was read before: only members and dates are new.

A chart asks for one region after the other, and for one month after the other; all else in its
query string stays. What that comes to is remembered with the form, as databases prepare statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.types import Scope

from app.api.fields import QUERY_NAMES, Conditions
from app.api.media import Format
from app.api.params import SeriesRequest
from app.errors import BadQueryError
from app.pipeline.contract import DIMENSION_PREFIX
from app.pipeline.query import EXCLUDED_MARK, PREFIX_MARK, SeriesQuery, parse_end, parse_start

_REMEMBERED: Final = 512
_LONGEST_REMEMBERED: Final = 1_000
_START: Final = "start"
_END: Final = "end"
_DATES: Final = (_START, _END)
_MARKS: Final = (EXCLUDED_MARK, PREFIX_MARK)


class Form(NamedTuple):
    """What many query strings have in common.

    Attributes:
        accept: The header that may choose the format.
        names: All names, in their order.
        fixed: The texts of those that are neither members nor days.
    """

    accept: bytes
    names: tuple[str, ...]
    fixed: tuple[str, ...]


def form_of(query: bytes, accept: bytes) -> tuple[Form, list[str]] | None:
    """Split a query string into what is common to many and what is its own.

    Args:
        query: As it arrived.
        accept: The header that may choose the format.

    Returns:
        The form, and the texts of all names; None for a query string with escapes, or one that is
        so long that what is remembered of it would fill the memory.
    """
    if b"%" in query or b"+" in query or len(query) + len(accept) > _LONGEST_REMEMBERED:
        return None
    pairs = [pair.partition("=") for pair in query.decode("latin-1").split("&") if pair]
    names = tuple([pair[0] for pair in pairs])
    texts = [pair[2] for pair in pairs]
    places = _fixed_places(names)
    return Form(accept, names, tuple([texts[place] for place in places]) if places else ()), texts


@lru_cache(maxsize=_REMEMBERED)
def _fixed_places(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return where the names stand whose texts belong to the form."""
    return tuple(place for place, name in enumerate(names) if not _is_free(name))


def _is_free(name: str) -> bool:
    """Tell whether other texts of a name leave all else as it is: members and days."""
    return name in _DATES or (name.startswith(DIMENSION_PREFIX) and not name.endswith(_MARKS))


class PreparedRequest:
    """All requests of one form.

    Args:
        names: All names of the query string, in their order.
        asked: One of these requests.

    Attributes:
        query_names: The names, sorted.
        dimensions: The dimensions of which a member is given, in their order.
        asked: One of these requests, without what a caller has.
        wants_points: Whether they are for points as they are stored, of the newest version of one
            dataset, all that there are, as JSON rows.
    """

    __slots__ = ("_end", "_places", "_start", "asked", "dimensions", "query_names", "wants_points")

    def __init__(self, names: tuple[str, ...], asked: SeriesRequest) -> None:
        self.query_names = tuple(sorted(set(names)))
        # Whoever asked first brought a tag of any length, which is of no use to others.
        self.asked = replace(asked, if_none_match=None)
        self._start = names.index(_START) if _START in names else None
        self._end = names.index(_END) if _END in names else None
        self._places = [
            place for place, name in enumerate(names) if _is_free(name) and name not in _DATES
        ]
        self.dimensions = tuple(names[place] for place in self._places)
        self.wants_points = _wants_points(asked)

    def request(self, texts: list[str], if_none_match: str | None) -> SeriesRequest:
        """Return the request with other texts.

        Raises:
            BadQueryError: A date is malformed.
        """
        asked, members = self.asked, self.members(texts)
        filters = {name: (text,) for name, text in zip(self.dimensions, members, strict=True)}
        query = asked.query.with_others(*self.window(texts), filters)
        return SeriesRequest(
            asked.datasets, query, asked.format, asked.pin, asked.allow_expired, if_none_match
        )

    def members(self, texts: Sequence[str]) -> list[str]:
        """Return the members that a query string names, in the order of `dimensions`."""
        return [texts[place] for place in self._places]

    def window(self, texts: Sequence[str]) -> tuple[date | None, date | None]:
        """Return the first and the last day that a query string names.

        Raises:
            BadQueryError: A date is malformed.
        """
        start, end = self._start, self._end
        return (
            None if start is None else parse_start(texts[start]),
            None if end is None else parse_end(texts[end]),
        )


def _wants_points(asked: SeriesRequest) -> bool:
    bare = replace(asked.query, start=None, end=None, filters={})
    is_newest = not asked.pin and len(asked.datasets) <= 1
    return is_newest and asked.format is Format.JSON and bare == SeriesQuery()


class PreparedForms:
    """The forms that were read before."""

    def __init__(self) -> None:
        self._known: dict[Form, PreparedRequest] = {}

    def find(self, form: Form) -> PreparedRequest | None:
        """Return what is known of a form."""
        return self._known.get(form)

    def met(self, scope: Scope, known: Conditions) -> tuple[PreparedRequest, list[str]] | None:
        """Return what is known of the form of a request, and its texts; None for any other form.

        Args:
            scope: The request; the names of its query string are noted in its state.
            known: Its headers.
        """
        split = form_of(scope["query_string"], known.accept)
        prepared = None if split is None else self.find(split[0])
        if split is None or prepared is None:
            return None
        scope.setdefault("state", {})[QUERY_NAMES] = prepared.query_names
        return prepared, split[1]

    def asked(self, scope: Scope, known: Conditions) -> SeriesRequest | None:
        """Return what a request asks for if its form is known; None for any other.

        Args:
            scope: The request; the names of its query string are noted in its state.
            known: Its headers.
        """
        if (met := self.met(scope, known)) is None:
            return None
        try:
            return met[0].request(met[1], known.if_none_match)
        except BadQueryError:
            # There may be more to say than this.
            return None

    def learn(self, form: Form, asked: SeriesRequest) -> None:
        """Remember what a query string of a form came to, if others can be read by it.

        Args:
            form: Of the query string.
            asked: What the query string came to, read as every other is.
        """
        free = [name for name in form.names if _is_free(name)]
        # A cursor is good for one page of one query.
        if (
            len(set(free)) < len(free)
            or any(name.startswith(DIMENSION_PREFIX) for name in set(form.names) - set(free))
            or asked.query.cursor is not None
        ):
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[form] = PreparedRequest(form.names, asked)
