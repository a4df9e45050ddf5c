"""What tells whether an answer is still true; pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from app.pipeline.standing import Told
from app.records import SeriesHead


@dataclass(frozen=True, slots=True)
class Stamp:
    """Differs whenever the answer to any query could, but for the age.

    Attributes:
        parts: What is served of each dataset, and what its readers are told.
        data_times: When the source last confirmed each; the age counts from there.
    """

    parts: tuple[Hashable, ...]
    data_times: tuple[datetime | None, ...]


def stamp_of(series: SeriesHead, told: Told) -> Stamp:
    """Return the stamp of one dataset.

    Args:
        series: The version that is served.
        told: What its readers are told.
    """
    metadata, fresh = series.metadata, told.freshness
    part = (
        *(series.version, metadata.content_hash, metadata.last_refresh_time),
        *(series.warning, told.notice),
        *(fresh.state, fresh.reason, fresh.sentence),
        *(fresh.last_attempt, fresh.next_attempt, fresh.age_s is None),
    )
    return Stamp((part,), (fresh.data_time,))


def stamp_of_all(stamps: Sequence[Stamp]) -> Stamp:
    """Return the stamp of several datasets, in the order asked."""
    if len(stamps) == 1:
        return stamps[0]
    return Stamp(
        tuple(chain.from_iterable(one.parts for one in stamps)),
        tuple(chain.from_iterable(one.data_times for one in stamps)),
    )
