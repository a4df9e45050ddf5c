"""Writes how the service stands for Prometheus, as it is at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from app.pipeline.overview import DatasetOverview
from app.reports import BreakerState, BreakerStatus, FreshnessState

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
_PREFIX: Final = "sac_series_"


def metrics_text(breaker: BreakerStatus, datasets: Sequence[DatasetOverview]) -> bytes:
    """Return all metrics in Prometheus' text form.

    Args:
        breaker: How the breaker before the tenant stands.
        datasets: What is served of each dataset.
    """
    registry = CollectorRegistry()
    state = _gauge(registry, "breaker_state", "1 for the breaker's state, 0 for others", "state")
    _mark(state, (), breaker.state)
    freshness = _gauge(
        registry, "freshness", "1 for the state of a dataset, 0 for others", "dataset", "state"
    )
    age = _gauge(registry, "data_age_seconds", "Age of the data that is served", "dataset")
    rows = _gauge(registry, "rows", "Rows of the version that is served", "dataset")
    version = _gauge(registry, "version", "Version that is served", "dataset")
    for one in datasets:
        _mark(freshness, (one.name,), one.freshness.state)
        if one.freshness.age_s is not None:
            age.labels(one.name).set(one.freshness.age_s)
        if one.series is not None:
            rows.labels(one.name).set(one.series.metadata.row_count)
            version.labels(one.name).set(one.series.version)
    return generate_latest(registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(_PREFIX + name, text, labels, registry=registry)


def _mark(gauge: Gauge, labels: tuple[str, ...], found: BreakerState | FreshnessState) -> None:
    kind: type[StrEnum] = type(found)
    for state in kind:
        gauge.labels(*labels, state.value).set(state is found)
