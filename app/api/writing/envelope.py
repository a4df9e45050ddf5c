"""What is told of a series beside its points, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from app.api.schemas import MetadataModel
from app.api.writing.latest import Latest
from app.pipeline.freshness import Notice
from app.pipeline.series import SeriesAnswer, SeriesView
from app.records import SeriesMetadata
from app.reports import Freshness, FreshnessState

# From what may be taken for the present to what may not be shown unasked.
_FROM_BEST: Final = (
    FreshnessState.FRESH,
    FreshnessState.STALE,
    FreshnessState.UNKNOWN,
    FreshnessState.EXPIRED,
)


class _Freshness(msgspec.Struct):
    """`Freshness` without the age, which an answer that is kept somewhere would tell wrongly."""

    state: FreshnessState
    data_time: datetime | None
    last_attempt: datetime | None
    reason: str | None
    sentence: str | None
    next_attempt: datetime | None


class _Head(msgspec.Struct):
    """The members of `SeriesResponse` before its points."""

    dataset: str
    grain: str


class _Known(msgspec.Struct):
    """The members of `SeriesResponse` behind its points, up to the total."""

    meta: msgspec.Raw
    version: int


class _Told(msgspec.Struct):
    """The members of `SeriesResponse` behind the total."""

    warning: str | None
    warning_code: str | None
    freshness: msgspec.Raw
    next: str | None


class _TailOfAll(msgspec.Struct):
    """The members of `SeveralSeriesResponse` after its parts."""

    total: int
    warning: str | None
    warning_code: str | None
    freshness: msgspec.Raw
    next: str | None


_encode: Final = msgspec.json.Encoder().encode

_NULL: Final = b"null"
# What stands behind `around_total` if there is no next page.
NO_CURSOR: Final = _NULL + b"}"
_tails: Final = Latest[tuple[bytes, bytes]]()
_metadata_texts: Final = Latest[msgspec.Raw]()
_freshness_texts: Final = Latest[msgspec.Raw]()


def _metadata(metadata: SeriesMetadata) -> msgspec.Raw:
    return msgspec.Raw(MetadataModel.of(metadata).model_dump_json().encode())


def head(view: SeriesView) -> bytes:
    """Return the JSON object of a part up to its points, without the brace that closes it."""
    return _head(view.series.metadata.dataset, view.result.grain)


@lru_cache(maxsize=256)
def _head(dataset: str, grain: str) -> bytes:
    return _encode(_Head(dataset, grain))[:-1]


def tail(view: SeriesView, cursor: str | None) -> bytes:
    """Return the JSON object of a part behind its points, without the brace that opens it.

    Args:
        view: The part.
        cursor: What `next` says; None for null.
    """
    before, between = around_total(view)
    following = _NULL if cursor is None else _encode(cursor)
    return b"%b%d%b%b}" % (before, view.result.total, between, following)


def around_total(view: SeriesView) -> tuple[bytes, bytes]:
    """Return what stands behind the points up to the total, and from there up to the cursor."""
    metadata = view.series.metadata
    made_of = metadata, view.series.version, view.notice, view.freshness
    return _tails.of(metadata.dataset, made_of, _tail)


def _tail(
    metadata: SeriesMetadata, version: int, notice: Notice, freshness: Freshness
) -> tuple[bytes, bytes]:
    """Return what stands before the total, and between it and the cursor."""
    known = _Known(_metadata_texts.of(metadata.dataset, (metadata,), _metadata), version)
    told = _Told(
        notice.text,
        notice.code,
        _freshness_texts.of(metadata.dataset, (freshness,), _freshness),
        None,
    )
    between = _encode(told)[1:].removesuffix(NO_CURSOR)
    return _encode(known)[1:-1] + b',"total":', b"," + between


def tail_of_all(answer: SeriesAnswer) -> bytes:
    """Return the JSON object of several datasets behind its parts, without the opening brace."""
    notice, freshness = notice_of_all(answer.views), least_fresh(answer.views).freshness
    told = _TailOfAll(answer.total, notice.text, notice.code, _freshness(freshness), answer.next)
    return _encode(told)[1:]


def summary(answer: SeriesAnswer) -> bytes:
    """Return an answer as JSON without any point: for the metadata of a file."""
    parts = (head(view) + b"," + tail(view, None) for view in answer.views)
    return b'{"series":[' + b",".join(parts) + b"]," + tail_of_all(answer)


def least_fresh(views: Sequence[SeriesView]) -> SeriesView:
    """Return the part that may least be taken for the present; the oldest of those alike."""

    def harm(view: SeriesView) -> tuple[int, float]:
        time = view.freshness.data_time
        return _FROM_BEST.index(view.freshness.state), -(time.timestamp() if time else 0.0)

    return views[0] if len(views) == 1 else max(views, key=harm)


def notice_of_all(views: Sequence[SeriesView]) -> Notice:
    """Return what a reader of several series must be told first: of the least fresh, if any."""
    told = least_fresh(views).notice
    others = (view.notice for view in views if view.notice.text is not None)
    return told if told.text is not None else next(others, told)


def _freshness(found: Freshness) -> msgspec.Raw:
    told = _Freshness(
        found.state,
        found.data_time,
        found.last_attempt,
        found.reason,
        found.sentence,
        found.next_attempt,
    )
    return msgspec.Raw(_encode(told))
