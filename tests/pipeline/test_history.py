"""Which version a caller means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadQueryError, UnknownVersionError
from app.pipeline.history import NEWEST, Pin, VersionInfo, parse_pin, version_at
from tests.pipeline.samples import REFRESHED, metadata_of, three_months

META = metadata_of(three_months())
HOURS = st.lists(st.integers(0, 50), min_size=1, max_size=8)


def infos(hours: list[int]) -> list[VersionInfo]:
    """Return versions of these hours, newest first."""
    times = [REFRESHED + timedelta(hours=hour) for hour in hours]
    return [VersionInfo(n, time, META, changes_data=True) for n, time in enumerate(times)][::-1]


@given(hours=HOURS.map(sorted), asked=st.integers(0, 60))
def test_as_of_names_what_was_the_newest_then(hours: list[int], asked: int) -> None:
    """The version of a time is the last one that had been published by then."""
    time = REFRESHED + timedelta(hours=asked)
    published = [number for number, hour in enumerate(hours) if hour <= asked]
    if published:
        assert version_at(infos(hours), time) == published[-1]
    else:
        with pytest.raises(UnknownVersionError, match="the oldest is of 2026-11"):
            version_at(infos(hours), time)


def test_versions_without_a_time_are_passed_over() -> None:
    """A commit that does not say when it was made is no answer to a question of time."""
    nowhen = VersionInfo(3, None, META, changes_data=True)
    assert version_at([nowhen, *infos([0])], REFRESHED) == 0
    with pytest.raises(UnknownVersionError, match="There was no version yet"):
        version_at([nowhen], REFRESHED)


def test_nothing_asked_is_the_newest() -> None:
    """Without a version and a time the newest is meant."""
    assert parse_pin(None, None) == NEWEST
    assert not NEWEST
    assert parse_pin(0, None) == Pin(0)
    assert Pin(0)


@given(time=st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_any_aware_time_is_read(time: datetime) -> None:
    """An ISO time means the same instant in every zone, also where its plus became a blank."""
    text = time.isoformat()
    for written in (text, text.replace("+", " ")):
        pin = parse_pin(None, written)
        assert pin.as_of is not None
        # Not the time itself: in the hour that a clock repeats it equals no time of another zone.
        assert pin.as_of == datetime.fromisoformat(text)
        assert pin.as_of.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-21", "2026-11-21T14:05:00", "9999-12-31T23:59:59-14:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """A time without a zone, and what is no time, name the parameter and an example."""
    with pytest.raises(BadQueryError) as caught:
        parse_pin(None, text)
    assert caught.value.parameter == "as_of"
    assert caught.value.next_step


def test_a_version_and_a_time_together_are_refused() -> None:
    """Two answers to one question are a mistake of the caller."""
    with pytest.raises(BadQueryError, match="Both"):
        parse_pin(3, "2026-11-21T14:05:00Z")
