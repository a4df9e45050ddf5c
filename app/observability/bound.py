"""What every line of a request tells, also in the tasks and threads that the request starts."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Final

from structlog.typing import EventDict

Bound = Mapping[str, str]

REQUEST_ID: Final = "request_id"
TRACE_ID: Final = "trace_id"
# One variable for all of it: structlog has one for each key, and every request would pay for that.
_bound: ContextVar[Bound] = ContextVar("bound", default=MappingProxyType({}))


def bind(request_id: str, trace_id: str | None = None) -> Token[Bound]:
    """Let all lines from here on name a request, and its trace if there is one.

    Returns:
        What `unbind` takes.
    """
    told = {REQUEST_ID: request_id}
    if trace_id is not None:
        told[TRACE_ID] = trace_id
    return _bound.set(told)


def unbind(token: Token[Bound]) -> None:
    """Let lines tell what they told before."""
    _bound.reset(token)


def bound() -> Bound:
    """Return what lines tell just now."""
    return _bound.get()


def add_bound(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add to an event what is bound; a structlog processor."""
    for key, text in _bound.get().items():
        event.setdefault(key, text)
    return event
