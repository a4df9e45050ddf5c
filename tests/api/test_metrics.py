"""Metrics: the breaker and every dataset, as they stand at the scrape."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from app.api.metrics import metrics_text
from app.pipeline.overview import DatasetOverview
from app.reports import BreakerState, BreakerStatus, Freshness, FreshnessState
from tests.api.bench import Bench


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
    found = samples(metrics_text(BreakerStatus(breaker), [one]).decode())
    marked = [labels for labels, value in found.items() if value == 1]
    assert ("sac_series_breaker_state", breaker.value) in marked
    assert len(marked) == 2
