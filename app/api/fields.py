"""Header fields that a client, or a proxy on the way, sent in several lines.

They mean the same as one line with commas (RFC 9110, 5.3), so whoever looks at one line alone may
take one request for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

# Where whoever reads a query string notes its names, for the log: under `scope["state"]`.
QUERY_NAMES: Final = "query_names"

RawHeaders = Iterable[tuple[bytes, bytes]]


def joined(before: bytes, line: bytes) -> bytes:
    """Return a field that goes on with one more line; `before` is empty at the first.

    >>> joined(joined(b"", b"text/csv"), b"*/*")
    b'text/csv, */*'
    """
    return before + b", " + line if before else line


def whole(headers: RawHeaders, name: bytes) -> str | None:
    """Return a list-valued field with all its lines; None if there is none.

    >>> whole([(b"accept", b"text/csv"), (b"accept", b"*/*")], b"accept")
    'text/csv, */*'

    Args:
        headers: Names in lower case, and values.
        name: Of the field, in lower case.
    """
    lines = [value for one, value in headers if one == name]
    return b", ".join(lines).decode("latin-1") if lines else None


class Conditions:
    """The request headers that decide which answer it is, each as one line.

    Args:
        headers: Names in lower case, and values.

    Attributes:
        accept: Empty if absent.
        accept_encoding: Empty if absent.
        if_none_match: None if absent.
    """

    __slots__ = ("accept", "accept_encoding", "if_none_match")

    def __init__(self, headers: RawHeaders) -> None:
        self.accept = self.accept_encoding = b""
        self.if_none_match: str | None = None
        for name, value in headers:
            if name == b"accept":
                self.accept = joined(self.accept, value)
            elif name == b"accept-encoding":
                self.accept_encoding = joined(self.accept_encoding, value)
            elif name == b"if-none-match":
                tags = (self.if_none_match or "").encode("latin-1")
                self.if_none_match = joined(tags, value).decode("latin-1")
