"""Ready means that requests can be answered."""

from __future__ import annotations

import pytest

from app.api.readiness import readiness
from app.errors import CacheCorruptError, CacheUnavailableError
from tests.fakes import FakeCache


async def test_an_empty_cache_is_ready() -> None:
    """Only a ready service gets the refresh that fills its cache."""
    answer = await readiness(FakeCache(), "default")
    assert (answer.status, answer.code) == ("ready", "cache_missing")


@pytest.mark.parametrize("error", [CacheCorruptError("Bad."), CacheUnavailableError("Gone.")])
async def test_a_broken_cache_is_not(error: CacheCorruptError | CacheUnavailableError) -> None:
    """A cache that cannot be read is not ready, and says why."""
    cache = FakeCache()
    cache.load_error = error
    answer = await readiness(cache, "default")
    assert (answer.status, answer.detail, answer.code) == ("not_ready", str(error), error.code)
