"""ETags of series: what a caller has is checked before it is written again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from operator import attrgetter
from typing import Final

import msgspec

from app.api.params import SeriesRequest
from app.api.writing.latest import Latest
from app.pipeline.freshness import Notice
from app.pipeline.query import SeriesQuery
from app.pipeline.series import SeriesAnswer, SeriesView
from app.records import SeriesHead
from app.reports import Freshness

# Raise it when the same points are written in another way, or what goes into a tag changes: a copy
# of before is then another.
_WRITING: Final = 4
_LENGTH: Final = 16
# RFC 9110, 8.8.3.3: what is coded in another way has another strong tag.
CODINGS: Final = ("zstd", "br", "gzip")
_encode: Final = msgspec.json.Encoder(order="deterministic", enc_hook=str).encode
# What changes from one query to the next comes last.
_OWN: Final = {"start", "end", "filters"}
_rest_of: Final = attrgetter(*(one.name for one in fields(SeriesQuery) if one.name not in _OWN))
_tellings: Final = Latest[bytes]()


def etag_of(answer: SeriesAnswer, asked: SeriesRequest) -> str:
    """Return the strong ETag of an answer: versions, freshness, query and form.

    The age alone is left out: it grows by the second, and `Age` tells it with every answer. What
    the age means is in: a series that turns stale or expires has another ETag.
    """
    query = asked.query
    filters = [
        (name, found if len(found) == 1 else sorted(found)) for name, found in query.filters.items()
    ]
    return tag_of(tag_base(answer, asked), query.start, query.end, sorted(filters))


def tag_base(answer: SeriesAnswer, asked: SeriesRequest) -> hashlib.blake2b:
    """Return what goes into the ETag of every answer that differs in days and members alone."""
    parts = (_WRITING, asked.format, _rest_of(asked.query))
    told = b"".join([_told(view) for view in answer.views])
    return hashlib.blake2b(_encode(parts) + told, digest_size=_LENGTH)


def tag_of(
    base: hashlib.blake2b,
    start: date | None,
    end: date | None,
    filters: Sequence[tuple[str, Sequence[str]]],
) -> str:
    """Return the ETag of an answer.

    Args:
        base: What it shares with others; it stays as it is.
        start: The first day that is asked for.
        end: The last day.
        filters: Members by dimension, both in order.
    """
    whole = base.copy()
    whole.update(_encode((start, end, filters)))
    return f'"{whole.hexdigest()}"'


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
    if if_none_match is None or if_none_match == etag:
        return if_none_match
    if if_none_match.strip() == "*":
        return etag
    same = {etag, *(coded(etag, coding) for coding in CODINGS)}
    known = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return next((tag for tag in known if tag in same), None)


def _told(view: SeriesView) -> bytes:
    made_of = view.series, view.freshness, view.notice
    return _tellings.of(view.series.metadata.dataset, made_of, _telling)


def _telling(series: SeriesHead, freshness: Freshness, notice: Notice) -> bytes:
    meta = series.metadata
    # A cache that was deleted and filled anew counts its versions from 0 again.
    version = (meta.dataset, series.version, meta.content_hash, meta.last_refresh_time)
    return _encode((*version, replace(freshness, age_s=None), notice))
