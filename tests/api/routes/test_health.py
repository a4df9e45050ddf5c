"""GET /health/auth, /health/live and /health/ready over HTTP."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from app.api import install_api
from app.errors import (
    CacheCorruptError,
    CacheError,
    CacheUnavailableError,
    ConfigError,
    ConfigProblem,
    CredentialsRefusedError,
    SeriesError,
    SourceUnreachableError,
)
from tests.api.bench import Bench, problem
from tests.fakes import FakeAuthProbe

MISSING = ConfigProblem(variable="SAC_TOKEN_URL", found="nothing", expected="x", example="y")


async def test_auth_is_ok_when_a_token_can_be_had(bench: Bench) -> None:
    """A login that works answers 200 with the token's expiry."""
    response = await bench.get("/health/auth")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "detail": "A token was issued.",
        "code": None,
        "checked_at": "2026-11-21T14:05:00Z",
        "expires_at": "2026-11-21T15:05:00Z",
        "breaker": "closed",
        "next_attempt": None,
    }


@pytest.mark.parametrize(
    "error",
    [
        CredentialsRefusedError("SAC refused the credentials.", next_step="Check the secret."),
        SourceUnreachableError("No connection to the tenant."),
        ConfigError((MISSING,)),
    ],
    ids=lambda error: error.code,
)
async def test_auth_says_what_is_wrong(bench: Bench, error: SeriesError) -> None:
    """A login that fails answers 503 with the reason in words and its code."""
    bench.use(auth=FakeAuthProbe.failing(error))
    response = await bench.get("/health/auth")
    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["detail"]) == ("error", error.sentence)
    assert (body["code"], body["expires_at"]) == (error.code, None)


async def test_live_touches_nothing() -> None:
    """The process is live even if nothing else of the service was ever opened."""
    app = FastAPI()
    install_api(app)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        response = await client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_ready_with_a_cache(filled: Bench) -> None:
    """A cache that loads is ready, and the answer names its version."""
    response = await filled.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "detail": "The cache holds version 0 of the dataset 'default'.",
        "code": None,
    }


async def test_ready_before_the_first_refresh(bench: Bench) -> None:
    """A new installation is ready: a refresh can be asked for; the detail says it is empty."""
    response = await bench.get("/health/ready")
    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["code"]) == ("ready", "cache_missing")
    assert "POST /refresh" in body["detail"]


@pytest.mark.parametrize(
    "error",
    [CacheCorruptError("It is broken."), CacheUnavailableError("The disk is gone.")],
    ids=lambda error: error.code,
)
async def test_not_ready_when_the_cache_fails(filled: Bench, error: CacheError) -> None:
    """A cache that cannot be read answers 503 with the reason."""
    filled.cache.load_error = error
    response = await filled.get("/health/ready")
    assert response.status_code == 503
    assert response.json() == {
        "status": "not_ready",
        "detail": str(error),
        "code": error.code,
    }


async def test_ready_does_not_ask_the_tenant(filled: Bench) -> None:
    """A tenant that is down does not take the service out of rotation."""
    filled.use(auth=FakeAuthProbe.failing(SourceUnreachableError("No connection.")))
    assert (await filled.get("/health/ready")).status_code == 200


async def test_an_open_breaker_is_shown(filled: Bench) -> None:
    """After failures in a row the tenant is not asked; readers keep the real reason."""
    filled.source.error = SourceUnreachableError("No connection to the tenant.")
    for _ in range(3):
        assert (await filled.refresh()).json()["warning_code"] == "source_unreachable"
    pulls = len(filled.source.pulls)
    paused = (await filled.refresh()).json()
    assert (paused["status"], paused["warning_code"]) == ("stale", "source_paused")
    assert paused["freshness"]["reason"] == "source_unreachable"
    assert len(filled.source.pulls) == pulls
    health = (await filled.get("/health/auth")).json()
    assert (health["breaker"], health["next_attempt"]) == ("open", "2026-11-21T14:06:00Z")
    forced = await filled.refresh({"force": True})
    assert forced.json()["warning_code"] == "source_paused"
    filled.clock.tick()
    filled.source.error = None
    assert (await filled.get("/health/auth")).json()["breaker"] == "half_open"
    assert (await filled.refresh()).json()["warning"] is None
    assert (await filled.get("/health/auth")).json()["breaker"] == "closed"


async def test_without_a_cache_an_open_breaker_says_when_to_come_back(bench: Bench) -> None:
    """Nothing to show and nothing sent: a problem with the time to wait."""
    bench.source.error = SourceUnreachableError("No connection to the tenant.")
    for _ in range(3):
        await bench.refresh()
    refused = await bench.refresh()
    assert problem(refused, 503)["code"] == "source_paused"
    assert refused.headers["retry-after"] == "60"
