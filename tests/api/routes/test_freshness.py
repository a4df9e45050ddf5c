"""Freshness over HTTP: in the body, in the headers, in the ETag, and as a limit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.errors import SourceTimeoutError
from app.reports import DatasetPolicy
from tests.api.bench import Bench, problem

LATE = SourceTimeoutError("No answer came.", next_step="Try again.")
POLICY = DatasetPolicy(stale_after=timedelta(hours=24), expire_after=timedelta(hours=72))
TIME = "2026-11-21T14:05:00Z"


@pytest.fixture
def limited(filled: Bench) -> Bench:
    """A service with data, whose dataset has limits of age."""
    filled.catalogue.rules = POLICY
    return filled


async def test_fresh_data_says_so(limited: Bench) -> None:
    """Body and headers tell the time of the data, and a header its age."""
    limited.clock.tick(timedelta(minutes=1))
    response = await limited.get("/series")
    assert response.json()["freshness"] == {
        "state": "fresh",
        "data_time": TIME,
        "last_attempt": TIME,
        "reason": None,
        "sentence": None,
        "next_attempt": None,
    }
    assert response.headers["x-series-freshness"] == "fresh"
    assert response.headers["age"] == "60"
    assert response.headers["last-modified"] == "Sat, 21 Nov 2026 14:05:00 GMT"


async def test_a_failed_refresh_makes_it_stale_and_keeps_its_time(limited: Bench) -> None:
    """The answer of the refresh and of the series tell the same, with the time of the data."""
    limited.source.error = LATE
    limited.clock.tick()
    refreshed = (await limited.refresh()).json()
    series = await limited.get("/series?format=csv")
    body = (await limited.get("/series")).json()
    assert refreshed["freshness"] == {**body["freshness"], "age_s": 3600}
    assert body["freshness"]["state"] == series.headers["x-series-freshness"] == "stale"
    assert body["freshness"]["reason"] == "source_timeout"
    assert (body["freshness"]["data_time"], series.headers["age"]) == (TIME, "3600")
    assert body["freshness"]["last_attempt"] == "2026-11-21T15:05:00Z"


async def test_a_restarted_service_still_warns(limited: Bench) -> None:
    """How the last refresh ended is kept beside the data."""
    limited.source.error = LATE
    await limited.refresh()
    before = (await limited.get("/series")).json()
    limited.use()
    after = (await limited.get("/series")).json()
    assert after["warning_code"] == "source_timeout"
    assert after == before


async def test_old_data_is_stale_and_then_refused(limited: Bench) -> None:
    """Past the first limit it is marked, past the second it takes an explicit wish to see it."""
    limited.clock.tick(timedelta(hours=25))
    stale = await limited.get("/series")
    assert (stale.status_code, stale.json()["warning_code"]) == (200, "too_old")
    limited.clock.tick(timedelta(hours=48))
    refused = problem(await limited.get("/series"), 503)
    assert refused["code"] == "expired"
    assert refused["detail"].startswith("The data is of 21 Nov 2026, 14:05 UTC and is not shown.")
    wished = await limited.get("/series?allow_expired=true")
    assert (wished.status_code, wished.headers["x-series-freshness"]) == (200, "expired")
    assert wished.json()["warning_code"] == "expired"
    assert (await limited.get("/series?version=0")).status_code == 200


async def test_an_unchanged_answer_is_not_sent_again(limited: Bench) -> None:
    """With the ETag of what it has, a caller gets 304 and the headers, however often."""
    first = await limited.get("/series?grain=quarter")
    limited.clock.tick(timedelta(minutes=1))
    again = await limited.get("/series?grain=quarter", If_None_Match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["age"] == "60"
    assert again.headers["vary"] == "Accept, Accept-Encoding"
    other = await limited.get("/series", If_None_Match=first.headers["etag"])
    assert other.status_code == 200


async def test_the_etag_changes_when_the_freshness_does(limited: Bench) -> None:
    """A copy that was fresh is not confirmed once it is stale, nor once it is fresh again."""
    fresh = (await limited.get("/series")).headers["etag"]
    limited.source.error = LATE
    await limited.refresh()
    stale = await limited.get("/series", If_None_Match=fresh)
    assert (stale.status_code, stale.json()["freshness"]["state"]) == (200, "stale")
    limited.source.error = None
    await limited.refresh()
    mended = await limited.get("/series", If_None_Match=stale.headers["etag"])
    assert (mended.status_code, mended.json()["freshness"]["state"]) == (200, "fresh")
    limited.clock.tick(timedelta(hours=25))
    old = await limited.get("/series", If_None_Match=mended.headers["etag"])
    assert (old.status_code, old.json()["freshness"]["reason"]) == (200, "too_old")


async def test_data_from_the_future_has_no_age(limited: Bench) -> None:
    """If the clocks disagree, the state is unknown and there is no Age."""
    limited.clock.tick(timedelta(hours=-1))
    response = await limited.get("/series")
    assert response.json()["freshness"]["state"] == "unknown"
    assert "age" not in response.headers
