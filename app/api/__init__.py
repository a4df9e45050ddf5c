"""Serves the pipeline over HTTP: routes, problems, the request id."""

from __future__ import annotations

from fastapi import FastAPI

from app.access.guard import OPEN, Guard
from app.api.access import AccessMiddleware
from app.api.middleware import RequestMiddleware
from app.api.openapi import install_openapi
from app.api.problems import install_problems
from app.api.routes import (
    datasets,
    health,
    metrics,
    models,
    pickers,
    refresh,
    series,
    versions,
)

__all__ = ["install_api"]


def install_api(app: FastAPI, guard: Guard = OPEN) -> None:
    """Add all routes, problem documents, the middleware and the OpenAPI texts.

    The lifespan of the app must store `app.api.deps.Services` as `app.state.services`.

    Args:
        app: The app.
        guard: Knows who may call; without one everybody may.
    """
    for module in (series, refresh, datasets, pickers, versions, models, health, metrics):
        app.include_router(module.router)
    install_problems(app)
    app.add_middleware(AccessMiddleware, guard=guard)
    app.add_middleware(RequestMiddleware)
    install_openapi(app, protected=not guard.is_open)
