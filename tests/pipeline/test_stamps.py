"""A stamp is another as soon as an answer would be, and the same while only the age grows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.pipeline.freshness import Notice
from app.pipeline.stamps import stamp_of, stamp_of_all
from app.reports import FreshnessState
from tests.fakes import START, FakeClock, a_standing
from tests.pipeline.test_freshness import a_series

SERIES = a_series()
TOLD = a_standing(clock=FakeClock(START)).of(SERIES)


@pytest.mark.parametrize(
    "change",
    [
        {"state": FreshnessState.STALE},
        {"reason": "too_old"},
        {"sentence": "It is old."},
        {"last_attempt": START},
        {"next_attempt": START},
        {"data_time": START + timedelta(days=1)},
        {"age_s": None},
    ],
    ids=str,
)
def test_what_is_told_is_in_it(change: dict[str, Any]) -> None:
    """Each part of the freshness makes another stamp."""
    other = replace(TOLD, freshness=replace(TOLD.freshness, **change))
    assert stamp_of(SERIES, other) != stamp_of(SERIES, TOLD)


def test_the_version_and_the_notice_are_in_it() -> None:
    """Other rows, other metadata and other words make another stamp."""
    later = replace(SERIES.metadata, last_refresh_time=START + timedelta(days=1))
    found = [
        stamp_of(SERIES, TOLD),
        stamp_of(replace(SERIES, version=9), TOLD),
        stamp_of(replace(SERIES, warning="An older one."), TOLD),
        stamp_of(replace(SERIES, metadata=later), TOLD),
        stamp_of(SERIES, replace(TOLD, notice=Notice("Look out.", "x"))),
    ]
    assert len(set(found)) == len(found)


def test_the_age_is_not() -> None:
    """An answer stays true while nothing but time passes; its age is written anew."""
    older = replace(TOLD, freshness=replace(TOLD.freshness, age_s=77))
    assert stamp_of(SERIES, older) == stamp_of(SERIES, TOLD)


def test_several_are_told_in_their_order() -> None:
    """The same datasets in another order are another answer; one alone is its own stamp."""
    one, other = stamp_of(SERIES, TOLD), stamp_of(replace(SERIES, version=9), TOLD)
    assert stamp_of_all([one]) is one
    assert stamp_of_all([one, other]) != stamp_of_all([other, one])
    assert stamp_of_all([one, other]).parts == one.parts + other.parts
    assert stamp_of_all([one, other]).data_times == one.data_times + other.data_times
