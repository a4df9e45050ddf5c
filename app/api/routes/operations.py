"""`GET /refreshes`, `GET /refreshes/{id}`, its events, and its end before time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from app.api.deps import KnownParameters, NotKept, ServicesDep
from app.api.openapi import problems
from app.api.operation_answers import EVENT_SCHEMA, events_answer, operation_answer
from app.api.operation_schemas import OperationResponse, OperationsResponse
from app.api.problems import base_path

router = APIRouter(
    prefix="/refreshes", tags=["operations"], dependencies=[NotKept, KnownParameters]
)


@router.get(
    "",
    summary="List the refreshes that run, and those that ended of late",
    responses=problems(422),
)
async def operations(services: ServicesDep, request: Request) -> OperationsResponse:
    """List all refreshes of this process, the newest first, whoever asked for them."""
    found, base = services.operations.all(), base_path(request.scope)
    return OperationsResponse(refreshes=[OperationResponse.of(one, base) for one in found])


@router.get(
    "/{operation_id}",
    summary="Tell how far a refresh has come",
    response_model=OperationResponse,
    responses=problems(404, 422),
)
async def operation(services: ServicesDep, request: Request, operation_id: str) -> Response:
    """Tell how far a refresh has come, or what came of it.

    `Retry-After` says when to ask again. It is forgotten an hour after its end, and with the
    process.
    """
    return operation_answer(services.operations.get(operation_id), base_path(request.scope))


@router.get(
    "/{operation_id}/events",
    summary="Watch a refresh",
    response_class=Response,
    responses={
        200: {
            "description": "`progress` events, then one `done`; each is the whole operation",
            "content": {"text/event-stream": {"schema": EVENT_SCHEMA}},
        },
        204: {"description": "Its end was already seen"},
        **problems(404, 422),
    },
)
async def events(
    services: ServicesDep,
    request: Request,
    operation_id: str,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last event that was seen.")
    ] = None,
) -> Response:
    """Stream what happens to a refresh as server-sent events, and close after its end."""
    return events_answer(
        services.operations.get(operation_id), last_event_id, base_path(request.scope)
    )


@router.post(
    "/{operation_id}/cancel",
    summary="Cancel a refresh",
    response_model=OperationResponse,
    responses=problems(404, 409, 422),
)
async def cancel(services: ServicesDep, request: Request, operation_id: str) -> Response:
    """Stop a refresh for all who wait for it; nothing is published.

    They are answered with the last good version and `refresh_cancelled`. Readers of the series
    are told nothing new. Cancelling twice is no error.
    """
    return operation_answer(
        await services.operations.cancel(operation_id), base_path(request.scope)
    )
