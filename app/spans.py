"""Times what happens, for whoever traces it; without such a one it costs nothing.

No attribute of a span may hold an address with its query, a header or a body: filters name members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Final, Protocol

Attributes = Mapping[str, str | int | float | bool]

TRACEPARENT: Final = "traceparent"
# https://www.w3.org/TR/trace-context/#traceparent-header
_PARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}"
    r"(?P<more>-.*)?",
    re.ASCII,
)
_NO_VERSION: Final = "ff"
_FIRST_VERSION: Final = "00"
_NOTHING: Final[Attributes] = {}


class SpanKind(StrEnum):
    """Which side of a request a span is on."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Span(Protocol):
    """Something that is being timed."""

    @property
    def trace_id(self) -> str | None:
        """The trace that it belongs to; None if there is none."""
        ...

    def rename(self, name: str) -> None:
        """Say better what is done."""
        ...

    def tell(self, attributes: Attributes) -> None:
        """Add what is known of it."""
        ...

    def fails(self, code: str) -> None:
        """Say that it failed, and by which code."""
        ...

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Add what tells the receiver of a request to which span it belongs."""
        ...


class Tracing(Protocol):
    """Makes spans."""

    def span(
        self,
        name: str,
        attributes: Attributes = _NOTHING,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str | None = None,
    ) -> AbstractContextManager[Span]:
        """Time a block; an error that leaves it makes it fail, by the error's code alone.

        Args:
            name: What is done.
            attributes: What is known of it.
            kind: Which side of a request it is on.
            parent: The caller's `traceparent`; None for the span around it.
        """
        ...

    def close(self) -> None:
        """Send what was not sent yet. Blocks."""
        ...


class NoSpan:
    """Stands for a span while nothing is traced.

    Args:
        trace_id: The trace that a caller named, for the logs.
    """

    def __init__(self, trace_id: str | None = None) -> None:
        self._trace_id = trace_id

    @property
    def trace_id(self) -> str | None:
        """The trace that a caller named."""
        return self._trace_id

    def rename(self, name: str) -> None:
        """Do nothing."""

    def tell(self, attributes: Attributes) -> None:
        """Do nothing."""

    def fails(self, code: str) -> None:
        """Do nothing."""

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Do nothing."""


class NoTracing:
    """Traces nothing."""

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes = _NOTHING,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str | None = None,
    ) -> Iterator[Span]:
        """Time nothing."""
        del name, attributes, kind
        yield NoSpan(trace_id_of(parent))

    def close(self) -> None:
        """Do nothing."""


UNTRACED: Final = NoTracing()


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace that a caller names; None if it names none, or is malformed.

    >>> trace_id_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    match = None if traceparent is None else _PARENT.fullmatch(traceparent)
    if match is None or match["version"] == _NO_VERSION:
        return None
    # Later versions may say more than the first one.
    more = match["version"] == _FIRST_VERSION and match["more"] is not None
    zero = not match["trace"].strip("0") or not match["span"].strip("0")
    return None if more or zero else match["trace"]
