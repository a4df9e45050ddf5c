"""How fresh a series is, and what its readers must be told; pure.

The time of the data is written by a successful commit alone. Everything else is derived from it,
from how the last refresh ended, and from the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.periods import SkipReason
from app.records import SeriesHead, SeriesMetadata
from app.reports import Attempt, AttemptOutcome, DatasetPolicy, Freshness, FreshnessState

SAMPLE_SOURCE: Final = "fixture"
SAMPLE_WARNING: Final = (
    "This is built-in sample data, not data of your SAP Analytics Cloud tenant. "
    "Set the SAC_ variables and refresh to replace it."
)
SAMPLE_WARNING_CODE: Final = "sample_data"
EXPIRED_CODE: Final = "expired"
OLDER_VERSION_CODE: Final = "older_version"
RESTORED_CODE: Final = "restored_version"
OLDER_DEFINITION_CODE: Final = "older_definition"
SKIPPED_CODE: Final = "records_skipped"
# Two machines on one cache may disagree on the time by this much.
CLOCK_SKEW: Final = timedelta(minutes=5)
MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_FROM_THE_FUTURE: Final = (
    "Its time lies in the future, so its age cannot be told. "
    "Check the clocks of the machines that write to this cache."
)
_RESTORED: Final = "Version {} was brought back, so there may be newer data. Refresh the dataset."
_OUTDATED: Final = "It was made by an older definition of the dataset, not by the present one."
_REFRESH: Final = "Refresh the dataset."
# An unassigned date is no loss: it says itself that the record belongs to no period.
_LOSSES: Final = {
    SkipReason.DATE_MISSING: "without a date",
    SkipReason.DATE_UNPARSABLE: "with a date that cannot be read",
    SkipReason.VALUE_NULL: "without a value",
}
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

Verdict = tuple[FreshnessState, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader of a series must be told.

    Attributes:
        text: A sentence to show as it stands; None if all is well.
        code: Its code for machines; None if all is well.
    """

    text: str | None = None
    code: str | None = None


def freshness_of(
    series: SeriesHead,
    attempt: Attempt | None,
    policy: DatasetPolicy,
    now: datetime,
    next_attempt: datetime | None = None,
    *,
    outdated: str | None = None,
) -> Freshness:
    """Judge a series.

    Args:
        series: The version that is shown.
        attempt: How the last refresh ended; None if none was ever noted.
        policy: How old is too old.
        now: The present.
        next_attempt: When the service will try again by itself.
        outdated: A sentence if another definition made the series; else None.
    """
    data_time = series.metadata.last_refresh_time
    age = now - data_time
    state, reason, sentence = _verdict(series, attempt, policy, age)
    if outdated is not None:
        if sentence is None:
            state, reason, sentence = FreshnessState.STALE, OLDER_DEFINITION_CODE, _REFRESH
        # The sentence of an older version stands alone, the others follow "Showing data of".
        alone = reason == OLDER_VERSION_CODE
        sentence = f"{sentence} {outdated}" if alone else f"{outdated} {sentence}"
    return Freshness(
        state=state,
        data_time=data_time,
        age_s=None if age < -CLOCK_SKEW else max(0, int(age.total_seconds())),
        last_attempt=None if attempt is None else attempt.at,
        reason=reason,
        sentence=sentence,
        next_attempt=next_attempt,
    )


def unchanged_until(data_time: datetime, policy: DatasetPolicy, now: datetime) -> datetime:
    """Return how long `freshness_of` says the same, if nothing changes but the time.

    Args:
        data_time: When the source last confirmed the series.
        policy: How old is too old.
        now: The present.

    Returns:
        The first moment at which it may say something else; the present if that cannot be told.
    """
    age = now - data_time
    if age < timedelta():
        return now
    turns = [timedelta(seconds=int(age.total_seconds()) + 1)]
    turns += [
        # Too old is what is older than the limit.
        limit + timedelta.resolution
        for limit in (policy.stale_after, policy.expire_after)
        if limit is not None and limit >= age
    ]
    return data_time + min(turns)


def notice_of(series: SeriesHead, freshness: Freshness) -> Notice:
    """Say what a reader must be told: why it is not fresh, that it is a sample, what it lacks."""
    notice = Notice()
    if freshness.sentence is not None and freshness.reason is not None:
        alone = freshness.reason == OLDER_VERSION_CODE
        sentence = freshness.sentence if alone else stale_warning(series, freshness.sentence)
        notice = Notice(sentence, freshness.reason)
    elif series.metadata.source == SAMPLE_SOURCE:
        notice = Notice(SAMPLE_WARNING, SAMPLE_WARNING_CODE)
    return with_losses(notice, series.metadata)


def with_losses(notice: Notice, metadata: SeriesMetadata) -> Notice:
    """Add to what a reader is told that records were left out, other than those without a period.

    Args:
        notice: What else is told; its code stays.
        metadata: What was read and skipped.
    """
    skipped = {words: metadata.skipped.get(reason, 0) for reason, words in _LOSSES.items()}
    parts = [f"{count:,} {words}" for words, count in skipped.items() if count]
    if not parts:
        return notice
    sentence = (
        f"{sum(skipped.values()):,} of {metadata.rows_read:,} records are not in the series: "
        f"{', '.join(parts)}. Correct them in the source, or leave them out by the filter."
    )
    if notice.text is None:
        return Notice(sentence, SKIPPED_CODE)
    return Notice(f"{notice.text} {sentence}", notice.code)


def stale_warning(series: SeriesHead, reason: str) -> str:
    """Say how old the shown data is, why it is not newer, and what to do.

    >>> from datetime import UTC, datetime
    >>> import pyarrow as pa
    >>> from app.records import CachedSeries, SeriesMetadata
    >>> meta = SeriesMetadata(
    ...     dataset="default", source="sac", row_count=0, min_date=None, max_date=None,
    ...     last_refresh_time=datetime(2026, 11, 21, 14, 5, tzinfo=UTC),
    ... )
    >>> cached = CachedSeries(rows=pa.table({}), metadata=meta, version=0)
    >>> stale_warning(cached, "The tenant is down. Try again.")
    'Showing data of 21 Nov 2026, 14:05 UTC: The tenant is down. Try again.'
    """
    kind = "sample data" if series.metadata.source == SAMPLE_SOURCE else "data"
    return f"Showing {kind} of {moment(series.metadata.last_refresh_time)}: {reason}"


def older_definition(series: SeriesHead, fingerprint: str | None) -> str | None:
    """Say that another definition made a series than the one that holds now; None if none did.

    Args:
        series: The version that is shown; a sample has a definition of its own.
        fingerprint: Of the definition that holds now; None if there is no telling.
    """
    meta = series.metadata
    if fingerprint is None or not meta.definition_hash or meta.source == SAMPLE_SOURCE:
        return None
    return None if meta.definition_hash == fingerprint else _OUTDATED


def moment(when: datetime) -> str:
    """Write a time for people."""
    # Not strftime: its month names follow the locale of the machine.
    return f"{when.day} {MONTHS[when.month - 1]} {when:%Y, %H:%M} UTC"


def duration(length: timedelta) -> str:
    """Write a length of time for people, in the largest unit that fits it evenly.

    >>> duration(timedelta(hours=24)), duration(timedelta(minutes=90))
    ('1 day', '90 minutes')
    """
    seconds = int(length.total_seconds())
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _verdict(
    series: SeriesHead, attempt: Attempt | None, policy: DatasetPolicy, age: timedelta
) -> Verdict:
    # The order is that of the harm: what cannot be told, what is refused, what is known to be
    # wrong, what is only old.
    if age < -CLOCK_SKEW:
        return FreshnessState.UNKNOWN, "age_unknown", _FROM_THE_FUTURE
    failed = _failure(series, attempt)
    if policy.expire_after is not None and age > policy.expire_after:
        return FreshnessState.EXPIRED, EXPIRED_CODE, _too_old(policy.expire_after, failed)
    if failed is not None:
        return FreshnessState.STALE, failed.code, failed.sentence
    if series.warning is not None:
        return FreshnessState.STALE, OLDER_VERSION_CODE, series.warning
    if (restored := series.metadata.restored_version) is not None:
        return FreshnessState.STALE, RESTORED_CODE, _RESTORED.format(restored)
    return _by_age(attempt, policy, age)


def _by_age(attempt: Attempt | None, policy: DatasetPolicy, age: timedelta) -> Verdict:
    if policy.stale_after is not None and age > policy.stale_after:
        return FreshnessState.STALE, "too_old", _too_old(policy.stale_after, None)
    if attempt is not None and attempt.outcome is AttemptOutcome.UNKNOWN:
        return FreshnessState.UNKNOWN, attempt.code, attempt.sentence
    return FreshnessState.FRESH, None, None


def _failure(series: SeriesHead, attempt: Attempt | None) -> Attempt | None:
    """Return the attempt if it failed, unless another process has refreshed since."""
    if attempt is None or attempt.outcome is not AttemptOutcome.FAILED or attempt.at is None:
        return None
    known = max(attempt.at, attempt.data_time or attempt.at)
    return attempt if series.metadata.last_refresh_time <= known else None


def _too_old(limit: timedelta, failed: Attempt | None) -> str:
    why = "" if failed is None else f" The last refresh failed: {failed.sentence}"
    return f"It is older than {duration(limit)}.{why or ' Refresh the dataset.'}"
