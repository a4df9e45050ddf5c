"""GET /datasets over HTTP."""

from __future__ import annotations

from app.errors import CacheCorruptError
from tests.api.bench import Bench


async def test_a_dataset_is_listed_with_its_version_and_freshness(filled: Bench) -> None:
    """Name, source, bounds, rows and version are those that readers get."""
    response = await filled.get("/datasets")
    assert response.status_code == 200
    (dataset,) = response.json()["datasets"]
    freshness = dataset.pop("freshness")
    assert dataset == {
        "name": "default",
        "source": "sac",
        "min_date": "2026-01-01",
        "max_date": "2026-04-01",
        "rows": 4,
        "version": 0,
    }
    assert freshness.pop("age_s") == 0
    assert freshness == (await filled.get("/series")).json()["freshness"]


async def test_a_dataset_without_data_says_why(bench: Bench) -> None:
    """Never refreshed, or broken: listed as unknown, with the reason."""
    (dataset,) = (await bench.get("/datasets")).json()["datasets"]
    assert (dataset["version"], dataset["rows"], dataset["source"]) == (None, None, None)
    assert dataset["freshness"]["state"] == "unknown"
    assert dataset["freshness"]["reason"] == "cache_missing"
    bench.cache.load_error = CacheCorruptError("It is broken.")
    (dataset,) = (await bench.get("/datasets")).json()["datasets"]
    assert dataset["freshness"]["sentence"] == "It is broken."
