"""What is told beside the points is that of the least fresh part."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from app.api.schemas import MetadataModel
from app.api.writing.envelope import least_fresh, notice_of_all, summary, tail
from app.pipeline.freshness import Notice
from app.reports import FreshnessState
from tests.api.writing.answers import a_view, an_answer

STATES = list(FreshnessState)
VIEWS = {state: a_view(notice=Notice(f"It is {state}.", state), state=state) for state in STATES}
ORDER = [
    FreshnessState.FRESH,
    FreshnessState.STALE,
    FreshnessState.UNKNOWN,
    FreshnessState.EXPIRED,
]


@pytest.mark.parametrize("pair", list(itertools.product(STATES, STATES)))
def test_the_worse_of_two_speaks_for_both(pair: tuple[FreshnessState, FreshnessState]) -> None:
    """Expired is worse than unknown, that worse than stale, that worse than fresh."""
    views = [VIEWS[state] for state in pair]
    assert least_fresh(views).freshness.state is max(pair, key=ORDER.index)
    assert notice_of_all(views).code == max(pair, key=ORDER.index)


def test_a_warning_of_any_part_is_told() -> None:
    """If the least fresh says nothing, what another says is not lost."""
    views = [a_view(state=FreshnessState.STALE), a_view(notice=Notice("A sample.", "sample_data"))]
    assert notice_of_all(views).code == "sample_data"
    assert notice_of_all([a_view(), a_view()]) == Notice()


def test_the_metadata_of_another_version_are_written_anew() -> None:
    """What is remembered of one version is never told of another."""
    view = a_view()
    other = replace(
        view,
        series=replace(view.series, metadata=replace(view.series.metadata, source="fixture")),
    )
    for one in (view, view, other, view):
        told = json.loads(b"{" + tail(one, None))["meta"]
        assert told == json.loads(MetadataModel.of(one.series.metadata).model_dump_json())


def test_the_memory_of_metadata_is_bounded() -> None:
    """However many datasets there are, each is told its own."""
    for number in range(200):
        told = json.loads(b"{" + tail(a_view(dataset=f"d{number}"), None))
        assert told["version"] == 7


def test_the_age_is_not_in_the_body() -> None:
    """A copy of an answer would tell the age of long ago."""
    told = json.loads(summary(an_answer(a_view(), a_view(dataset="other"))))
    assert "age_s" not in told["freshness"]
    assert all("age_s" not in part["freshness"] for part in told["series"])
