"""What the service refuses, and in which words and numbers."""

import uuid

import pytest

from demo.tenant.call import BASE
from demo.tenant.samples import PLAN
from tests.demo.tenant.conftest import FACTS, PLAN_KEYS, SCHEME, SERVICE, SUMS, Caller

REFUSED = [
    (f"{FACTS}?$select=Version,Date,Revenue", 400, "[1402]"),
    (f"{FACTS}?$select={PLAN_KEYS},Profit", 400, "Profit"),
    (f"{FACTS}?$orderby=Profit", 400, "Profit"),
    (f"{FACTS}?$filter=Profit%20eq%20'x'", 400, "Profit"),
    (f"{SUMS}?$select=Profit", 400, "Profit"),
    (f"{FACTS}?$filter=Region%20in%20('EMEA','APJ')", 500, "[1205]"),
    (f"{FACTS}?$filter=Region%20eq%20EMEA", 400, "literal"),
    (f"{FACTS}?$filter=Date%20ge%20202401", 400, "quoted text"),
    (f"{FACTS}?$filter=Revenue%20gt%20'5'", 400, "a number"),
    (f"{FACTS}?$filter=contains(Revenue,'5')", 400, "a number"),
    (f"{FACTS}?$filter=Region+eq+'EMEA'", 400, "%20"),
    (f"{FACTS}?$pagesize=10", 400, "$pagesize"),
    (f"{FACTS}?$expand=Region", 400, "$expand"),
    (f"{FACTS}?$top=-1", 400, "$top"),
    (f"{FACTS}?$skip=one", 400, "$skip"),
    (f"{FACTS}?pagesize=0", 400, "pagesize"),
    (f"{FACTS}?$format=xlsx", 400, "xlsx"),
    (f"{FACTS}?$skiptoken=scribble", 400, "token"),
    (f"{FACTS}?$skiptoken=MjpwYWdlc2l6ZT0y&$top=1", 400, "next link"),
    (f"{FACTS}/$count", 406, "$count=true"),
    (f"{SERVICE}/{PLAN}/AuditData", 404, "[3905]"),
    (f"{SERVICE}/{PLAN}/Revenue___Distinct", 404, "[3707]"),
    (f"{FACTS}?deltaid=scribble", 404, "subscription"),
    (f"{FACTS}?deltaid=scribble&$top=1", 400, "delta link"),
    (f"{FACTS}?externalid=scribble", 404, "subscription"),
    (f"{SERVICE}/{PLAN}/Data", 404, "[3707]"),
    (f"{SERVICE}/{PLAN}/factdata", 404, "[3707]"),
    (f"{SERVICE}/{PLAN}", 404, "[1305]"),
    (f"{SERVICE}/{PLAN.lower()}/FactData", 404, "provider"),
    (f"{SERVICE}/CNONE/$metadata", 404, "provider"),
    (f"{BASE}/providers/other/{PLAN}/FactData", 404, "provider"),
    (f"{BASE}/elsewhere", 404, "[1305]"),
    ("/api/v1/csrfs", 404, "address"),
    ("/", 404, "address"),
    (f"{FACTS}?x={'x' * 17_000}", 414, "long"),
]


@pytest.mark.parametrize(("url", "status", "part"), REFUSED)
async def test_a_bad_request_is_refused_with_its_status_and_number(
    caller: Caller, url: str, status: int, part: str
) -> None:
    """Every rule of the service that a client can break is kept here."""
    answer = await caller.get(url)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert part in answer.json()["error"]["message"]


async def test_an_error_has_a_code_of_its_own_each_time(caller: Caller) -> None:
    """The code is a correlation id, so only the number in the message can be relied on."""
    errors = [(await caller.get(f"{FACTS}?$pagesize=1")).json()["error"] for _ in range(2)]
    assert uuid.UUID(errors[0]["code"]) != uuid.UUID(errors[1]["code"])
    assert errors[0]["message"] == errors[1]["message"]


async def test_the_message_can_be_an_object(caller: Caller) -> None:
    """By switch it carries its text as a value."""
    caller.switch(message_as_object=True)
    error = (await caller.get(f"{SERVICE}/{PLAN}/Nothing")).json()["error"]
    assert "[3707]" in error["message"]["value"]


async def test_the_status_of_an_unknown_set_can_be_400(caller: Caller) -> None:
    """Which status goes with the number is not certain, so a client must not rely on it."""
    caller.switch(unknown_set_status=400)
    answer = await caller.get(f"{SERVICE}/{PLAN}/Nothing")
    assert (answer.status_code, "[3707]" in answer.text) == (400, True)


@pytest.mark.parametrize("status", [400, 403])
async def test_a_client_without_export_access_is_told_so(caller: Caller, status: int) -> None:
    """Its token is good, but its Access list lacks the service."""
    caller.switch(export_access=False, refused_status=status)
    answer = await caller.get(FACTS)
    assert (answer.status_code, "[3401]" in answer.text) == (status, True)


async def test_a_plus_can_be_allowed(caller: Caller) -> None:
    """By switch `+` is a blank, as some tenants seem to have it."""
    caller.switch(strict_plus=False)
    assert (await caller.page(f"{FACTS}?$filter=Region+eq+'%23'"))["value"]


@pytest.mark.parametrize("value", [None, "false", "TRUE"])
async def test_the_custom_auth_header_is_needed(caller: Caller, value: str | None) -> None:
    """Without it 403, unless the switch says otherwise."""
    del caller.http.headers["x-sap-sac-custom-auth"]
    headers = {} if value is None else {"x-sap-sac-custom-auth": value}
    assert (await caller.get(FACTS, **headers)).status_code == 403
    caller.switch(strict_custom_auth=False)
    assert (await caller.get(FACTS, **headers)).status_code == 200


@pytest.mark.parametrize("value", ["", "Basic abc", f"{SCHEME} ", f"{SCHEME} of.another.tenant"])
async def test_a_bad_bearer_is_a_401(caller: Caller, value: str) -> None:
    """Missing, of another scheme, empty or foreign: JSON and a challenge."""
    answer = await caller.get(FACTS, authorization=value)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith(SCHEME)
    assert "error" in answer.json()


async def test_a_bad_bearer_can_be_answered_otherwise(caller: Caller) -> None:
    """By switch 401 without a body, or 200 with a login page."""
    caller.switch(unauthorized="empty")
    answer = await caller.get(FACTS, authorization="")
    assert (answer.status_code, answer.content) == (401, b"")
    caller.switch(unauthorized="html")
    answer = await caller.get(FACTS, authorization="")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert 'action="https://idp.example/saml2/idp/sso"' in answer.text


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.5", 200),
        ("application/json;odata.metadata=minimal", 200),
        ("text/html", 406),
        ("application/xml", 406),
        ("application/json;q=0", 406),
    ],
)
async def test_only_json_is_served(caller: Caller, accept: str, status: int) -> None:
    """Who does not take JSON gets a 406."""
    assert (await caller.get(FACTS, accept=accept)).status_code == status


@pytest.mark.parametrize("url", [FACTS, f"{FACTS}/$query", f"{BASE}/$batch"])
async def test_writing_is_refused(caller: Caller, url: str) -> None:
    """403 with the CSRF hint while the token is missing or made up, 405 once it is there."""
    for headers in ({}, {"x-csrf-token": "abc"}, {"x-csrf-token": "fetch"}):
        answer = await caller.http.post(url, headers=headers)
        assert (answer.status_code, answer.headers["x-csrf-token"]) == (403, "required")
    answer = await caller.http.post(url, headers=await caller.csrf())
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
