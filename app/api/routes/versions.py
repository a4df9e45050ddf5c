"""`GET /datasets/{name}/versions`, `/diff` and `POST /datasets/{name}/rollback`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import KnownParameters, NotKept, ServicesDep
from app.api.openapi import problems
from app.api.params import MAX_VERSION
from app.api.version_schemas import (
    DiffResponse,
    RollbackRequest,
    RollbackResponse,
    VersionModel,
    VersionsResponse,
)

router = APIRouter(
    prefix="/datasets/{name}", tags=["versions"], dependencies=[NotKept, KnownParameters]
)

_Version = Annotated[int, Query(ge=0, le=MAX_VERSION, description="A version of the dataset.")]


@router.get(
    "/versions", summary="List the versions of a dataset", responses=problems(404, 422, 503)
)
async def versions(
    services: ServicesDep,
    name: str,
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most this many.")] = 100,
) -> VersionsResponse:
    """List what every refresh published, newest first, with what the pull cost.

    `GET /series?version=` reads one of them, and `GET /series?as_of=` the one of a time.
    """
    infos = await services.versions.history(name, limit)
    return VersionsResponse(dataset=name, versions=[VersionModel.of(info) for info in infos])


@router.get("/diff", summary="Compare two versions", responses=problems(404, 422, 503))
async def diff(
    services: ServicesDep,
    name: str,
    before: Annotated[_Version, Query(alias="from")],
    after: Annotated[
        _Version | None, Query(alias="to", description="The newest if absent.")
    ] = None,
    limit: Annotated[int, Query(ge=0, le=1_000, description="Points listed of each kind.")] = 20,
) -> DiffResponse:
    """Count the points that were added, removed and changed, and list the first of each kind.

    The totals are exact sums, written as text so that no digit is lost.
    """
    return DiffResponse.of(name, await services.versions.compare(name, before, after, limit))


@router.post(
    "/rollback", summary="Show an older version again", responses=problems(400, 404, 422, 503)
)
async def roll_back(services: ServicesDep, name: str, asked: RollbackRequest) -> RollbackResponse:
    """Publish the rows of an older version as a new version; nothing is deleted.

    `metadata.restored_version` says where they came from. The next refresh publishes on top.
    """
    return RollbackResponse.of(await services.versions.roll_back(name, asked.version))
