"""`GET /series`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import answer_series
from app.api.deps import SeriesRequestDep, ServicesDep
from app.api.openapi import problems, series_answer
from app.api.params import DIMENSION_PARAMETER

router = APIRouter(tags=["series"])


@router.get(
    "/series",
    summary="Read a series",
    response_class=Response,
    responses={**series_answer(), **problems(404, 406, 410, 422, 503)},
    openapi_extra={"parameters": [DIMENSION_PARAMETER]},
)
async def read_series(services: ServicesDep, asked: SeriesRequestDep, request: Request) -> Response:
    """Answer from the last good version, also while a refresh runs or the tenant is down.

    If the data may be old, `warning` says so in words to show as they stand. The header
    `X-Series-Warning` holds the same words (percent-encoded where they are not ASCII), for CSV too.
    `freshness` and `X-Series-Freshness` tell machines. Data past its expiry is refused unless
    `allow_expired=true`. With `If-None-Match`, an answer that did not change is a 304.
    """
    return await answer_series(services, asked, request.scope)
