"""Ready means that readers can be answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.api.readiness import STOPPING_DETAIL, readiness
from app.api.schemas import ReadyResponse
from app.errors import CacheCorruptError, CacheError, CacheUnavailableError
from app.pipeline.history import NEWEST, Pin
from app.pipeline.place import CachePlace
from app.records import CachedSeries
from tests.fakes import FakeCache
from tests.pipeline.samples import metadata_of, three_months

NOWHERE = CachePlace("s3://bucket/cache")


class Mixed(FakeCache):
    """A cache whose datasets fare differently.

    Args:
        series: What it holds.
        broken: The datasets that cannot be read.
    """

    def __init__(self, *series: CachedSeries, broken: Sequence[str]) -> None:
        super().__init__(*series)
        self.broken = broken

    def load(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries:
        """Fail for the broken ones."""
        if dataset in self.broken:
            raise CacheCorruptError(f"{dataset} is broken.")
        return super().load(dataset, pin)


async def asked(
    cache: FakeCache,
    *datasets: str,
    place: CachePlace = NOWHERE,
    stopping: bool = False,
) -> ReadyResponse:
    """Ask whether a service with this cache is ready."""
    return await readiness(cache, datasets or ("default",), place, stopping=stopping)


async def test_an_empty_cache_is_ready() -> None:
    """Only a ready service gets the refresh that fills its cache."""
    answer = await asked(FakeCache())
    assert (answer.status, answer.code) == ("ready", "cache_missing")


@pytest.mark.parametrize("error", [CacheCorruptError("Bad."), CacheUnavailableError("Gone.")])
async def test_a_broken_cache_is_not(error: CacheError) -> None:
    """A cache that cannot be read is not ready, and says why."""
    cache = FakeCache()
    cache.load_error = error
    answer = await asked(cache)
    assert (answer.status, answer.detail, answer.code) == ("not_ready", str(error), error.code)


async def test_one_broken_dataset_does_not_take_the_others_away() -> None:
    """As long as one dataset can be served, it is."""
    cache = Mixed(a_series("sales"), broken=["default"])
    assert (await asked(cache, "default", "sales")).status == "ready"
    cache.broken = ["default", "sales"]
    answer = await asked(cache, "default", "sales")
    assert (answer.status, answer.detail) == ("not_ready", "default is broken.")


async def test_a_service_that_stops_is_not_ready() -> None:
    """Whatever the cache is like, the platform must send its callers elsewhere."""
    answer = await asked(FakeCache(a_series("default")), stopping=True)
    assert (answer.status, answer.detail) == ("not_ready", STOPPING_DETAIL)
    assert answer.code == "service_stopping"


async def test_a_cache_that_takes_nothing_more_is_ready_and_says_so(tmp_path: Path) -> None:
    """Readers are still served; the operator is told."""

    class ReadOnly(CachePlace):
        """A folder that may only be read, also by root."""

        def writable(self) -> bool:
            """Say no."""
            return False

    answer = await asked(FakeCache(a_series("default")), place=ReadOnly(str(tmp_path)))
    assert (answer.status, answer.code) == ("ready", "cache_unavailable")
    assert answer.detail.endswith("It cannot be written to, so no refresh can be published.")


@pytest.mark.parametrize("held", [[], ["default"]], ids=["empty", "filled"])
async def test_settings_that_cannot_be_used_are_named(held: list[str]) -> None:
    """Readers are served all the same, so it is ready; what was found is not for everybody."""
    cache = FakeCache(*map(a_series, held))
    usual = await asked(cache)
    answer = await readiness(
        cache, ["default"], NOWHERE, stopping=False, malformed=["SSL_CERT_FILE", "DATASETS_FILE"]
    )
    assert answer.status == "ready"
    assert answer.code == (usual.code or "configuration")
    assert answer.detail == (
        f"{usual.detail} These settings cannot be used: SSL_CERT_FILE, DATASETS_FILE."
    )


async def test_without_a_dataset_there_is_nothing_to_fail() -> None:
    """A service that serves nothing serves it well."""
    assert (await readiness(FakeCache(), (), NOWHERE, stopping=False)).status == "ready"


def a_series(dataset: str) -> CachedSeries:
    """Return a series of a dataset."""
    rows = three_months()
    return CachedSeries(rows=rows, metadata=metadata_of(rows, dataset=dataset), version=0)
