"""The administration of subscriptions, and the token that it takes to write."""

import re
from typing import Any

import httpx
import pytest

from demo.tenant.call import BASE
from demo.tenant.samples import ACCOUNTS, PLAN
from tests.demo.tenant.conftest import FACTS, HOST, PLAN_KEYS, SERVICE, Caller

ALL = f"{BASE}/administration/Subscriptions"
FIELDS = {
    "NamespaceID", "ProviderID", "EntitySetName", "SubscriptionID", "ExternalID", "ChainID",
    "PreviousSubscriptionID", "Filter", "Selection", "Description", "StartTime", "EndTime",
    "LastAccessed", "CurrentDeltaLink",
}  # fmt: skip


async def subscribe(caller: Caller, **fields: str) -> httpx.Response:
    """POST a subscription of the plan's facts, with other fields if some are given."""
    body = {"NamespaceID": "sac", "ProviderID": PLAN, "EntitySetName": "FactData", **fields}
    return await caller.http.post(ALL, json=body, headers=await caller.csrf())


async def delete(caller: Caller, name: str, query: str = "", model: str = PLAN) -> int:
    """DELETE subscriptions; return the status."""
    url = f"{ALL}(NamespaceID='sac',ProviderID='{model}',SubscriptionID='{name}'){query}"
    return (await caller.http.delete(url, headers=await caller.csrf())).status_code


async def listed(caller: Caller, url: str = ALL) -> list[dict[str, Any]]:
    """GET the list of subscriptions."""
    page = await caller.page(url)
    assert page["@odata.context"] == "$metadata#Subscriptions"
    value: list[dict[str, Any]] = page["value"]
    return value


async def test_a_csrf_token_is_fetched_with_a_header(caller: Caller) -> None:
    """Without the header none is handed out, and without a bearer nothing is."""
    first, second = await caller.csrf(), await caller.csrf()
    assert first != second
    assert "x-csrf-token" not in (await caller.get("/api/v1/csrf")).headers
    assert (await caller.get("/api/v1/csrf", authorization="")).status_code == 401


async def test_a_record_has_all_fields_and_text_for_what_is_missing(caller: Caller) -> None:
    """What was not said is `null` as a text; the chain names the model, the set and a time."""
    made = (await subscribe(caller)).json()
    assert made.keys() == {*FIELDS, "@odata.context"}
    missing = {name for name in FIELDS if made[name] == "null"}
    assert missing == {
        "ExternalID", "PreviousSubscriptionID", "Filter", "Selection", "Description", "EndTime",
        "LastAccessed",
    }  # fmt: skip
    assert re.fullmatch(rf"sac_{PLAN}_FactData_\d+", made["ChainID"])
    assert made["CurrentDeltaLink"] == f"{HOST}{FACTS}?deltaid={made['SubscriptionID']}"
    assert [{**record, "@odata.context": made["@odata.context"]} for record in await listed(caller)]
    assert (await listed(caller))[0] == {name: made[name] for name in FIELDS}


async def test_the_metadata_of_the_administration_names_every_field(caller: Caller) -> None:
    """A record has neither more nor fewer."""
    text = (await caller.get(f"{BASE}/administration/$metadata")).text
    entity = text.partition('EntityType Name="Subscriptions"')[2].partition("</EntityType>")[0]
    assert set(re.findall(r'<Property Name="(\w+)"', entity)) == FIELDS


async def test_the_first_link_tells_all_rows_and_adds_a_link(caller: Caller) -> None:
    """Filter and selection hold; the next record points to the one before."""
    selection = f"{PLAN_KEYS},Revenue"
    texts = {"Filter": "Region eq 'EMEA'", "Selection": selection, "Description": "Mine"}
    made = (await subscribe(caller, **texts)).json()
    assert made["SubscriptionID"].startswith("first-")
    assert {name: made[name] for name in texts} == texts
    rows = await caller.pull(made["CurrentDeltaLink"])
    wanted = await caller.pull(f"{FACTS}?$filter=Region%20eq%20'EMEA'&$select={selection}")
    assert rows == wanted
    old, new = await listed(caller)
    assert new["PreviousSubscriptionID"] == old["SubscriptionID"] == made["SubscriptionID"]
    assert (new["ChainID"], new["Filter"]) == (made["ChainID"], texts["Filter"])
    assert old["EndTime"] == old["LastAccessed"] == new["StartTime"]


async def test_an_external_id_reads_on_from_the_latest_link(caller: Caller) -> None:
    """It is a fixed address for the whole chain, and can be given once."""
    made = await subscribe(caller, ExternalID="nightly", EntitySetName="FactDataAggregation")
    assert made.status_code == 201
    assert (await subscribe(caller, ExternalID="nightly")).status_code == 400
    url = f"{SERVICE}/{PLAN}/FactDataAggregation?externalid=nightly&pagesize=50000"
    sizes = [len((await caller.page(url))["value"]) for _ in range(2)]
    assert sizes[0] > sizes[1] == 0


async def test_a_tracked_read_leaves_a_subscription(caller: Caller) -> None:
    """It is listed for its model, and for no other."""
    await caller.get(f"{FACTS}?$filter=Date%20eq%20'202401'", prefer="odata.track-changes")
    of_model = f"{BASE}/administration/Providers(NamespaceID='sac',ProviderID='{PLAN}')"
    assert [each["Filter"] for each in await listed(caller)] == ["Date eq '202401'"]
    assert await listed(caller, f"{of_model}/Subscriptions") == await listed(caller)
    assert await listed(caller, f"{of_model.replace(PLAN, ACCOUNTS)}/Subscriptions") == []


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({"ProviderID": "CNONE"}, 404, "CNONE"),
        ({"NamespaceID": "other"}, 404, "other"),
        ({"EntitySetName": "RegionMaster"}, 400, "RegionMaster"),
        ({"Selection": "Version,Date,Revenue"}, 400, "[1402]"),
        ({"Filter": "Region in ('A')"}, 500, "[1205]"),
        ({"Filter": "Nothing eq 'A'"}, 400, "Nothing"),
        ({"Colour": "red"}, 400, "Colour"),
    ],
)
async def test_a_subscription_that_does_not_fit_is_refused(
    caller: Caller, fields: dict[str, str], status: int, part: str
) -> None:
    """Unknown models, sets, columns and fields, and selections without all keys."""
    answer = await subscribe(caller, **fields)
    assert (answer.status_code, part in answer.text) == (status, True)
    assert await listed(caller) == []


async def test_writes_need_a_token_that_was_handed_out(caller: Caller) -> None:
    """Without one, 403 and the hint; the list stays as it was."""
    answer = await caller.http.post(ALL, json={})
    assert (answer.status_code, answer.headers["x-csrf-token"]) == (403, "required")
    answer = await caller.http.delete(f"{ALL}()", headers=await caller.csrf())
    assert answer.status_code == 405


async def test_one_link_a_chain_a_set_or_all_can_be_deleted(caller: Caller) -> None:
    """What is deleted cannot be read any more; the rest can."""
    chains = [(await subscribe(caller)).json() for _ in range(3)]
    for chain in chains:
        await caller.page(f"{chain['CurrentDeltaLink']}&pagesize=1")
    await subscribe(caller, EntitySetName="FactDataAggregation")
    first = [chain["SubscriptionID"] for chain in chains]
    assert await delete(caller, first[0]) == 204
    assert (await caller.get(chains[0]["CurrentDeltaLink"])).status_code == 404
    assert len(await listed(caller)) == 6
    assert await delete(caller, first[1], "?deleteChain=true") == 204
    assert {each["ChainID"] for each in await listed(caller)}.isdisjoint({chains[1]["ChainID"]})
    assert await delete(caller, "", "?deleteEntitySetName=FactDataAggregation") == 204
    assert {each["EntitySetName"] for each in await listed(caller)} == {"FactData"}
    assert await delete(caller, "", model=ACCOUNTS) == 404
    assert await delete(caller, "") == 204
    assert await listed(caller) == []
    assert await delete(caller, first[0]) == 404


async def test_calls_for_subscriptions_are_a_category_of_their_own(caller: Caller) -> None:
    """A fault can strike them alone, and a reset forgets them."""
    await subscribe(caller)
    await caller.fault("status", match="subscription", status=503)
    assert (await caller.get(ALL)).status_code == 503
    token = await caller.csrf()
    await caller.admin("reset", None)
    await caller.sign_in()
    assert await listed(caller) == []
    assert (await caller.http.post(ALL, json={}, headers=token)).status_code == 403
