"""Tells how a series stands: how fresh it is, and what its readers must be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from app.errors import SeriesError
from app.pipeline.freshness import (
    Notice,
    freshness_of,
    notice_of,
    older_definition,
    stale_warning,
    unchanged_until,
    with_losses,
)
from app.pipeline.ports import AttemptStore, Clock, DatasetCatalogue
from app.records import CachedSeries, SeriesHead, SeriesMetadata
from app.reports import Attempt, AttemptOutcome, DatasetPolicy, Freshness, FreshnessState


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader of a series is told beside its points.

    Attributes:
        notice: The sentence to show.
        freshness: The same as data.
    """

    notice: Notice
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What was told last of a dataset, and how long that is the same.

    Attributes:
        metadata: Of what; like the next two, never changed, only replaced.
        attempt: How the last refresh ended.
        policy: How old is too old.
        words: What else it was judged by, which may be made anew.
        told: What was told.
        since: When.
        until: From when on something else may be told.
    """

    metadata: SeriesMetadata
    attempt: Attempt | None
    policy: DatasetPolicy
    words: tuple[object, ...]
    told: Told
    since: datetime
    until: datetime


class Standing:
    """Judges series by their age and by how the last refresh ended. Calls block.

    As long as a judgement is the same, the same object is returned.

    Args:
        catalogue: Knows how old is too old.
        attempts: Where the ends of refreshes are kept; a restart does not forget them.
        clock: Tells the age.
        next_attempt: Tells when the service will refresh a dataset by itself; None for never.
    """

    def __init__(
        self,
        catalogue: DatasetCatalogue,
        attempts: AttemptStore,
        clock: Clock,
        next_attempt: Callable[[str], datetime | None],
    ) -> None:
        self._catalogue = catalogue
        self._attempts = attempts
        self._clock = clock
        self._next_attempt = next_attempt
        self._judgements: dict[str, _Judgement] = {}

    def of(self, series: SeriesHead) -> Told:
        """Judge a version that is shown."""
        return self._judged(series, self._attempts.last(series.metadata.dataset))

    def at_once(self, series: SeriesHead) -> Told | None:
        """Judge a version without waiting; None if that cannot be."""
        attempt = self._attempts.last_at_hand(series.metadata.dataset)
        return None if attempt is None else self._judged(series, attempt[0])

    def explained(self, series: SeriesHead, error: SeriesError) -> Notice:
        """Say why a refresh that was just tried left a series as it was, and how that stands."""
        outdated, reason = self._outdated(series), error.sentence
        text = stale_warning(series, reason if outdated is None else f"{outdated} {reason}")
        return with_losses(Notice(text, error.code), series.metadata)

    def of_nothing(self, dataset: str, error: SeriesError) -> Freshness:
        """Judge a dataset that has no version to show; the error says why."""
        attempt = self._attempts.last(dataset)
        return Freshness(
            state=FreshnessState.UNKNOWN,
            last_attempt=None if attempt is None else attempt.at,
            reason=error.code,
            sentence=error.sentence,
            next_attempt=self._next_attempt(dataset),
        )

    def succeeded(self, dataset: str) -> None:
        """Keep that a refresh ended well."""
        self._keep(dataset, AttemptOutcome.SUCCEEDED, None, None)

    def failed(self, dataset: str, error: SeriesError, left: CachedSeries | None) -> None:
        """Keep that a refresh failed, and which version it left as it was."""
        self._keep(dataset, AttemptOutcome.FAILED, error, left)

    def interrupted(self, dataset: str) -> None:
        """Keep that a refresh was handed back: the next start of a schedule makes up for it.

        How the one before it ended stays, because that is what readers must still be told.
        """
        last = self._attempts.last(dataset)
        if last is not None and last.at is not None:
            self._attempts.keep(replace(last, interrupted=True))

    def _judged(self, series: SeriesHead, attempt: Attempt | None) -> Told:
        metadata, now = series.metadata, self._clock.now()
        dataset = metadata.dataset
        policy, outdated = self._catalogue.policy(dataset), self._outdated(series)
        following = self._next_attempt(dataset)
        last = self._judgements.get(dataset)
        if (
            last is not None
            and last.metadata is metadata
            and last.attempt is attempt
            and last.policy is policy
            and last.words == (series.warning, outdated, following)
            and last.since <= now < last.until
        ):
            return last.told
        freshness = freshness_of(series, attempt, policy, now, following, outdated=outdated)
        told = Told(notice_of(series, freshness), freshness)
        until = unchanged_until(metadata.last_refresh_time, policy, now)
        words = series.warning, outdated, following
        self._judgements[dataset] = _Judgement(metadata, attempt, policy, words, told, now, until)
        return told

    def _outdated(self, series: SeriesHead) -> str | None:
        return older_definition(series, self._catalogue.fingerprint(series.metadata.dataset))

    def _keep(
        self,
        dataset: str,
        outcome: AttemptOutcome,
        error: SeriesError | None,
        left: CachedSeries | None,
    ) -> None:
        self._attempts.keep(
            Attempt(
                dataset=dataset,
                outcome=outcome,
                at=self._clock.now(),
                data_time=left.metadata.last_refresh_time if left else None,
                code=error.code if error else None,
                sentence=error.sentence if error else None,
            )
        )
