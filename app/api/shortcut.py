"""Answers `GET /series` past the framework, whose reading of parameters costs more than the rest.

It reads the same declaration that the route has, parameter by parameter, with pydantic's own
validators, as the framework does. Whatever it does not understand at once goes the long way, which
knows the words for every mistake. So the route stays the one definition of what is served.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi.params import Query
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from app.api.answers import answer_series
from app.api.deps import Services
from app.api.fields import Conditions
from app.api.lane import SERIES_PATH, MakeReady, noted
from app.api.params import SeriesRequest, series_request, texts_of
from app.api.prepared import PreparedForms, form_of
from app.api.problems import error_response
from app.errors import SeriesError


class SeriesShortcut:
    """Stands directly before the framework.

    Args:
        app: The framework.
        forms: Where forms of query strings are remembered.
        ready: Makes an answer that can be made without waiting; else it returns None.
    """

    def __init__(self, app: ASGIApp, forms: PreparedForms, ready: MakeReady) -> None:
        self._app = app
        self._read = QuickReader(series_request)
        self._forms = forms
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `GET /series` is looked at."""
        if scope.get("path") != SERIES_PATH or scope.get("method") != "GET":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        known = Conditions(scope["headers"])
        if (ready := self._ready(scope, known, services)) is not None:
            for message in noted(ready, scope):
                await send(message)
            return
        try:
            asked = self._forms.asked(scope, known)
            asked = asked or await self._asked(scope, receive)
            if asked is None:
                await self._app(scope, receive, send)
                return
            response = await answer_series(services, asked, scope)
        except SeriesError as error:
            response = error_response(Request(scope), error)
        await response(scope, receive, send)

    async def _asked(self, scope: Scope, receive: Receive) -> SeriesRequest | None:
        """Read any query string; None if the framework must look at it."""
        request = QuickRequest(scope, receive)
        if (values := self._read.values(request)) is None:
            return None
        asked = await series_request(request, **values)
        split = form_of(scope["query_string"], Conditions(scope["headers"]).accept)
        if split is not None:
            self._forms.learn(split[0], asked)
        return asked


class QuickRequest(Request):
    """A request whose query string is read without a detour if it holds no escapes."""

    _pairs: QueryParams | None = None

    @property
    @override
    def query_params(self) -> QueryParams:
        """The query string, as the framework reads it."""
        if self._pairs is None:
            self._pairs = QueryParams(pairs_of(self.scope["query_string"]))
        return self._pairs


def pairs_of(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string, decoded, in their order."""
    if b"%" in query or b"+" in query:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    parts = query.decode("latin-1").split("&")
    return [(part[0], part[2]) for part in (text.partition("=") for text in parts if text)]


class QuickReader:
    """Reads a query string as the framework would, from the same declaration.

    Args:
        declared: What the route depends on: each parameter is `Annotated` with its `Query`, but
            for the request itself.
    """

    def __init__(self, declared: Callable[..., object]) -> None:
        hints = get_type_hints(declared, include_extras=True)
        self._parameters: dict[str, _Parameter] = {}
        self._is_usable = True
        for name in inspect.signature(declared).parameters:
            if hints[name] is Request:
                continue
            parameter = _parameter(name, hints[name])
            if parameter is None:
                self._is_usable = False
            else:
                self._parameters[parameter.alias] = parameter

    def values(self, request: Request) -> dict[str, Any] | None:
        """Return the arguments that a query string stands for; None if the framework must look."""
        if not self._is_usable:
            return None
        found: dict[str, Any] = {}
        parameters = self._parameters
        try:
            for alias, texts in texts_of(request.query_params).items():
                if (one := parameters.get(alias)) is not None:
                    found[one.name] = one.validate(texts if one.is_list else texts[-1])
        except ValidationError:
            return None
        return found


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One declared parameter.

    Attributes:
        name: Of the argument.
        alias: In the query string.
        is_list: Whether it may be repeated.
        validate: Turns the text, or the texts, into the value.
    """

    name: str
    alias: str
    is_list: bool
    validate: Callable[[object], Any]


def _parameter(name: str, hint: Any) -> _Parameter | None:  # noqa: ANN401 - any type may be declared
    if get_origin(hint) is not Annotated:
        return None
    kind, *notes = get_args(hint)
    field = next((note for note in notes if isinstance(note, Query)), None)
    if field is None:
        return None
    kinds = get_args(kind) or (kind,)
    is_list = any(get_origin(one) is list for one in (kind, *kinds))
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    return _Parameter(name, field.alias or name, is_list, adapter.validate_python)
