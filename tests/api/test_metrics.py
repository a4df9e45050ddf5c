"""Metrics: the breaker and every dataset, as they stand at the scrape."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from app.api.metrics import Standing, metrics_text
from app.errors import SourceTimeoutError
from app.pipeline.cache import DeltaCache
from app.pipeline.operations import OperationState
from app.pipeline.overview import DatasetOverview
from app.pipeline.place import CachePlace
from app.reports import BreakerState, BreakerStatus, Freshness, FreshnessState
from tests.api.bench import Bench
from tests.fakes import START
from tests.pipeline.samples import metadata_of, three_months

DOCS = Path(__file__).resolve().parents[2] / "docs"
ASSETS = {
    path.name: path.read_text(encoding="utf-8") for path in sorted((DOCS / "grafana").iterdir())
}
METRIC_ROW = re.compile(r"^\| `(sac_series_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Read metrics back, by name and label values."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


async def test_a_filled_dataset_and_a_closed_breaker_are_told(filled: Bench) -> None:
    """Rows, version, age and state of what is served stand in the metrics."""
    response = await filled.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    found = samples(response.text)
    assert found["sac_series_breaker_state", "closed"] == 1
    assert found["sac_series_breaker_state", "open"] == 0
    assert found["sac_series_rows", "default"] == 4
    assert found["sac_series_version", "default"] == 0
    assert found["sac_series_data_age_seconds", "default"] >= 0
    assert sum(found["sac_series_freshness", "default", state] for state in FreshnessState) == 1


async def test_a_dataset_without_data_is_unknown_and_has_no_rows(bench: Bench) -> None:
    """What is not there is not written as zero."""
    found = samples((await bench.get("/metrics")).text)
    assert found["sac_series_freshness", "default", "unknown"] == 1
    assert ("sac_series_rows", "default") not in found


@given(st.sampled_from(BreakerState), st.sampled_from(FreshnessState), st.text(max_size=8))
def test_exactly_one_state_is_marked(
    breaker: BreakerState, state: FreshnessState, name: str
) -> None:
    """Whatever the states, each gauge marks one, and any dataset's name survives."""
    one = DatasetOverview(name, None, Freshness(state=state))
    now = Standing(breaker=BreakerStatus(breaker), datasets=[one])
    found = samples(metrics_text(CollectorRegistry(), now).decode())
    marked = [labels for labels, value in found.items() if value == 1]
    assert ("sac_series_breaker_state", breaker.value) in marked
    assert ("sac_series_freshness", name, state.value) in marked
    assert len(marked) == 2


async def test_operations_are_counted_by_state(filled: Bench) -> None:
    """Those that run and those that ended of late, each state told, if only as none."""
    filled.source.error = SourceTimeoutError("No answer.")
    await filled.refresh()
    found = samples((await filled.get("/metrics")).text)
    states = {state: found["sac_series_operations", state] for state in OperationState}
    assert states == {"queued": 0, "running": 0, "succeeded": 1, "failed": 1, "cancelled": 0}
    await filled.services.operations.finish(0.0)
    assert samples((await filled.get("/metrics")).text)["sac_series_stopping",] == 1


async def test_the_times_of_data_and_of_the_last_attempt_are_told(filled: Bench) -> None:
    """As seconds since 1970, so that an age can be computed when it is looked at."""
    found = samples((await filled.get("/metrics")).text)
    for name in ("data", "last_attempt"):
        assert found[f"sac_series_{name}_timestamp_seconds", "default"] == START.timestamp()


async def test_the_size_of_the_cache_is_told_where_it_can_be(bench: Bench, tmp_path: Path) -> None:
    """Bytes, files and versions of each dataset, room and permission; nothing is made up."""
    unknown = samples((await bench.get("/metrics")).text)
    assert not [name for name, *_ in unknown if name.startswith("sac_series_cache")]
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows, dataset="default"))
    place = CachePlace(str(tmp_path))
    bench.app.state.services = replace(bench.services, place=place)
    found = samples((await bench.get("/metrics")).text)
    size = place.size("default")
    assert size is not None
    assert found["sac_series_cache_bytes", "default"] == size.bytes > 0
    assert found["sac_series_cache_files", "default"] == size.files
    assert found["sac_series_cache_versions", "default"] == 1
    assert found["sac_series_cache_free_bytes",] > 0
    assert found["sac_series_cache_writable",] == 1


async def test_the_page_is_what_prometheus_reads(filled: Bench) -> None:
    """Every family has a type and a help text; every counter and unit is named as it should be."""
    families = list(text_string_to_metric_families((await filled.get("/metrics")).text))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation
        assert family.type in {"gauge", "counter", "histogram"}
        assert not family.name.endswith(("_ms", "_minutes", "_kb"))
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total"), sample.name


async def everything(bench: Bench, folder: Path) -> str:
    """Return a page on which every metric has a sample."""
    rows = three_months()
    DeltaCache(folder).save(rows, metadata_of(rows, dataset="default"))
    bench.app.state.services = replace(bench.services, place=CachePlace(str(folder)))
    await bench.refresh()
    await bench.get("/series")
    return (await bench.get("/metrics")).text


async def test_the_table_of_the_docs_is_the_page(bench: Bench, tmp_path: Path) -> None:
    """Each metric stands there with its type, labels and help text, and no other."""
    families = text_string_to_metric_families(await everything(bench, tmp_path))
    told = {
        name_of(family): (family.type, labels_of(family), f"{family.documentation}.")
        for family in families
        if family.name.startswith("sac_series_")
    }
    rows = METRIC_ROW.findall((DOCS / "operations.md").read_text(encoding="utf-8"))
    listed = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows
    }
    assert listed == told


@pytest.mark.parametrize("asset", ASSETS)
async def test_dashboard_and_alerts_name_metrics_that_there_are(
    bench: Bench, tmp_path: Path, asset: str
) -> None:
    """Whoever loads them finds no empty panel because of a name."""
    page = await everything(bench, tmp_path)
    exposed = set(re.findall(r"^(\w+)", page, re.MULTILINE))
    named = set(re.findall(r"\bsac_series_\w+", ASSETS[asset]))
    assert named
    assert named <= exposed
    if asset.endswith(".json"):
        dashboard = json.loads(ASSETS[asset])
        assert dashboard["title"]
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)


def name_of(family: Metric) -> str:
    """Return the name of a family as its samples have it."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def labels_of(family: Metric) -> set[str]:
    """Return the labels of a family, those of a histogram's own left out."""
    return {label for sample in family.samples for label in sample.labels} - {"le"}
