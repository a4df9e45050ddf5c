"""Models, columns and members, as far as a tenant tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat

import httpx
import pytest

from app.catalogue import FoundBy, Member, ModelInfo, Role
from app.errors import SourceAnswerError, UnknownModelError
from tests.sac_connector.rig import FakeTenant, Reply, connected, metadata, refusal

LISTED = (
    '<Edmx><EntityType Name="FactData"><Key><PropertyRef Name="Version"/>'
    '<PropertyRef Name="Region"/></Key><Property Name="Version"/><Property Name="Region"/>'
    '<Property Name="Amount" Type="Edm.Decimal"/></EntityType>'
    '<EntityType Name="VersionMaster"><Property Name="VERSION"/></EntityType>'
    '<EntityType Name="RegionMaster">{region}</EntityType></Edmx>'
)
IDS = '<Property Name="ID"/><Property Name="Description"/>'


def rows(*found: Mapping[str, object]) -> httpx.Response:
    """Answer with rows."""
    return httpx.Response(200, json={"value": found})


async def described(
    replies: Mapping[str, Reply], region: str = IDS, sets: Sequence[str] = ("FactData",)
) -> tuple[ModelInfo, list[str]]:
    """Describe a model from answers by entity set; return what was asked for as well."""

    def answer(request: httpx.Request) -> httpx.Response:
        reply = replies[request.url.path.rpartition("/")[2]]
        assert isinstance(reply, httpx.Response)
        return reply

    tenant = FakeTenant(
        repeat(answer), described=[metadata(LISTED.format(region=region))], sets=sets
    )
    async with connected(tenant) as rig:
        model = await rig.source.directory.model("CMODEL")
    return model, [request.url.path.rpartition("/")[2] for request in tenant.asked[2:]]


MASTERS = ("FactData", "VersionMaster", "RegionMaster")
VERSIONS = rows({"VERSION": "public.Actual"})


async def test_members_come_with_their_texts() -> None:
    """A null text is an empty one, and a master without texts has none."""
    regions = rows({"ID": "EMEA", "Description": "Europe"}, {"ID": "#", "Description": None})
    model, asked = await described(
        {"VersionMaster": VERSIONS, "RegionMaster": regions}, sets=MASTERS
    )
    assert [column.members for column in model.columns] == [
        (Member("public.Actual", ""),),
        (Member("EMEA", "Europe"), Member("#", "")),
        (),
    ]
    assert [column.role for column in model.columns] == [
        Role.VERSION,
        Role.DIMENSION,
        Role.MEASURE,
    ]
    assert (model.entity_sets, asked) == (tuple(sorted(MASTERS)), list(MASTERS[1:]))


@pytest.mark.parametrize(
    ("reply", "region"),
    [
        (refusal(404), IDS),
        (rows({"Description": "no id"}), IDS),
        (httpx.Response(200, text="?"), IDS),
        (rows(), IDS),
        (None, '<Property Name="Description"/>'),
        (None, ""),
    ],
    ids=["refused", "no id", "no JSON", "no member", "no column of ids", "no column"],
)
async def test_a_master_that_cannot_be_read_hides_no_column(
    reply: httpx.Response | None, region: str
) -> None:
    """Members are a courtesy: without them the columns are there all the same."""
    replies = {"VersionMaster": VERSIONS, **({} if reply is None else {"RegionMaster": reply})}
    model, _ = await described(replies, region, MASTERS)
    assert [column.name for column in model.columns] == ["Version", "Region", "Amount"]
    assert [len(column.members) for column in model.columns] == [1, 0, 0]


async def test_masters_that_are_not_offered_are_not_asked_for() -> None:
    """The service document decides, whatever the metadata lists."""
    model, asked = await described({})
    assert asked == []
    assert {column.found_by for column in model.columns} == {FoundBy.MASTER, FoundBy.KEY}


async def test_versions_that_hold_data_come_before_those_of_the_master() -> None:
    """A filter on a version or a node that has no record would find nothing."""
    sets = (*MASTERS, "FactDataAggregation")
    listed = rows({"VERSION": "public.Old"}, {"VERSION": "public.Plan"})
    model, asked = await described(
        {
            "VersionMaster": listed,
            "RegionMaster": rows({"ID": "EMEA", "Description": ""}),
            "FactDataAggregation": rows({"Version": "public.Plan"}),
        },
        sets=sets,
    )
    assert model.columns[0].members == (Member("public.Plan", ""),)
    assert sorted(asked) == ["FactDataAggregation", "RegionMaster", "VersionMaster"]


async def test_models_are_listed_by_name_and_id() -> None:
    """Names that occur twice are marked, and what is no list is refused."""
    listed = [("C2", "Plan"), ("C1", "Plan"), ("C3", "Actuals")]
    body = [{"ProviderID": one, "ProviderName": name, "Description": None} for one, name in listed]
    async with connected(FakeTenant([rows(*body), rows({"ProviderName": "x"})])) as rig:
        models = await rig.source.directory.models()
        with pytest.raises(SourceAnswerError, match="a list that cannot be read"):
            await rig.source.directory.models()
    assert [(one.id, one.name_is_unique, one.description) for one in models] == [
        ("C3", True, ""),
        ("C1", False, ""),
        ("C2", False, ""),
    ]


@pytest.mark.parametrize("model_id", ["CNONE", "../x"])
async def test_a_model_that_is_not_there_is_the_callers_mistake(model_id: str) -> None:
    """Unknown to the tenant, or no id at all: the answer names it and where the others are."""
    tenant = FakeTenant(described=[refusal(404)])
    async with connected(tenant) as rig:
        with pytest.raises(UnknownModelError, match="GET /models"):
            await rig.source.directory.model(model_id)
