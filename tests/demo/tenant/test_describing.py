"""Catalogue, service document, metadata and masters: what a tenant says of its models."""

import xml.etree.ElementTree as ET
from urllib.parse import quote

import pytest

from demo.tenant.call import BASE
from demo.tenant.samples import ACCOUNTS, PLAN, QUARTERS
from tests.demo.tenant.conftest import HOST, SERVICE, Caller

CATALOGUE = f"{BASE}/administration/Namespaces(NamespaceID='sac')/Providers"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.mark.parametrize(
    "path",
    [
        CATALOGUE,
        CATALOGUE.replace("NamespaceID=", ""),
        f"{BASE}/administration/" + quote("Namespaces(NamespaceID='sac')", safe="") + "/Providers",
        f"{CATALOGUE}?$top=1",
    ],
)
async def test_the_catalogue_lists_all_models_under_every_spelling(
    caller: Caller, path: str
) -> None:
    """Both key forms, percent-encoded too; `$top` is ignored."""
    body = await caller.page(path)
    assert body["@odata.context"] == "$metadata#Providers"
    assert [model["ProviderID"] for model in body["value"]] == list(caller.state.models)
    first = body["value"][0]
    assert set(first) == {
        "ProviderID",
        "ProviderName",
        "NamespaceID",
        "Description",
        "ServiceURL",
    }
    assert first["ServiceURL"] == f"{HOST}{SERVICE}/{PLAN}/"


async def test_two_models_share_a_name(caller: Caller) -> None:
    """A display name does not name a model."""
    models = (await caller.page(CATALOGUE))["value"]
    named = {model["ProviderID"] for model in models if model["ProviderName"] == "Sales plan"}
    assert named == {PLAN, ACCOUNTS}


async def test_the_administration_service_describes_itself(caller: Caller) -> None:
    """Its namespaces and its metadata are there; an unknown namespace is not."""
    names = (await caller.page(f"{BASE}/administration/Namespaces"))["value"]
    assert {"NamespaceID": "sac"} in names
    document = ET.fromstring((await caller.get(f"{BASE}/administration/$metadata")).text)  # noqa: S314
    assert document.find(f".//{EDM}EntityType[@Name='Providers']") is not None
    assert (await caller.get(CATALOGUE.replace("'sac'", "'x'"))).status_code == 404


async def test_the_service_document_names_the_sets_that_exist(caller: Caller) -> None:
    """Hierarchies where there are some, no audit, and aggregation unless it is switched off."""
    body = await caller.page(f"{SERVICE}/{PLAN}/")
    names = [entry["name"] for entry in body["value"]]
    assert body["@odata.context"] == "$metadata"
    assert names == [
        "FactData",
        "FactDataAggregation",
        "MasterData",
        "VersionMaster",
        "DateMaster",
        "RegionMaster",
        "RegionMasterWithHierarchy",
        "ProductMaster",
    ]
    caller.switch(aggregation=False)
    body = await caller.page(f"{SERVICE}/{PLAN}/")
    assert "FactDataAggregation" not in [entry["name"] for entry in body["value"]]


async def test_metadata_is_xml_whatever_is_accepted(caller: Caller) -> None:
    """Keys are all dimensions in order, the rest are decimals; MasterData stands in front."""
    answer = await caller.get(f"{SERVICE}/{PLAN}/$metadata", accept="application/json")
    assert answer.headers["content-type"].startswith("application/xml")
    root = ET.fromstring(answer.text)  # noqa: S314 - our own text
    kinds = [kind.get("Name") for kind in root.iter(f"{EDM}EntityType")]
    assert kinds.index("MasterData") < kinds.index("FactData")
    facts = root.find(f".//{EDM}EntityType[@Name='FactData']")
    assert facts is not None
    keys = [key.get("Name") for key in facts.iter(f"{EDM}PropertyRef")]
    assert keys == ["Version", "Date", "Region", "Product"]
    rest = {
        prop.get("Name"): (prop.get("Type"), prop.get("Precision"), prop.get("Scale"))
        for prop in facts.iter(f"{EDM}Property")
        if prop.get("Name") not in keys
    }
    assert rest == {
        "Revenue": ("Edm.Decimal", "31", "7"),
        "Headcount": ("Edm.Decimal", "31", "7"),
    }


@pytest.mark.parametrize("query", ["", "?$format=JSON"])
async def test_metadata_can_leave_the_masters_out(caller: Caller, query: str) -> None:
    """By switch; they are there all the same, and the service document names them."""
    url = f"{SERVICE}/{PLAN}/$metadata{query}"
    assert "RegionMaster" in (await caller.get(url)).text
    caller.switch(masters_in_metadata=False)
    text = (await caller.get(url)).text
    assert "RegionMaster" not in text
    assert "MasterData" in text
    assert "FactDataAggregation" in text
    assert (await caller.get(f"{SERVICE}/{PLAN}/RegionMaster")).status_code == 200
    assert "RegionMaster" in (await caller.get(f"{SERVICE}/{PLAN}/")).text


async def test_both_spellings_of_an_annotation_occur(caller: Caller) -> None:
    """A label is nested text in one place and an attribute in another."""
    text = (await caller.get(f"{SERVICE}/{PLAN}/$metadata")).text
    assert '<Annotation Term="Common.Label"><String>Posting period</String></Annotation>' in text
    assert '<Annotation Term="Common.Label" String="Revenue"/>' in text


async def test_metadata_comes_as_csdl_json_on_request(caller: Caller) -> None:
    """`$format=JSON` gives kinds, keys and types."""
    body = await caller.page(f"{SERVICE}/{ACCOUNTS}/$metadata?$format=JSON")
    facts = body["sac"]["FactData"]
    assert facts["$Kind"] == "EntityType"
    assert facts["$Key"] == ["Version", "Date", "Account", "CostCenter"]
    assert facts["SignedData"]["$Type"] == "Edm.Decimal"
    assert next(iter(body["sac"])) == "MasterData"
    caller.switch(aggregation=False)
    body = await caller.page(f"{SERVICE}/{ACCOUNTS}/$metadata?$format=JSON")
    assert "FactDataAggregation" not in body["sac"]


@pytest.mark.parametrize(
    ("model", "name", "columns"),
    [
        (PLAN, "VersionMaster", ["VERSION", "ID", "Description"]),
        (PLAN, "DateMaster", ["DATE", "Description"]),
        (PLAN, "ProductMaster", ["ID", "Description"]),
        (PLAN, "RegionMasterWithHierarchy", ["ID", "Description", "H1_PARENTID"]),
        (
            ACCOUNTS,
            "AccountMaster",
            ["ID", "Description", "accType", "aggregationType", "exceptionAggregationType"],
        ),
    ],
)
async def test_a_master_shows_by_its_columns_what_its_dimension_is(
    caller: Caller, model: str, name: str, columns: list[str]
) -> None:
    """Only the columns of its master tell a date from a version or an account."""
    rows = (await caller.page(f"{SERVICE}/{model}/{name}"))["value"]
    assert rows
    assert all(list(row) == columns for row in rows)


async def test_every_member_of_the_facts_is_in_its_master(caller: Caller) -> None:
    """Described members come first, those that only facts know come too."""
    dates = await caller.page(f"{SERVICE}/{PLAN}/DateMaster?pagesize=100")
    ids = {row["DATE"] for row in dates["value"]}
    assert {"202311", "202610", "0000", "#"} <= ids


async def test_accounts_say_their_type_and_their_balances(caller: Caller) -> None:
    """All four types with a sign of their own occur; balances are not summed over time."""
    rows = (await caller.page(f"{SERVICE}/{ACCOUNTS}/AccountMaster"))["value"]
    kinds = {row["ID"]: (row["accType"], row["exceptionAggregationType"]) for row in rows}
    assert kinds["REVENUE"] == ("INC", "")
    assert kinds["PAYROLL"] == ("EXP", "")
    assert kinds["CASH"] == ("AST", "LAST")
    assert kinds["DEBT"] == ("LEQ", "LAST")
    figures = {rule for kind, rule in kinds.values() if kind == "NFIN"}
    assert figures == {"LAST", "AVG", ""}


async def test_a_master_is_read_like_facts(caller: Caller) -> None:
    """Selected, filtered, ordered, cut, counted, paged, in packages and as CSV."""
    url = f"{SERVICE}/{PLAN}/RegionMaster?$orderby=ID"
    every = (await caller.page(url))["value"]
    assert await caller.pull(f"{url}&pagesize=3") == every
    assert (await caller.page(f"{url}&pagesize=3&package=2"))["value"] == every[3:6]
    body = await caller.page(f"{url}&$filter=startswith(ID,'E')&$count=true&$top=1")
    assert (body["@odata.count"], [row["ID"] for row in body["value"]]) == (2, ["EAST"])
    assert await caller.pull(f"{url}&$select=ID") == [{"ID": row["ID"]} for row in every]
    text = (await caller.get(f"{url}&$select=ID&$format=text/csv&$top=2")).text
    assert text == "ID\r\n#\r\nAMER\r\n"
    assert (await caller.get(f"{url}&$select=Nothing")).status_code == 400


async def test_parents_of_a_hierarchy_carry_no_facts(caller: Caller) -> None:
    """Only leaves are booked, so a filter on a node finds nothing."""
    rows = (await caller.page(f"{SERVICE}/{PLAN}/RegionMasterWithHierarchy"))["value"]
    parents = {row["H1_PARENTID"] for row in rows} - {None}
    assert parents == {"WORLD", "EAST", "WEST"}
    for parent in parents:
        found = await caller.page(f"{SERVICE}/{PLAN}/FactData?$filter=Region%20eq%20'{parent}'")
        assert found["value"] == []


async def test_a_dimension_without_hierarchy_has_no_such_set(caller: Caller) -> None:
    """Asking for it is a 400, not an empty list."""
    answer = await caller.get(f"{SERVICE}/{PLAN}/ProductMasterWithHierarchy")
    assert answer.status_code == 400


async def test_masters_are_filtered_ordered_and_paged_like_facts(caller: Caller) -> None:
    """One kind of query serves all sets; masters may be narrowed to some columns."""
    url = f"{SERVICE}/{QUARTERS}/DateMaster?$select=DATE&$orderby=DATE%20desc&pagesize=4"
    rows = await caller.pull(f"{url}&$filter=startswith(DATE,'2025')")
    assert [row["DATE"] for row in rows] == ["20254", "20253", "20252", "20251"]


async def test_master_data_joins_ids_and_descriptions(caller: Caller) -> None:
    """One row for each combination that is booked."""
    rows = await caller.pull(f"{SERVICE}/{PLAN}/MasterData?pagesize=5000")
    facts = await caller.pull(f"{SERVICE}/{PLAN}/FactData?pagesize=50000")
    combinations = {tuple(list(row.values())[:4]) for row in facts}
    assert {tuple(row[f"{n}___ID"] for n in list(facts[0])[:4]) for row in rows} == combinations
    assert len(rows) == len(combinations)
    assert rows[0]["Product___Description"] == "Pump"
