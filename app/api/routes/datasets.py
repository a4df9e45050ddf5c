"""`GET /datasets`."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import KnownParameters, NotKept, ServicesDep
from app.api.openapi import problems
from app.api.report_schemas import DatasetsResponse, DatasetSummary

router = APIRouter(tags=["series"], dependencies=[NotKept, KnownParameters])


@router.get("/datasets", summary="List the datasets", responses=problems(422))
async def datasets(services: ServicesDep) -> DatasetsResponse:
    """List all datasets with the version that is served and how fresh it is.

    A dataset that was never refreshed, or cannot be read, is listed as `unknown` and says why.
    """
    found = await services.overview.datasets()
    return DatasetsResponse(datasets=[DatasetSummary.of(one) for one in found])
