"""ETags of series: what a caller has is checked before it is written again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import msgspec

from app.api.params import SeriesRequest
from app.pipeline.series import SeriesAnswer, SeriesView

# Raise it when the same points are written in another way: a copy of before is then another.
_WRITING: Final = 2
_LENGTH: Final = 16
# RFC 9110, 8.8.3.3: what is coded in another way has another strong tag.
CODINGS: Final = ("zstd", "br", "gzip")
_encode: Final = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode


def etag_of(answer: SeriesAnswer, asked: SeriesRequest) -> str:
    """Return the strong ETag of an answer: versions, freshness, query and form.

    The age alone is left out: it grows by the second, and `Age` tells it with every answer. What
    the age means is in: a series that turns stale or expires has another ETag.
    """
    query = asked.query
    if query.filters:
        ordered = {name: tuple(sorted(found)) for name, found in query.filters.items()}
        query = replace(query, filters=ordered)
    parts = (_WRITING, asked.format, query, [_told(view) for view in answer.views])
    return f'"{hashlib.blake2b(_encode(parts), digest_size=_LENGTH).hexdigest()}"'


def coded(etag: str, coding: str) -> str:
    """Return the strong ETag of the same content in a content coding.

    >>> coded('"5f0c"', "br")
    '"5f0c-br"'
    """
    return f'{etag[:-1]}-{coding}"'


def matching(if_none_match: str | None, etag: str) -> str | None:
    """Return the tag that a 304 must carry; None if the caller does not have the content.

    A caller may hold it in any content coding: they all say the same (RFC 9110, 13.1.2).

    Args:
        if_none_match: The caller's tags.
        etag: The tag of the content as it is, uncoded.

    >>> matching('"a", W/"b-zstd"', '"b"'), matching("*", '"b"'), matching('"a"', '"b"')
    ('"b-zstd"', '"b"', None)
    """
    if if_none_match is None:
        return None
    if if_none_match.strip() == "*":
        return etag
    same = {etag, *(coded(etag, coding) for coding in CODINGS)}
    known = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return next((tag for tag in known if tag in same), None)


def _told(view: SeriesView) -> tuple[object, ...]:
    meta = view.series.metadata
    # A cache that was deleted and filled anew counts its versions from 0 again.
    version = (meta.dataset, view.series.version, meta.content_hash, meta.last_refresh_time)
    return (*version, replace(view.freshness, age_s=None), view.notice)
