"""`GET /datasets/{name}` and its dimensions: what there is to choose from."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import KnownParameters, MemberQueryDep, NotKept, ServicesDep
from app.api.openapi import problems
from app.api.params import DIMENSION_PARAMETER
from app.api.picker_schemas import DatasetResponse, MembersResponse

router = APIRouter(prefix="/datasets/{name}", tags=["series"], dependencies=[NotKept])


@router.get(
    "",
    summary="Describe a dataset",
    responses=problems(404, 422, 503),
    dependencies=[KnownParameters],
)
async def dataset(services: ServicesDep, name: str) -> DatasetResponse:
    """Name bounds, grains and dimensions of the version that is served, and its freshness."""
    return DatasetResponse.of(await services.pickers.dataset(name))


@router.get(
    "/dimensions/{dimension}",
    summary="List the members of a dimension",
    responses=problems(404, 422, 503),
    openapi_extra={"parameters": [DIMENSION_PARAMETER]},
)
async def members(
    services: ServicesDep, name: str, dimension: str, asked: MemberQueryDep
) -> MembersResponse:
    """List members with their texts, how many points they have, and from when to when.

    Filters on other dimensions (`dim_region=EMEA`) leave the members that occur together with
    those named; points and dates are counted among these alone.
    """
    return MembersResponse.of(await services.pickers.members(name, dimension, asked))
