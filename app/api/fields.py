"""Header fields that a client, or a proxy on the way, sent in several lines.

They mean the same as one line with commas (RFC 9110, 5.3), so whoever looks at one line alone may
take one request for another.
"""

from __future__ import annotations

from collections.abc import Iterable

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
