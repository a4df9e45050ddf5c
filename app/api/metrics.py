"""Writes what was counted, and how the service stands at the scrape, for Prometheus."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from app.api.deps import Services
from app.api.meters import PREFIX
from app.pipeline.operations import OperationState
from app.pipeline.overview import DatasetOverview
from app.pipeline.place import CachePlace, TableSize
from app.reports import BreakerStatus

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the service stands.

    Attributes:
        breaker: How the breaker before the tenant stands.
        datasets: What is served of each dataset.
        operations: The states of the operations that are remembered.
        stopping: Whether refreshes are begun no more.
        sizes: What each dataset takes up, where that can be told.
        free_bytes: Room that is left; None if that cannot be told.
        writable: Whether the cache may be written to; None if that cannot be told.
    """

    breaker: BreakerStatus
    datasets: Sequence[DatasetOverview] = ()
    operations: Sequence[OperationState] = ()
    stopping: bool = False
    sizes: Mapping[str, TableSize] = field(default_factory=dict)
    free_bytes: int | None = None
    writable: bool | None = None


async def standing(services: Services) -> Standing:
    """Look at how the service stands."""
    place, names = services.place, services.catalogue.names
    return Standing(
        breaker=services.breaker.status(),
        datasets=await services.overview.datasets(),
        operations=[one.state for one in services.operations.all()],
        stopping=services.operations.stopping,
        sizes=await asyncio.to_thread(_sizes, place, names),
        free_bytes=place.free_bytes(),
        writable=place.writable(),
    )


def _sizes(place: CachePlace, names: Sequence[str]) -> dict[str, TableSize]:
    found = {name: place.size(name) for name in names}
    return {name: size for name, size in found.items() if size is not None}


def metrics_text(counted: CollectorRegistry, now: Standing) -> bytes:
    """Return all metrics in Prometheus' text form.

    Args:
        counted: What was counted.
        now: How the service stands.
    """
    registry = CollectorRegistry()
    gauges = _Gauges(registry)
    gauges.state("breaker_state", "1 for the breaker's state, 0 for others", now.breaker.state)
    gauges.one("stopping", "1 once the service is told to stop, else 0", now.stopping)
    counts, operations = Counter(now.operations), gauges.of("operations", _OPERATIONS, "state")
    for state in OperationState:
        operations.labels(state.value).set(counts[state])
    _add_datasets(gauges, now.datasets)
    _add_cache(gauges, now)
    return generate_latest(counted) + generate_latest(registry)


_OPERATIONS: Final = "Refreshes that run, or ended within the last hour"


class _Gauges:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def of(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self._registry)

    def one(self, name: str, text: str, value: float) -> None:
        self.of(name, text).set(value)

    def state(self, name: str, text: str, found: StrEnum) -> None:
        mark(self.of(name, text, "state"), (), found)


def mark(gauge: Gauge, labels: tuple[str, ...], found: StrEnum) -> None:
    """Set the one state that was found to 1, and all others of its kind to 0."""
    for state in type(found):
        gauge.labels(*labels, state.value).set(state is found)


def _add_datasets(gauges: _Gauges, datasets: Sequence[DatasetOverview]) -> None:
    freshness = gauges.of(
        "freshness", "1 for the state of a dataset, 0 for others", "dataset", "state"
    )
    age = gauges.of("data_age_seconds", "Age of the data that is served", "dataset")
    data = gauges.of("data_timestamp_seconds", "When the source confirmed that data", "dataset")
    attempt = gauges.of("last_attempt_timestamp_seconds", "When a refresh last ended", "dataset")
    rows = gauges.of("rows", "Rows of the version that is served", "dataset")
    version = gauges.of("version", "Version that is served", "dataset")
    for one in datasets:
        found = one.freshness
        mark(freshness, (one.name,), found.state)
        if found.age_s is not None:
            age.labels(one.name).set(found.age_s)
        if found.data_time is not None:
            data.labels(one.name).set(found.data_time.timestamp())
        if found.last_attempt is not None:
            attempt.labels(one.name).set(found.last_attempt.timestamp())
        if one.series is not None:
            rows.labels(one.name).set(one.series.metadata.row_count)
            version.labels(one.name).set(one.series.version)


def _add_cache(gauges: _Gauges, now: Standing) -> None:
    size = gauges.of("cache_bytes", "Bytes on the disk, older versions included", "dataset")
    files = gauges.of("cache_files", "Files on the disk", "dataset")
    versions = gauges.of("cache_versions", "Versions on the disk", "dataset")
    for name, found in now.sizes.items():
        size.labels(name).set(found.bytes)
        files.labels(name).set(found.files)
        versions.labels(name).set(found.versions)
    if now.free_bytes is not None:
        gauges.one("cache_free_bytes", "Room left on the disk of the cache", now.free_bytes)
    if now.writable is not None:
        text = "1 if the folder of the cache may be written to, else 0"
        gauges.one("cache_writable", text, now.writable)
