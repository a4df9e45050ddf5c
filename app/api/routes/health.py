"""`GET /health/auth`, `/health/live` and `/health/ready`."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from app.api.deps import NotKept, ServicesDep
from app.api.readiness import readiness
from app.api.schemas import AuthResponse, LiveResponse, ReadyResponse

router = APIRouter(prefix="/health", tags=["health"], dependencies=[NotKept])


@router.get(
    "/auth",
    summary="Does the source let us in?",
    responses={
        503: {"model": AuthResponse, "description": "No token can be had; `detail` says why"}
    },
)
async def auth(services: ServicesDep, response: Response) -> AuthResponse:
    """Say whether a token can be had: 200 with its expiry, or 503 with the reason in words.

    The token endpoint is asked rarely, however often this is called. `breaker` tells whether
    pulls are sent at all, after too many failures in a row.
    """
    status = await services.auth.check()
    response.status_code = HTTPStatus.OK if status.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return AuthResponse.of(status, services.breaker.status())


@router.get("/live", summary="Does the process answer?")
async def live() -> LiveResponse:
    """Answer at once; nothing else is looked at."""
    return LiveResponse()


@router.get(
    "/ready",
    summary="Can requests be answered?",
    responses={
        503: {"model": ReadyResponse, "description": "The cache cannot be read, or it is stopping"}
    },
)
async def ready(services: ServicesDep, response: Response) -> ReadyResponse:
    """Try the cache: an empty one is ready; one that fails, or is broken, is not.

    Nor is a service that is stopping; it serves readers until it is told to close. The tenant is
    not asked: while it is down, the cache is served all the same.
    """
    stopping = services.operations.stopping
    names = services.catalogue.names
    answer = await readiness(
        services.cache, names, services.place, stopping=stopping, malformed=services.malformed
    )
    if answer.status == "not_ready":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return answer
