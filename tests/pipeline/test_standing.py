"""A series is judged by its age, its policy and the last attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app.errors import CacheMissingError, SourceTimeoutError
from app.pipeline.freshness import Notice
from app.records import CachedSeries, SeriesMetadata
from app.reports import AttemptOutcome, DatasetPolicy, FreshnessState
from tests.fakes import START, FakeAttempts, FakeCatalogue, FakeClock, a_standing
from tests.pipeline.test_freshness import a_series

LATE = SourceTimeoutError("No answer came.", next_step="Try again.")


def test_the_policy_of_the_dataset_decides() -> None:
    """What is too old is the dataset's own matter."""
    catalogue, clock = FakeCatalogue(), FakeClock(START + timedelta(hours=2))
    standing = a_standing(catalogue, clock)
    assert standing.of(a_series()).freshness.state is FreshnessState.FRESH
    catalogue.rules = DatasetPolicy(stale_after=timedelta(hours=1))
    told = standing.of(a_series())
    assert told.freshness.state is FreshnessState.STALE
    assert told.freshness.age_s == 7200
    assert told.notice.code == "too_old"


def test_a_failure_is_told_until_a_success_is_noted() -> None:
    """What is noted is kept as an attempt, and told to whoever reads."""
    attempts = FakeAttempts()
    standing = a_standing(attempts=attempts)
    standing.failed("default", LATE, None)
    assert attempts.kept["default"].outcome is AttemptOutcome.FAILED
    again = a_standing(attempts=attempts)
    assert again.of(a_series()).notice == Notice(
        f"Showing data of 21 Nov 2026, 14:05 UTC: {LATE}", "source_timeout"
    )
    standing.succeeded("default")
    assert again.of(a_series()).notice == Notice()
    assert again.of(a_series()).freshness.last_attempt == START


def test_nothing_to_show_is_unknown_and_says_why() -> None:
    """A dataset without a version has no age; the last attempt is told all the same."""
    standing = a_standing(next_attempt=START)
    found = standing.of_nothing("default", CacheMissingError("Nothing yet."))
    assert (found.state, found.reason, found.sentence) == (
        "unknown",
        "cache_missing",
        "Nothing yet.",
    )
    assert (found.data_time, found.age_s, found.last_attempt) == (None, None, None)
    assert found.next_attempt == START
    standing.failed("default", LATE, None)
    assert standing.of_nothing("default", LATE).last_attempt == START


def test_the_next_attempt_is_told() -> None:
    """Whoever knows the schedule is asked."""
    told: CachedSeries = a_series()
    assert isinstance(told.metadata, SeriesMetadata)
    assert a_standing(next_attempt=START).of(told).freshness.next_attempt == START


def test_an_interruption_keeps_how_the_last_refresh_ended() -> None:
    """Only that there was one is added, and nothing where there was no refresh before."""
    attempts = FakeAttempts()
    standing = a_standing(attempts=attempts)
    standing.interrupted("default")
    assert attempts.kept == {}
    standing.failed("default", LATE, None)
    failed = attempts.kept["default"]
    standing.interrupted("default")
    assert attempts.kept["default"] == replace(failed, interrupted=True)
