"""What there is to choose from in a dataset."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.catalogue import DimensionLabels, Labels
from app.errors import BadQueryError, CacheMissingError, UnknownDatasetError, UnknownDimensionError
from app.pipeline.cache import DeltaCache
from app.pipeline.normalize import normalize
from app.pipeline.picking import MemberQuery, Pickers
from app.records import Grain
from tests.fakes import START, FakeCatalogue, FakeLabels, a_definition, a_standing
from tests.pipeline.samples import DEFINITION, metadata_of, page

RECORDS = [
    ("202401", "EMEA", "1", "1"),
    ("202402", "EMEA", "2", "1"),
    ("202401", "APJ", "1", "1"),
    ("202403", "Ä", "3", "1"),
]


@pytest.fixture
def labels() -> FakeLabels:
    """A store with the labels of the regions."""
    kept = FakeLabels()
    kept.kept["sales"] = Labels(
        dataset="sales",
        definition_hash="same",
        content_hash="",
        read_at=START,
        dimensions={"dim_region": DimensionLabels("Sales region", {"EMEA": "Europe"})},
    )
    return kept


@pytest.fixture
def pickers(tmp_path: Path, labels: FakeLabels) -> Pickers:
    """Pickers on a cache with two dimensions."""
    cache = DeltaCache(tmp_path)
    rows = normalize([page(RECORDS)], DEFINITION).rows
    cache.save(rows, replace(metadata_of(rows), definition_hash="same"))
    catalogue = FakeCatalogue(a_definition("sales"), a_definition("empty"))
    return Pickers(catalogue, cache, labels, a_standing(catalogue))


def wanted(**parts: object) -> MemberQuery:
    """Return a query for members; all of them by itself."""
    return replace(MemberQuery(filters={}), **parts)  # type: ignore[arg-type]


async def test_a_dataset_tells_its_dimensions_and_grains(pickers: Pickers) -> None:
    """In the order of its columns, with how many members have a text."""
    facts = await pickers.dataset("sales")
    assert facts.grains == (Grain.MONTH, Grain.QUARTER, Grain.YEAR)
    assert [(one.name, one.label, one.members, one.labelled) for one in facts.dimensions] == [
        ("dim_region", "Sales region", 3, 1),
        ("dim_cost_center", "", 3, 0),
    ]
    assert facts.labels is not None


async def test_labels_of_another_definition_are_not_shown(
    pickers: Pickers, labels: FakeLabels
) -> None:
    """Its columns may be others under the same names."""
    labels.kept["sales"] = replace(labels.kept["sales"], definition_hash="other")
    facts = await pickers.dataset("sales")
    assert (facts.labels, facts.dimensions[0].label) == (None, "")


async def test_members_come_page_by_page(pickers: Pickers) -> None:
    """Each once, sorted by id; the last page says that it is the last."""
    first = await pickers.members("sales", "region", wanted(limit=2))
    rest = await pickers.members("sales", "dim_region", wanted(limit=2, after=first.after))
    assert [one.id for one in (*first.members, *rest.members)] == ["APJ", "EMEA", "Ä"]
    assert (first.after, rest.after, first.total, rest.total) == ("EMEA", None, 3, 3)


async def test_members_are_searched_by_id_and_text(pickers: Pickers) -> None:
    """Both count, whatever the case."""
    for text, ids in (("europe", ["EMEA"]), ("ä", ["Ä"]), ("nowhere", [])):
        found = await pickers.members("sales", "dim_region", wanted(search=text))
        assert ([one.id for one in found.members], found.total) == (ids, len(ids))


async def test_a_choice_narrows_the_others_but_not_itself(pickers: Pickers) -> None:
    """Members that occur together with what is chosen; of its own dimension all stay."""
    filters = {"cost_center": ("1",), "dim_region": ("EMEA",)}
    regions = await pickers.members("sales", "dim_region", wanted(filters=filters))
    assert [(one.id, one.points) for one in regions.members] == [("APJ", 1), ("EMEA", 1)]
    centers = await pickers.members("sales", "dim_cost_center", wanted(filters=filters))
    assert [one.id for one in centers.members] == ["1", "2"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (wanted(excluded={"region": ("EMEA",)}), ["1", "3"]),
        (wanted(excluded={"region": ("EMEA", "APJ")}), ["3"]),
        (wanted(prefixes={"region": ("E",)}), ["1", "2"]),
        (wanted(prefixes={"region": ("E", "Ä")}, excluded={"dim_region": ("EMEA",)}), ["3"]),
        (wanted(filters={"region": ("EMEA",)}, excluded={"region": ("EMEA",)}), []),
        (wanted(excluded={"cost_center": ("1",)}), ["1", "2", "3"]),
    ],
)
async def test_a_picker_takes_every_filter_of_a_series(
    pickers: Pickers, query: MemberQuery, ids: list[str]
) -> None:
    """Members to leave out and beginnings narrow the choices as they narrow the series."""
    found = await pickers.members("sales", "cost_center", query)
    assert [one.id for one in found.members] == ids


async def test_what_does_not_exist_is_named(pickers: Pickers) -> None:
    """Datasets, dimensions and members are told with those that exist, nearest first."""
    with pytest.raises(UnknownDatasetError, match="Ask for one of: sales"):
        await pickers.dataset("sale")
    with pytest.raises(CacheMissingError):
        await pickers.dataset("empty")
    with pytest.raises(UnknownDimensionError, match="Dimensions of the series: dim_region"):
        await pickers.members("sales", "regio", wanted())
    with pytest.raises(BadQueryError, match=r"no member .EMA.\..* Members: EMEA"):
        await pickers.members("sales", "cost_center", wanted(filters={"region": ("EMA",)}))
    with pytest.raises(BadQueryError, match=r"no member that begins with 'X'\.") as caught:
        await pickers.members("sales", "cost_center", wanted(prefixes={"region": ("X",)}))
    assert caught.value.parameter == "dim_region^"
    with pytest.raises(BadQueryError, match=r"no member .EMA.") as caught:
        await pickers.members("sales", "cost_center", wanted(excluded={"region": ("EMA",)}))
    assert caught.value.parameter == "dim_region!"
    with pytest.raises(BadQueryError, match="x names the dimension 'x', which"):
        await pickers.members("sales", "cost_center", wanted(filters={"x": ("EMA",)}))


async def test_new_rows_and_new_texts_are_counted_anew(
    pickers: Pickers, labels: FakeLabels, tmp_path: Path
) -> None:
    """What was counted before is told again only for the same rows and texts."""
    assert (await pickers.dataset("sales")).dimensions[0].labelled == 1
    kept = labels.kept["sales"]
    texts = {"dim_region": DimensionLabels("", {"EMEA": "Europe", "APJ": "Asia"})}
    labels.kept["sales"] = replace(kept, read_at=START + timedelta(days=1), dimensions=texts)
    assert (await pickers.dataset("sales")).dimensions[0].labelled == 2
    rows = normalize([page([*RECORDS, ("202404", "EMEA", "1", "1")])], DEFINITION).rows
    DeltaCache(tmp_path).save(rows, replace(metadata_of(rows), definition_hash="same"))
    members = (await pickers.members("sales", "region", wanted())).members
    assert [(one.id, one.points) for one in members] == [("APJ", 1), ("EMEA", 3), ("Ä", 1)]
