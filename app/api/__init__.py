"""Serves the pipeline over HTTP: routes, problems, the request id."""

from __future__ import annotations

from fastapi import FastAPI

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


def install_api(app: FastAPI) -> None:
    """Add all routes, problem documents, the request middleware and the OpenAPI texts.

    The lifespan of the app must store `app.api.deps.Services` as `app.state.services`.
    """
    for module in (series, refresh, datasets, pickers, versions, models, health, metrics):
        app.include_router(module.router)
    install_problems(app)
    app.add_middleware(RequestMiddleware)
    install_openapi(app)
