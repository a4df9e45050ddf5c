"""Labels are kept beside the data, and never stand in the way of a refresh."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.catalogue import DimensionLabels, Labels
from app.errors import AccessDeniedError
from app.pipeline import labels as module
from app.pipeline.cache import DeltaCache
from app.pipeline.labels import LABELS_PATH, LabelKeeper, StoredLabels
from app.records import CachedSeries, DatasetDefinition
from tests.fakes import START, FakeClock, FakeLabels, a_definition
from tests.pipeline.samples import metadata_of, three_months

DEFINITION = replace(a_definition("sales"), dimensions=("Region",))
KEPT = Labels(
    dataset="sales",
    definition_hash=DEFINITION.fingerprint,
    content_hash="",
    read_at=START,
    dimensions={"dim_region": DimensionLabels("Sales region", {"EMEA": "Europe"})},
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache that holds the dataset `sales`."""
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows))
    return tmp_path


def published(content: str = "") -> CachedSeries:
    """Return a series of the regions EMEA and APJ."""
    rows = three_months()
    metadata = replace(metadata_of(rows), content_hash=content)
    return CachedSeries(rows=rows, metadata=metadata, version=0)


def test_labels_survive_a_restart(root: Path) -> None:
    """What one process keeps, the next one reads, and readers of the table pass over it."""
    StoredLabels(root).keep(KEPT)
    assert StoredLabels(root).last("sales") == KEPT
    assert DeltaCache(root).load("sales").version == 0


def test_labels_that_cannot_be_read_are_none(root: Path) -> None:
    """A broken file, one of another dataset, or none at all: logged at most, never raised."""
    store = StoredLabels(root)
    assert (store.last("sales"), store.last("elsewhere")) == (None, None)
    store.keep(KEPT)
    for text in ("{", '{"dataset": "sales"}', (root / "sales" / LABELS_PATH).read_text()):
        (root / "sales" / LABELS_PATH).write_text(text.replace("sales", "other"))
        with capture_logs() as lines:
            assert store.last("sales") is None
        assert [line["event"] for line in lines] == ["labels_not_read"]


def test_labels_that_cannot_be_written_are_logged(tmp_path: Path) -> None:
    """The folder is a file: nothing is raised."""
    (tmp_path / "sales").write_text("in the way")
    with capture_logs() as lines:
        StoredLabels(tmp_path).keep(KEPT)
    assert [line["event"] for line in lines] == ["labels_not_kept"]


async def test_a_refresh_keeps_the_labels_of_its_members() -> None:
    """By contract names, and without those of members that the series lacks."""
    told, clock = FakeLabels(), FakeClock()
    await LabelKeeper({"sac": told}, told, clock).renew(DEFINITION, published())
    assert told.kept["sales"] == KEPT


async def test_labels_are_asked_for_when_they_may_have_changed() -> None:
    """Not again for the same rows on the same day; again for others, or a day later."""
    told, clock = FakeLabels(), FakeClock()
    keeper = LabelKeeper({"sac": told}, told, clock)
    asked = []
    for content, hours in (("a", 0), ("a", 1), ("b", 1), ("b", 25)):
        clock.tick(timedelta(hours=hours))
        await keeper.renew(DEFINITION, published(content))
        asked.append(len(told.asked))
    assert asked == [1, 1, 2, 3]


async def test_labels_that_are_refused_leave_the_old_ones() -> None:
    """The failure is logged in the words that the source gave."""
    told = FakeLabels()
    told.kept["sales"], told.error = KEPT, AccessDeniedError("No.")
    with capture_logs() as lines:
        await LabelKeeper({"sac": told}, told, FakeClock()).renew(DEFINITION, published("new"))
    assert told.kept["sales"] == KEPT
    assert lines[0]["event"] == "labels_not_read"


class SlowLabels(FakeLabels):
    """Never answers."""

    async def labels(self, definition: DatasetDefinition) -> dict[str, DimensionLabels]:
        """Wait for good."""
        await asyncio.Event().wait()
        return await super().labels(definition)


async def test_a_refresh_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that does not answer costs a moment, and is logged."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    told = SlowLabels()
    with capture_logs() as lines:
        await LabelKeeper({"sac": told}, told, FakeClock()).renew(DEFINITION, published())
    assert lines[0]["reason"] == "no answer within 0 seconds"
    assert told.kept == {}


async def test_what_has_no_labels_is_not_asked() -> None:
    """A source without masters, and a dataset without dimensions."""
    told = FakeLabels()
    keeper = LabelKeeper({"sac": told}, told, FakeClock())
    await keeper.renew(replace(DEFINITION, source="fixture"), published())
    await keeper.renew(replace(DEFINITION, dimensions=()), published())
    assert told.asked == []
