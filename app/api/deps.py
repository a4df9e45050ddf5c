"""What routes ask for: the services, and requests that are already read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from app.api.meters import Meters
from app.api.params import SeriesRequest, check_declared, series_request
from app.api.picker_params import member_query
from app.errors import ForbiddenError
from app.pipeline.breaker import Breaker
from app.pipeline.operations import Operations
from app.pipeline.overview import Overview
from app.pipeline.picking import MemberQuery, Pickers
from app.pipeline.place import CachePlace
from app.pipeline.ports import (
    AuthProbe,
    CacheRepository,
    Clock,
    DatasetCatalogue,
    ModelCatalogue,
)
from app.pipeline.refresh import RefreshService
from app.pipeline.schedule import Schedule
from app.pipeline.series import SeriesReader
from app.pipeline.versions import VersionService


@dataclass(frozen=True)
class Services:
    """Everything the API calls; the lifespan stores it as `app.state.services`.

    Attributes:
        catalogue: Which datasets exist.
        refresh: Refreshes a dataset.
        reader: Reads a series.
        overview: Lists the datasets.
        pickers: Tells what there is to choose from.
        models: Tells which models the tenant offers.
        auth: Tells whether the source lets us in.
        breaker: Tells whether the source is asked at all.
        schedule: Refreshes by itself while it is running.
        cache: Where versions are kept.
        clock: What time it is.
        place: The same as a folder.
        meters: Counts what happens.
        malformed: Settings that cannot be used, by their names; the cache is served all the same.
    """

    catalogue: DatasetCatalogue
    refresh: RefreshService
    reader: SeriesReader
    overview: Overview
    pickers: Pickers
    models: ModelCatalogue
    auth: AuthProbe
    breaker: Breaker
    schedule: Schedule
    cache: CacheRepository
    clock: Clock
    place: CachePlace
    meters: Meters
    malformed: tuple[str, ...] = ()

    @property
    def operations(self) -> Operations:
        """What is being refreshed, and was of late."""
        return self.refresh.operations

    @property
    def versions(self) -> VersionService:
        """Answers for the versions of a dataset."""
        return VersionService(self.catalogue, self.cache)

    def dataset(self, name: str | None = None) -> str:
        """Return the dataset that is meant: the one named, or the first that the caller sees.

        Raises:
            ForbiddenError: The caller is bound to datasets that do not exist.
        """
        if name is not None:
            return name
        if not self.catalogue.names:
            raise ForbiddenError(
                "The key or token is bound to datasets that do not exist.",
                next_step="Ask whoever runs the service for another.",
            )
        return self.catalogue.names[0]


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _known_parameters(request: Request) -> None:
    """Refuse parameters that the route does not declare: a slip must not look like an answer.

    For routes whose parameters are all their own; the others check theirs as they read them.

    Raises:
        BadQueryError: There is one.
    """
    route = request.scope["route"]
    known = [parameter.alias for parameter in route.dependant.query_params]
    check_declared(request.query_params, known, has_body=route.body_field is not None)


async def _not_kept(response: Response) -> None:
    """Let nobody keep an answer that tells the state of a moment, or of what one caller may see."""
    response.headers["Cache-Control"] = "no-store"


ServicesDep = Annotated[Services, Depends(_services)]
SeriesRequestDep = Annotated[SeriesRequest, Depends(series_request)]
NotKept = Depends(_not_kept)
KnownParameters = Depends(_known_parameters)
MemberQueryDep = Annotated[MemberQuery, Depends(member_query)]
