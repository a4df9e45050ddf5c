"""A small app around fakes, driven as a client drives the real one."""

from __future__ import annotations

from typing import Any

import httpx

from app.access.guard import OPEN, Guard
from app.api import ApiOptions, SeriesApp, install_api
from app.api.deps import Services
from app.api.meters import Meters
from app.pipeline.labels import LabelKeeper
from app.pipeline.overview import Overview
from app.pipeline.picking import Pickers
from app.pipeline.place import CachePlace
from app.pipeline.refresh import RefreshService
from app.pipeline.schedule import Schedule, Timetable
from app.pipeline.series import SeriesReader
from tests.fakes import (
    FakeAttempts,
    FakeAuthProbe,
    FakeCache,
    FakeCatalogue,
    FakeClock,
    FakeLabels,
    FakeModels,
    FakeSource,
    a_breaker,
    a_page,
    a_standing,
)

ROWS = (
    ("202601", "EMEA", "Bike", "10.5"),
    ("202602", "EMEA", "Bike", "11"),
    ("202601", "APJ", "Bike", "7"),
    ("202604", "APJ", "Car", "3"),
)


class Bench:
    """An app on fakes; the refresh service, the reader and all of the API are real.

    Args:
        guard: Stands before it.

    Attributes:
        source: What a refresh pulls.
        cache: What it publishes to.
        clock: What time it is.
        attempts: How the last refresh ended.
        labels: What people call the members.
        breaker: Stands before the source.
        meters: Count what happens.
        app: The app.
        client: Speaks to it.
    """

    def __init__(self, guard: Guard = OPEN) -> None:
        self.cache = FakeCache()
        self.clock = FakeClock()
        self.attempts = FakeAttempts()
        self.breaker = a_breaker(self.clock)
        self.catalogue = FakeCatalogue()
        self.source = FakeSource([a_page(ROWS)])
        self.auth = FakeAuthProbe()
        self.models = FakeModels()
        self.labels = FakeLabels()
        self.app = SeriesApp()
        self.meters = Meters()
        options = ApiOptions(guard=guard, meters=self.meters)
        install_api(self.app, options)
        transport = httpx.ASGITransport(app=self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://service")
        self.use()

    def use(
        self, *, catalogue: FakeCatalogue | None = None, auth: FakeAuthProbe | None = None
    ) -> None:
        """Build the services, with another catalogue or login if one is given."""
        self.catalogue = catalogue or self.catalogue
        self.auth = auth or self.auth
        sources = {"sac": self.source, "fixture": FakeSource([a_page(ROWS[:1])])}
        standing = a_standing(self.catalogue, self.clock, self.attempts)
        refresh = RefreshService(
            self.catalogue,
            sources,
            self.cache,
            self.clock,
            standing=standing,
            breakers={"sac": self.breaker},
            ended=self.meters.ended,
            labels=LabelKeeper({"sac": self.labels}, self.labels, self.clock),
        )
        timetable = Timetable(self.breaker)
        schedule = Schedule(refresh.refresh, {}, self.attempts, timetable, self.clock)
        self.services = Services(
            catalogue=self.catalogue,
            refresh=refresh,
            reader=SeriesReader(
                self.catalogue, self.cache, standing.of, tell_at_once=standing.at_once
            ),
            overview=Overview(self.catalogue, self.cache, standing),
            pickers=Pickers(self.catalogue, self.cache, self.labels, standing),
            models=self.models,
            auth=self.auth,
            breaker=self.breaker,
            schedule=schedule,
            cache=self.cache,
            clock=self.clock,
            place=CachePlace("s3://bucket/cache"),
            meters=self.meters,
        )
        self.app.state.services = self.services

    async def get(self, url: str, **headers: str) -> httpx.Response:
        """Send a GET; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(url, headers=named)

    async def refresh(self, body: object = None) -> httpx.Response:
        """Send a refresh; without a body unless one is given."""
        if body is None:
            return await self.client.post("/refresh")
        return await self.client.post("/refresh", json=body)


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem in a response, after checking what all problems have in common."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == f"/problems/{body['code'].replace('_', '-')}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["title"]
    assert body["detail"].endswith(".")
    return body
