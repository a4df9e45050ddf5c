"""Freshness: what cannot be told, what is refused, what is known to be wrong, what is only old."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.freshness import (
    CLOCK_SKEW,
    SAMPLE_SOURCE,
    SAMPLE_WARNING,
    SAMPLE_WARNING_CODE,
    Notice,
    duration,
    freshness_of,
    notice_of,
    older_definition,
    with_losses,
)
from app.records import CachedSeries, SeriesMetadata
from app.reports import Attempt, AttemptOutcome, DatasetPolicy, Freshness, FreshnessState

DATA = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = DatasetPolicy(stale_after=24 * HOUR, expire_after=72 * HOUR)
AGES = st.timedeltas(-100 * HOUR, 1000 * HOUR)


def a_series(*, source: str = "sac", warning: str | None = None) -> CachedSeries:
    """Return an empty series of a fixed time."""
    metadata = SeriesMetadata(
        dataset="default",
        source=source,
        last_refresh_time=DATA,
        row_count=0,
        min_date=None,
        max_date=None,
    )
    return CachedSeries(rows=pa.table({}), metadata=metadata, version=3, warning=warning)


def an_attempt(after: timedelta, outcome: AttemptOutcome = AttemptOutcome.FAILED) -> Attempt:
    """Return an attempt that ended so long after the time of the data."""
    return Attempt(
        dataset="default", outcome=outcome, at=DATA + after, code="source_timeout", sentence="No."
    )


UNREADABLE = Attempt(
    dataset="default", outcome=AttemptOutcome.UNKNOWN, code="attempt_unreadable", sentence="Hm."
)
SUCCESS = an_attempt(timedelta(), AttemptOutcome.SUCCEEDED)


@pytest.mark.parametrize(
    ("hours", "attempt", "warning", "state", "reason"),
    [
        (1, None, None, "fresh", None),
        (1, SUCCESS, None, "fresh", None),
        (1, an_attempt(HOUR), None, "stale", "source_timeout"),
        (1, an_attempt(timedelta()), None, "stale", "source_timeout"),
        (1, an_attempt(-HOUR), None, "fresh", None),
        (1, None, "Older.", "stale", "older_version"),
        (1, an_attempt(HOUR), "Older.", "stale", "source_timeout"),
        (25, SUCCESS, None, "stale", "too_old"),
        (73, SUCCESS, None, "expired", "expired"),
        (73, an_attempt(HOUR), None, "expired", "expired"),
        (1, UNREADABLE, None, "unknown", "attempt_unreadable"),
        (25, UNREADABLE, None, "stale", "too_old"),
        (-1, SUCCESS, None, "unknown", "age_unknown"),
        (-1, an_attempt(HOUR), None, "unknown", "age_unknown"),
    ],
)
def test_every_case_has_its_state_and_reason(
    hours: int, attempt: Attempt | None, warning: str | None, state: str, reason: str | None
) -> None:
    """Age, last attempt and version decide, the most harmful first."""
    found = freshness_of(a_series(warning=warning), attempt, POLICY, DATA + hours * HOUR)
    assert (found.state, found.reason) == (state, reason)
    assert found.data_time == DATA
    assert found.last_attempt == (None if attempt is None else attempt.at)
    assert (found.sentence is None) == (state == "fresh")


def test_an_age_that_cannot_be_told_is_no_number() -> None:
    """Data from the future has no age; a few minutes are the clocks of two machines."""
    future = freshness_of(a_series(), None, POLICY, DATA - CLOCK_SKEW - timedelta(seconds=1))
    skewed = freshness_of(a_series(), None, POLICY, DATA - CLOCK_SKEW)
    assert (future.state, future.age_s) == (FreshnessState.UNKNOWN, None)
    assert (skewed.state, skewed.age_s) == (FreshnessState.FRESH, 0)


def test_a_failure_after_the_clock_was_set_back_still_counts() -> None:
    """What the attempt left as it was tells which came first, when the times cannot."""
    early = an_attempt(-HOUR)
    left = replace(early, data_time=DATA)
    assert freshness_of(a_series(), early, POLICY, DATA).state is FreshnessState.FRESH
    assert freshness_of(a_series(), left, POLICY, DATA).state is FreshnessState.STALE


def test_a_version_that_was_brought_back_is_not_fresh() -> None:
    """A rollback shows older data on purpose; a reader is told all the same."""
    series = a_series()
    restored = replace(series, metadata=replace(series.metadata, restored_version=2))
    found = freshness_of(restored, SUCCESS, POLICY, DATA)
    assert (found.state, found.reason) == ("stale", "restored_version")
    assert found.sentence is not None
    assert found.sentence.startswith("Version 2 was brought back")


@pytest.mark.parametrize(
    ("hours", "attempt", "warning", "state", "reason", "said"),
    [
        (1, SUCCESS, None, "stale", "older_definition", "{} Refresh the dataset."),
        (1, an_attempt(HOUR), None, "stale", "source_timeout", "{} No."),
        (25, SUCCESS, None, "stale", "too_old", "{} It is older than 1 day. Refresh the dataset."),
        (1, None, "Version 2 is shown.", "stale", "older_version", "Version 2 is shown. {}"),
        (1, UNREADABLE, None, "unknown", "attempt_unreadable", "{} Hm."),
    ],
)
def test_a_series_of_an_older_definition_is_never_fresh(
    hours: int, attempt: Attempt | None, warning: str | None, state: str, reason: str, said: str
) -> None:
    """Whatever else is to be told, a reader learns that the definition was another."""
    outdated = "It was made by an older definition."
    now = DATA + hours * HOUR
    found = freshness_of(a_series(warning=warning), attempt, POLICY, now, outdated=outdated)
    assert (found.state, found.reason) == (state, reason)
    assert found.sentence == said.format(outdated)


LOST = {"date_missing": 1, "date_unparsable": 2, "value_null": 1_000}


@pytest.mark.parametrize(
    ("skipped", "said"),
    [
        ({}, None),
        ({"date_unassigned": 9, "date_unused": 9}, None),
        ({"value_null": 1}, "1 of 5,000 records are not in the series: 1 without a value."),
        (
            {"date_unassigned": 9, **LOST},
            "1,003 of 5,000 records are not in the series: 1 without a date, 2 with a date that",
        ),
    ],
)
def test_records_that_are_left_out_are_told(skipped: dict[str, int], said: str | None) -> None:
    """They are counted by reason, unless their date is unassigned on purpose."""
    series = a_series()
    metadata = replace(series.metadata, rows_read=5_000, skipped=skipped)
    notice = with_losses(Notice(), metadata)
    assert notice.code == (said and "records_skipped")
    assert (notice.text or "").startswith(said or "")
    assert (notice.text is None) == (said is None)


@pytest.mark.parametrize("source", ["sac", SAMPLE_SOURCE])
@pytest.mark.parametrize("attempt", [None, an_attempt(HOUR)])
def test_records_that_are_left_out_are_told_beside_all_else(
    source: str, attempt: Attempt | None
) -> None:
    """What else is to be told comes first and gives its code."""
    series = a_series(source=source)
    freshness = freshness_of(series, attempt, POLICY, DATA + HOUR)
    before = notice_of(series, freshness)
    metadata = replace(series.metadata, rows_read=5_000, skipped=LOST)
    lossy = notice_of(replace(series, metadata=metadata), freshness)
    assert lossy.text is not None
    assert lossy.text.startswith(f"{before.text} 1,003 of" if before.text else "1,003 of")
    assert lossy.code == (before.code or "records_skipped")


@pytest.mark.parametrize(
    ("made", "holds", "source", "older"),
    [
        ("a", "b", "sac", True),
        ("a", "a", "sac", False),
        ("a", None, "sac", False),
        ("", "b", "sac", False),
        ("a", "b", "fixture", False),
    ],
)
def test_an_older_definition_is_told_by_its_fingerprint(
    made: str, holds: str | None, source: str, *, older: bool
) -> None:
    """A sample has its own definition, and of a malformed one there is no telling."""
    series = a_series(source=source)
    series = replace(series, metadata=replace(series.metadata, definition_hash=made))
    assert (older_definition(series, holds) is not None) is older


def test_an_expired_series_says_why_it_was_not_refreshed() -> None:
    """The sentence holds the limit and the words of the last failure."""
    found = freshness_of(a_series(), an_attempt(HOUR), POLICY, DATA + 73 * HOUR)
    assert found.sentence == "It is older than 3 days. The last refresh failed: No."
    plain = freshness_of(a_series(), None, POLICY, DATA + 73 * HOUR)
    assert plain.sentence == "It is older than 3 days. Refresh the dataset."


@given(age=AGES)
def test_no_limit_is_no_limit(age: timedelta) -> None:
    """Without limits old data is fresh as long as no refresh failed."""
    found = freshness_of(a_series(), SUCCESS, DatasetPolicy(), DATA + age)
    assert found.state is (FreshnessState.UNKNOWN if age < -CLOCK_SKEW else FreshnessState.FRESH)


@given(age=AGES, attempt=st.sampled_from([None, SUCCESS, UNREADABLE, an_attempt(HOUR)]))
def test_old_data_is_never_fresh(age: timedelta, attempt: Attempt | None) -> None:
    """Past the limits it is stale or expired, whatever the last refresh did."""
    state = freshness_of(a_series(), attempt, POLICY, DATA + age).state
    if age > 72 * HOUR:
        assert state is FreshnessState.EXPIRED
    elif age > 24 * HOUR:
        assert state is FreshnessState.STALE


@given(first=AGES, second=AGES)
def test_data_does_not_grow_younger(first: timedelta, second: timedelta) -> None:
    """With nothing but time passing, the state only gets worse."""
    order = [FreshnessState.UNKNOWN, FreshnessState.FRESH, FreshnessState.STALE]
    order.append(FreshnessState.EXPIRED)
    ranks = [
        order.index(freshness_of(a_series(), SUCCESS, POLICY, DATA + age).state)
        for age in sorted([first, second])
    ]
    assert ranks == sorted(ranks)


def test_the_notice_is_the_sentence_with_the_time_of_the_data() -> None:
    """A reader is told when the data is from and why it is not newer."""
    stale = Freshness(state=FreshnessState.STALE, reason="too_old", sentence="It is old.")
    said = Notice("Showing data of 21 Nov 2026, 14:05 UTC: It is old.", "too_old")
    assert notice_of(a_series(), stale) == said
    fresh = Freshness(state=FreshnessState.FRESH)
    assert notice_of(a_series(), fresh) == Notice()
    sample = notice_of(a_series(source="fixture"), fresh)
    assert sample == Notice(SAMPLE_WARNING, SAMPLE_WARNING_CODE)
    older = Freshness(state=FreshnessState.STALE, reason="older_version", sentence="Older.")
    assert notice_of(a_series(), older) == Notice("Older.", "older_version")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 second"), (90, "90 seconds"), (60, "1 minute"), (7200, "2 hours"), (86_400, "1 day")],
)
def test_a_duration_is_written_in_its_largest_even_unit(seconds: int, said: str) -> None:
    """What a setting says in seconds is told in words."""
    assert duration(timedelta(seconds=seconds)) == said
