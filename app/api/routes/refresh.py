"""`POST /refresh`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from app.api.deps import ServicesDep
from app.api.openapi import problems
from app.api.schemas import RefreshRequest, RefreshResponse
from app.records import RefreshOptions

router = APIRouter(tags=["series"])


@router.post(
    "/refresh",
    summary="Pull a dataset again",
    responses=problems(400, 404, 409, 422, 502, 503),
)
async def refresh(
    services: ServicesDep,
    asked: Annotated[
        RefreshRequest | None,
        Body(
            openapi_examples={
                "default": {"summary": "The default dataset from its own source", "value": {}},
                "sample": {"summary": "The built-in sample data", "value": {"source": "fixture"}},
            }
        ),
    ] = None,
) -> RefreshResponse:
    """Pull, normalise and publish a dataset; fall back to the last good version.

    A pull that fails answers 200 with `status: stale` and a `warning` as long as there is a
    version to serve, and a problem with the same words if there is none. So does one whose data
    changed more than the dataset allows, unless `force` is true. Calls that arrive together
    share one pull.
    """
    asked = asked or RefreshRequest()
    dataset = services.dataset(asked.dataset)
    options = RefreshOptions(full=asked.full, verify=asked.verify, force=asked.force)
    outcome = await services.refresh.refresh(dataset, source=asked.source, options=options)
    return RefreshResponse.of(outcome)
