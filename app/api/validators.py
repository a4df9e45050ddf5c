"""ETags of series: what a caller has is checked before it is written again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Final

from app.api.params import SeriesRequest
from app.pipeline.series import SeriesView

_LENGTH: Final = 32


def etag_of(view: SeriesView, asked: SeriesRequest) -> str:
    """Return the strong ETag of an answer: version, query, form, and all that is told beside it.

    The age alone is left out: it grows by the second, and `Age` tells it with every answer. What
    the age means is in: a series that turns stale or expires has another ETag.
    """
    meta, query = view.series.metadata, asked.query
    parts = {
        # A cache that was deleted and filled anew counts its versions from 0 again.
        "version": [meta.dataset, view.series.version, meta.content_hash, meta.last_refresh_time],
        "query": asdict(query) | {"filters": {k: sorted(v) for k, v in query.filters.items()}},
        "form": asked.format,
        "freshness": asdict(replace(view.freshness, age_s=None)),
        "notice": asdict(view.notice),
    }
    text = json.dumps(parts, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Return whether a caller already has what this ETag names (RFC 9110, 13.1.2).

    >>> matches('"a", W/"b"', '"b"'), matches("*", '"b"'), matches('"a"', '"b"'), matches(None, "")
    (True, True, False, False)
    """
    if if_none_match is None:
        return False
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or known == {"*"}
