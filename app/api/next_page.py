"""The address of the next page: relative, and short even if the query is long.

A proxy may cut a part of the path, so the link names the last part alone. Many clients and proxies
read headers of a few kilobytes at most, so a long query goes compressed behind the cursor.
"""

from __future__ import annotations

import lzma
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, unquote_plus, urlencode

_CURSOR: Final = "cursor"
# With all others it stays below 4 KiB, which nginx takes if it is not told otherwise.
LONGEST_HEADER: Final = 3_000
# As long as any address that the server takes.
_LONGEST_QUERY: Final = 65_536
_NOT_IN_LINKS: Final = {ord(one): quote(one) for one in '<>"'}
# Names of members are alike, which LZMA finds over a longer distance than other formats do.
_FORMAT: Final[dict[str, Any]] = {
    "format": lzma.FORMAT_RAW,
    "filters": ({"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": _LONGEST_QUERY},),
}
_WITH_QUERY: Final = re.compile(rb"(?:^|&)cursor=([\w-]+)\.([\w-]+)(?=&|$)", re.ASCII)


def next_link(path: str, query: str, cursor: str) -> str | None:
    """Return the header `Link` to the next page; None if it would be too long.

    Args:
        path: Of this page.
        query: Its query string as it arrived.
        cursor: Where the next page begins.
    """
    for following in (_repeated(query, cursor), f"{_CURSOR}={cursor}.{_compressed(query)}"):
        link = f'<{path.rpartition("/")[2]}?{following}>; rel="next"'
        if len(link) <= LONGEST_HEADER:
            return link
    return None


def whole_query(query: bytes) -> bytes:
    """Return a query string with what its cursor carries; the same if that carries nothing.

    What stands in the query string itself replaces what is carried under the same name.
    """
    match = _WITH_QUERY.search(query)
    if match is None:
        return query
    cursor, packed = match.groups()
    reader = lzma.LZMADecompressor(**_FORMAT)
    with suppress(ValueError, lzma.LZMAError):
        data = urlsafe_b64decode(packed + b"=" * (-len(packed) % 4))
        carried = reader.decompress(data, _LONGEST_QUERY).decode("latin-1")
    if not reader.eof:
        # It was changed on the way. Whoever reads the cursor says so.
        return query
    given = _pairs(query.decode("latin-1"))
    names = {_name(pair) for pair in given}
    pairs = [*given, *(pair for pair in _pairs(carried) if _name(pair) not in names)]
    return "&".join([*pairs, f"{_CURSOR}={cursor.decode()}"]).encode("latin-1")


def _repeated(query: str, cursor: str) -> str:
    # A client may send these as they are, and they would end the address in a `Link`.
    pairs = [pair.translate(_NOT_IN_LINKS) for pair in _pairs(query)]
    return "&".join([*pairs, urlencode({_CURSOR: cursor})])


def _compressed(query: str) -> str:
    data = lzma.compress("&".join(_pairs(query)).encode("latin-1"), **_FORMAT)
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _pairs(query: str) -> list[str]:
    """Return the parts of a query string but for the cursor."""
    return [pair for pair in query.split("&") if pair and _name(pair) != _CURSOR]


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
