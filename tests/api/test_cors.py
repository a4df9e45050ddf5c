"""Web pages of other origins read nothing, unless their origin is listed."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.api import ApiOptions, install_api
from app.api.cors import EXPOSED
from tests.api.bench import Bench, problem
from tests.service_process import running_service

OURS, THEIRS = "https://bi.example.com", "https://evil.example.com"


@pytest.fixture
def listed(filled: Bench) -> httpx.AsyncClient:
    """The same service with one origin listed."""
    app = FastAPI()
    install_api(app, ApiOptions(cors_origins=(OURS,)))
    app.state.services = filled.services
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")


async def test_a_listed_origin_may_read(listed: httpx.AsyncClient) -> None:
    """Its pages see the body and our headers; caches learn that the origin matters."""
    response = await listed.get("/series", headers={"Origin": OURS})
    assert response.headers["access-control-allow-origin"] == OURS
    assert response.headers["vary"] == "Accept, Accept-Encoding, Origin"
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    assert exposed == set(EXPOSED)
    ours = {name for name in response.headers if name.startswith("x-")}
    assert ours <= {name.lower() for name in exposed}
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("origin", [THEIRS, "null", OURS + ".evil.example", OURS.upper()])
async def test_other_origins_may_not(listed: httpx.AsyncClient, origin: str) -> None:
    """A browser finds no leave for them, in the answer or before it."""
    response = await listed.get("/series", headers={"Origin": origin})
    assert "access-control-allow-origin" not in response.headers
    assert "Origin" in response.headers["vary"]
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    refused = await listed.options("/series", headers=preflight)
    body = problem(refused, 400)
    assert body["code"] == "http_400"
    assert "not allowed: origin. CORS_ORIGINS" in body["detail"]
    assert "access-control-allow-origin" not in refused.headers


async def test_a_listed_origin_may_ask_first(listed: httpx.AsyncClient) -> None:
    """A preflight for our methods and headers succeeds."""
    asked = {
        "Origin": OURS,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, if-none-match, x-request-id",
    }
    response = await listed.options("/refresh", headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == OURS


async def test_what_a_listed_origin_may_not_ask_is_named(listed: httpx.AsyncClient) -> None:
    """Another method or header than ours is refused, with what is allowed."""
    asked = {
        "Origin": OURS,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-mine",
    }
    refused = await listed.options("/series", headers=asked)
    assert "not allowed: method, headers." in problem(refused, 400)["detail"]
    assert "POST" in refused.headers["access-control-allow-methods"]


async def test_a_service_with_a_list_starts(tmp_path: Path) -> None:
    """What starts and stops the app has no headers, and passes."""
    with running_service(tmp_path, {"CORS_ORIGINS": OURS}) as service:
        asked = {"Origin": OURS, "Access-Control-Request-Method": "GET"}
        assert service.options("/series", headers=asked).status_code == 200


async def test_no_origin_is_listed_by_default(filled: Bench) -> None:
    """Without a list nothing is said of origins at all."""
    response = await filled.get("/series", Origin=OURS)
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert response.headers["vary"] == "Accept, Accept-Encoding"
