"""What is at hand is what is served, and what it is made of is looked at once a turn."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.pipeline.at_hand import SeriesAtHand
from app.pipeline.attempts import StoredAttempts
from app.pipeline.cache import DeltaCache
from app.pipeline.cubes import Cubes
from app.pipeline.freshness import Notice
from app.pipeline.history import Pin
from app.pipeline.standing import Standing, Told
from app.pipeline.turns import OncePerTurn
from app.records import CachedSeries
from app.reports import Attempt, AttemptOutcome, Freshness, FreshnessState
from tests.fakes import START, FakeCache, FakeCatalogue, FakeClock
from tests.pipeline.samples import metadata_of, three_months

TOLD = Told(Notice(), Freshness(state=FreshnessState.FRESH))


def a_series(version: int = 0) -> CachedSeries:
    """Return a version."""
    rows = three_months(version + 1.0)
    return CachedSeries(rows=rows, metadata=metadata_of(rows, dataset="default"), version=version)


async def test_a_stamp_is_the_same_as_long_as_it_tells_the_same() -> None:
    """Another version or another word is another stamp."""
    told = [TOLD]
    cache = FakeCache(a_series())
    at_hand = SeriesAtHand(cache, Cubes(), lambda _: told[0])
    first, second = at_hand.find("default"), at_hand.find("default")
    assert first is not None
    assert second is not None
    assert first.stamp is second.stamp
    told[0] = replace(TOLD, notice=Notice("Old.", "old"))
    third = at_hand.find("default")
    assert third is not None
    assert third.stamp != first.stamp
    cache.versions["default"].append(a_series(1))
    fourth = at_hand.find("default")
    assert fourth is not None
    assert fourth.series.version == 1
    assert fourth.stamp != third.stamp


async def test_what_must_be_waited_for_is_not_at_hand() -> None:
    """No version, no word, or a version that nobody has pinned."""
    cache = FakeCache(a_series())
    assert SeriesAtHand(cache, Cubes(), lambda _: None).find("default") is None
    at_hand = SeriesAtHand(cache, Cubes(), lambda _: TOLD)
    assert at_hand.find("other") is None
    assert at_hand.find("default", Pin(7)) is None
    assert at_hand.find("default", Pin(0)) is not None


async def test_an_index_is_at_hand_once_it_was_built() -> None:
    """It takes long, so it is not built here."""
    series, cubes = a_series(), Cubes()
    at_hand = SeriesAtHand(FakeCache(series), cubes, lambda _: TOLD)
    before = at_hand.find("default")
    cube = cubes.of(series.rows)
    after = at_hand.find("default")
    assert before is not None
    assert after is not None
    assert (before.cube, after.cube) == (None, cube)


@pytest.fixture
def parts(tmp_path: Path) -> tuple[DeltaCache, StoredAttempts, SeriesAtHand]:
    """A cache on disk with one version, its attempts, and what is at hand of both."""
    looks = OncePerTurn[Any]()
    cache = DeltaCache(tmp_path, looks=looks)
    attempts = StoredAttempts(tmp_path, looks=looks)
    rows = three_months()
    cache.save(rows, metadata_of(rows, dataset="default"))
    cache.load("default")
    standing = Standing(FakeCatalogue(), attempts, FakeClock(START), lambda _: None)
    return cache, attempts, SeriesAtHand(cache, Cubes(), standing.at_once, looks)


async def test_a_turn_has_one_look(
    parts: tuple[DeltaCache, StoredAttempts, SeriesAtHand], tmp_path: Path
) -> None:
    """In one turn all get the same object; in the next they learn what another process did."""
    _, _, at_hand = parts
    first = at_hand.find("default")
    assert first is not None
    assert at_hand.find("default") is first
    rows = three_months(5)
    await asyncio.to_thread(DeltaCache(tmp_path).save, rows, metadata_of(rows, dataset="default"))
    # What is not in memory yet must be read, and that is waited for.
    assert at_hand.find("default") is None


async def test_what_this_process_changes_is_seen_in_the_same_turn(
    parts: tuple[DeltaCache, StoredAttempts, SeriesAtHand],
) -> None:
    """A save, a touch, and the end of a refresh make all forget what they saw."""
    cache, attempts, at_hand = parts
    first = at_hand.find("default")
    assert first is not None
    attempt = Attempt(dataset="default", outcome=AttemptOutcome.FAILED, at=START, sentence="No.")
    attempts.keep(attempt)
    attempts.last("default")
    second = at_hand.find("default")
    assert second is not None
    assert second.told.freshness.last_attempt == START
    rows = three_months(5)
    cache.save(rows, metadata_of(rows, dataset="default"))
    cache.load("default")
    third = at_hand.find("default")
    assert third is not None
    assert third.series.version == first.series.version + 1


async def test_a_version_goes_when_another_is_served() -> None:
    """Nothing that is remembered of a version keeps its rows."""
    cache, cubes = FakeCache(a_series()), Cubes()
    at_hand = SeriesAtHand(cache, cubes, lambda _: TOLD, OncePerTurn())
    found = at_hand.find("default")
    assert found is not None
    cubes.of(found.series.rows)
    gone = weakref.ref(found.series.rows)
    del found
    cache.versions["default"] = [a_series(1)]
    await asyncio.sleep(0)
    assert at_hand.find("default") is not None
    gc.collect()
    assert gone() is None
    assert cubes.count == 0
