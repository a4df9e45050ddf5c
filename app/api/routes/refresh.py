"""`POST /refresh`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header
from starlette.requests import Request
from starlette.responses import Response

from app.api.deps import KnownParameters, ServicesDep
from app.api.openapi import accepted, problems
from app.api.operation_answers import refresh_answer
from app.api.schemas import RefreshRequest, RefreshResponse
from app.records import RefreshOptions

router = APIRouter(tags=["series"], dependencies=[KnownParameters])


@router.post(
    "/refresh",
    summary="Pull a dataset again",
    response_model=RefreshResponse,
    responses={202: accepted(), **problems(400, 404, 409, 422, 502, 503)},
)
async def refresh(
    services: ServicesDep,
    request: Request,
    asked: Annotated[
        RefreshRequest | None,
        Body(
            openapi_examples={
                "default": {"summary": "The default dataset from its own source", "value": {}},
                "sample": {"summary": "The built-in sample data", "value": {"source": "fixture"}},
            }
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(
            description="`respond-async`: answer 202 at once, with `Location`. `wait=10`: "
            "answer by then, 200 if it has ended. At most 300.",
            examples=["respond-async"],
        ),
    ] = None,
) -> Response:
    """Pull, normalise and publish a dataset; fall back to the last good version.

    A pull that fails answers 200 with `status: stale` and a `warning` as long as there is a
    version to serve, and a problem with the same words if there is none. So does one whose data
    changed more than the dataset allows, unless `force` is true. Calls that arrive together
    share one pull. Without `Prefer` the answer waits for its end.
    """
    del prefer  # declared for the page; the answer reads the request's own
    asked = asked or RefreshRequest()
    dataset = services.dataset(asked.dataset)
    options = RefreshOptions(full=asked.full, verify=asked.verify, force=asked.force)
    operation = services.refresh.start(dataset, source=asked.source, options=options)
    return await refresh_answer(services.operations, operation, request)
