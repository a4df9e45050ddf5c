"""The token endpoint, and how long a token is good."""

import base64
import json
from urllib.parse import quote

import httpx
import pytest

from demo.tenant.oauth import CLIENT_ID, SECRET, SECRET_FIELD, TokenBook
from tests.demo.tenant.conftest import FACTS, SCHEME, Caller

URL = "/oauth/token"
GRANT = {"grant_type": "client_credentials"}
PAIR = (CLIENT_ID, SECRET)
BODY = {"client_id": CLIENT_ID, SECRET_FIELD: SECRET}


def basic(text: str) -> dict[str, str]:
    """Return a Basic header over this text."""
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def ask(caller: Caller, form: str) -> httpx.Response:
    """Ask for a token in one of the documented forms."""
    http = caller.http
    match form:
        case "basic and body":
            return await http.post(URL, auth=PAIR, data=GRANT)
        case "basic and query":
            return await http.post(URL, auth=PAIR, params=GRANT)
        case "body only":
            return await http.post(URL, data=GRANT | BODY)
        case _:
            return await http.get(URL, auth=PAIR, params=GRANT)


@pytest.mark.parametrize("form", ["basic and body", "basic and query", "body only", "get"])
async def test_every_documented_form_gets_a_token(stranger: Caller, form: str) -> None:
    """Basic or body credentials, grant in form or query, POST or GET: all are served alike."""
    answer = await ask(stranger, form)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {name: body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "bearer",
        "expires_in": 3599,
        "scope": "uaa.resource",
    }
    assert body["jti"]


async def test_a_token_looks_like_a_jwt(stranger: Caller) -> None:
    """Three base64url parts, long as real ones are, whose payload names the client."""
    token = (await ask(stranger, "basic and body")).json()["access_token"]
    head, payload, signature = token.split(".")
    assert len(token) > 1000
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["typ"] == "JWT"
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["client_id"] == CLIENT_ID
    assert signature


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(f"{CLIENT_ID}:wrong"),
        basic(f"wrong:{SECRET}"),
        basic(CLIENT_ID),
        basic(f"{CLIENT_ID}:{SECRET} "),
        basic(f"{CLIENT_ID}:{SECRET.lower()}"),
        basic(f"{quote(CLIENT_ID, safe='')}:{quote(SECRET, safe='')}"),
        {"authorization": "Basic %%%"},
        {"authorization": f"{SCHEME} abc"},
    ],
)
async def test_wrong_credentials_are_refused_in_the_words_of_uaa(
    stranger: Caller, headers: dict[str, str]
) -> None:
    """The pair is compared as it is, without decoding or trimming."""
    answer = await stranger.http.post(URL, headers=headers, data=GRANT)
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client", "error_description": "Bad credentials"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["www-authenticate"].startswith('Basic realm="UAA/client"')


async def test_older_hosts_use_another_word(stranger: Caller) -> None:
    """By switch the error is `unauthorized`."""
    stranger.switch(token_error="unauthorized")
    answer = await stranger.http.post(URL, data=GRANT)
    assert answer.json()["error"] == "unauthorized"


async def test_credentials_in_the_body_must_be_form_encoded(stranger: Caller) -> None:
    """A body that holds a raw `+` for a `+` means a blank, as forms have it."""
    body = f"grant_type=client_credentials&client_id={CLIENT_ID}&{SECRET_FIELD}={SECRET}+"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await stranger.http.post(URL, content=body, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "authorization_code"}, 401, "unauthorized_client"),
        ({"grant_type": "nonsense"}, 400, "unsupported_grant_type"),
    ],
)
async def test_other_grants_are_refused(
    stranger: Caller, form: dict[str, str], status: int, error: str
) -> None:
    """A missing, a forbidden and an unknown grant each have their error."""
    answer = await stranger.http.post(URL, auth=PAIR, data=form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_credentials_are_checked_before_the_grant(stranger: Caller) -> None:
    """Who gives neither good credentials nor a grant hears of the credentials."""
    assert (await stranger.http.post(URL)).status_code == 401


async def test_an_unknown_tenant_is_a_page_not_json(stranger: Caller) -> None:
    """By switch the token host knows no such subdomain: 404 and HTML."""
    stranger.switch(unknown_tenant=True)
    answer = await ask(stranger, "basic and body")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


async def test_other_methods_are_refused(stranger: Caller) -> None:
    """The endpoint is for GET and POST."""
    assert (await stranger.http.put(URL)).status_code == 405


async def test_issued_tokens_are_counted(stranger: Caller) -> None:
    """Refused calls count as calls but issue nothing."""
    await ask(stranger, "basic and body")
    await ask(stranger, "get")
    await stranger.http.post(URL, data=GRANT)
    counts = (await stranger.log())["counts"]
    assert (counts["token_calls"], counts["tokens_issued"]) == (3, 2)


async def test_a_token_dies_when_its_time_is_over(stranger: Caller) -> None:
    """A lifetime shorter than the one announced ends a token early: 401 and JSON."""
    stranger.switch(expires_in=2, token_lifetime_s=0)
    await stranger.sign_in()
    answer = await stranger.get(FACTS)
    assert answer.status_code == 401
    assert "expired" in answer.json()["error"]["message"]


async def test_a_revoked_token_is_refused_and_the_next_one_is_good(caller: Caller) -> None:
    """Revoking ends what is out and nothing else."""
    assert (await caller.admin("revoke", None)).json() == {"revoked": 1}
    assert (await caller.get(FACTS)).status_code == 401
    await caller.sign_in()
    assert (await caller.get(FACTS)).status_code == 200


def test_a_token_of_another_tenant_is_foreign() -> None:
    """Each tenant tells its own tokens from those of others, and from scribble."""
    here, there = TokenBook(), TokenBook()
    token, _ = here.issue(60)
    assert here.standing(f"{SCHEME} {token}") == "valid"
    assert here.standing(f"{SCHEME.lower()} {token}") == "valid"
    assert there.standing(f"{SCHEME} {token}") == "foreign"
    assert here.standing(f"{SCHEME} scribble") == "foreign"
    assert here.standing(f"{SCHEME} ü.ü.ü") == "foreign"
    assert here.standing("Basic abc") == "none"
    assert here.standing(None) == "none"
