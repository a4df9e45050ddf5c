"""A series is judged by its age, its policy and the last attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.errors import CacheMissingError, SourceTimeoutError
from app.pipeline.freshness import Notice
from app.records import CachedSeries, SeriesMetadata
from app.reports import AttemptOutcome, DatasetPolicy, FreshnessState
from tests.fakes import START, FakeAttempts, FakeCatalogue, FakeClock, a_standing
from tests.pipeline.test_freshness import a_series

HOUR = timedelta(hours=1)
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


LIMITS = st.none() | st.sampled_from([timedelta(seconds=1), timedelta(seconds=2.5), HOUR])
SHIFTS = st.sampled_from(
    [timedelta(), timedelta.resolution, timedelta(seconds=0.4), timedelta(seconds=1), HOUR]
)


@given(
    limits=st.tuples(LIMITS, LIMITS),
    steps=st.lists(st.tuples(SHIFTS, st.sampled_from([1, 1, -1]), st.booleans()), max_size=12),
)
def test_what_is_told_again_is_what_a_new_judgement_says(
    limits: tuple[timedelta | None, timedelta | None],
    steps: list[tuple[timedelta, int, bool]],
) -> None:
    """However the clock goes, and whatever ends meanwhile, nothing old is told."""
    stale, expired = limits
    catalogue, clock, attempts = FakeCatalogue(), FakeClock(START), FakeAttempts()
    catalogue.rules = DatasetPolicy(stale_after=stale, expire_after=expired)
    standing, series = a_standing(catalogue, clock, attempts=attempts), a_series()
    for shift, sign, fails in steps:
        clock.tick(shift * sign)
        if fails:
            standing.failed("default", LATE, None)
        fresh = a_standing(catalogue, clock, attempts=attempts)
        assert standing.of(series) == standing.of(series) == fresh.of(series)


def test_the_same_is_told_as_the_same_object() -> None:
    """Who goes by what was told needs no comparison, as long as it is the same."""
    clock = FakeClock(START + timedelta(seconds=1.2))
    standing, series = a_standing(clock=clock), a_series()
    told = standing.of(series)
    clock.tick(timedelta(seconds=0.7))
    assert standing.of(series) is told
    clock.tick(timedelta(seconds=0.1))
    assert standing.of(series).freshness.age_s == 2
