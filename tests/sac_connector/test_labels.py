"""Labels come from `$metadata` and from the masters, as far as these can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import repeat

import httpx
import pytest

from app.catalogue import DimensionLabels
from app.sac_connector import labels as module
from app.sac_connector.wire import SetQuery
from tests.sac_connector.rig import DEFINITION, FakeTenant, connected, refusal

DESCRIBED = (
    '<Edmx><EntityType Name="FactData"><Key><PropertyRef Name="Date"/>'
    '<PropertyRef Name="Region"/><PropertyRef Name="Shop"/></Key><Property Name="Date"/>'
    '<Property Name="Region"><Annotation Term="Common.Label" String="Sales region"/></Property>'
    '<Property Name="Shop"/><Property Name="Amount"/></EntityType>'
    '<EntityType Name="RegionMaster"><Property Name="ID"/><Property Name="Description"/>'
    '</EntityType><EntityType Name="ShopMaster">{shop}</EntityType></Edmx>'
)
TEXTS = '<Property Name="ID"/><Property Name="Description"/>'
SETS = ("FactData", "RegionMaster", "ShopMaster")
REGIONS: list[dict[str, str | None]] = [
    {"ID": "EMEA", "Description": "Europe"},
    {"ID": "#", "Description": None},
]


def listed(rows: Sequence[Mapping[str, str | None]]) -> httpx.Response:
    """Answer with all members of a master."""
    return httpx.Response(200, json={"@odata.count": len(rows), "value": list(rows)})


async def told(
    shop: httpx.Response, texts: str = TEXTS, sets: Sequence[str] = SETS
) -> tuple[dict[str, DimensionLabels], list[str]]:
    """Ask for labels; return them with the masters that were asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/RegionMaster"):
            return listed(REGIONS)
        return httpx.Response(shop.status_code, content=shop.content, headers=shop.headers)

    described = httpx.Response(
        200, text=DESCRIBED.format(shop=texts), headers={"content-type": "application/xml"}
    )
    tenant = FakeTenant(repeat(answer), described=[described], sets=sets)
    definition = replace(DEFINITION, dimensions=("Region", "Shop"))
    async with connected(tenant) as rig:
        found = await rig.source.labels(definition)
    return found, [request.url.path.rpartition("/")[2] for request in tenant.asked[2:]]


async def test_dimensions_and_members_get_their_texts() -> None:
    """A member without a text is left out; a dimension without a label has an empty one."""
    found, _ = await told(listed([{"ID": "1", "Description": "Köln"}]))
    assert found == {
        "Region": DimensionLabels("Sales region", {"EMEA": "Europe"}),
        "Shop": DimensionLabels("", {"1": "Köln"}),
    }


@pytest.mark.parametrize("shop", [refusal(400), refusal(403), listed([{"ID": "1"}])])
async def test_a_master_that_fails_costs_its_own_texts_only(shop: httpx.Response) -> None:
    """Refused or unreadable: the others are told."""
    found, _ = await told(shop)
    assert (found["Region"].members, found["Shop"].members) == ({"EMEA": "Europe"}, {})


@pytest.mark.parametrize(
    ("texts", "sets"), [('<Property Name="ID"/>', SETS), ("", SETS), (TEXTS, SETS[:2])]
)
async def test_a_master_without_texts_is_not_asked(texts: str, sets: Sequence[str]) -> None:
    """Neither one without texts or ids, nor one that the service does not offer."""
    found, asked = await told(listed([]), texts, sets)
    assert (found["Shop"], set(asked)) == (DimensionLabels(), {"RegionMaster"})


async def test_a_huge_master_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is asked for, its members are not."""
    monkeypatch.setattr(module, "MOST_MEMBERS", 1)
    found, asked = await told(listed([{"ID": "1", "Description": "Köln"}]))
    assert (found["Region"].members, found["Shop"].members) == ({}, {"1": "Köln"})
    assert sorted(asked) == ["RegionMaster", "ShopMaster", "ShopMaster"]


def test_the_size_of_a_master_is_asked_for_without_columns() -> None:
    """An empty `$select` names nothing, and may be refused."""
    query = SetQuery("https://t/", "RegionMaster", (), ("ID",), None, 10, counted=True)
    assert query.count() == "https://t/RegionMaster?$count=true&$top=0"
