"""Serves the pipeline over HTTP: routes, problems, the request id."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.types import Scope

from app.access.callers import ANYONE, Caller
from app.access.guard import OPEN, Guard
from app.api.access import AccessMiddleware
from app.api.application import SeriesApp
from app.api.compression import CompressionMiddleware
from app.api.cors import install_cors
from app.api.lane import AnswerLane
from app.api.meters import Meters
from app.api.methods import MethodsMiddleware
from app.api.middleware import RequestMiddleware
from app.api.openapi import install_openapi
from app.api.prepared import PreparedForms
from app.api.problems import install_problems
from app.api.ready import ReadyAnswers
from app.api.routes import (
    datasets,
    health,
    metrics,
    models,
    operations,
    pickers,
    problems,
    refresh,
    series,
    versions,
)
from app.api.shortcut import SeriesShortcut

__all__ = ["ApiOptions", "SeriesApp", "install_api"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """What an installation may choose.

    Attributes:
        cors_origins: Origins whose web pages may read answers.
        answer_cache_bytes: Room for finished answers; 0 for none.
        guard: Knows who may call; without one everybody may.
        meters: Count requests.
    """

    cors_origins: tuple[str, ...] = ()
    answer_cache_bytes: int = 64 * 1_000_000
    guard: Guard = OPEN
    meters: Meters = field(default_factory=Meters)


def audience_of(scope: Scope) -> Hashable:
    """Return who may be given the same answer: callers for whom the same datasets exist."""
    caller: Caller = scope.get("state", {}).get("caller", ANYONE)
    return caller.datasets


def install_api(app: FastAPI, options: ApiOptions | None = None) -> None:
    """Add all routes, problem documents, the middlewares and the OpenAPI texts.

    The lifespan of the app must store `app.api.deps.Services` as `app.state.services`.

    Args:
        app: The app.
        options: What the installation chooses.
    """
    options = options or ApiOptions()
    for module in (
        *(series, refresh, operations, datasets, pickers, versions),
        *(models, problems, health, metrics),
    ):
        app.include_router(module.router)
    # A redirect names the scheme that this process sees: behind a proxy that ends TLS, a key would
    # be sent on in the clear.
    app.router.redirect_slashes = False
    install_problems(app)
    # The last that is added is the outermost. Pages of other origins ask first, without a key; and
    # an answer that is kept is given to those only who may have it.
    forms = PreparedForms()
    ready = ReadyAnswers(forms)
    # Where answers are kept, those that nobody wants coded are tried before they come here.
    made_inside = ready.coded if options.answer_cache_bytes else ready.find
    app.add_middleware(SeriesShortcut, forms=forms, ready=made_inside)
    app.add_middleware(CompressionMiddleware)
    if options.answer_cache_bytes:
        app.add_middleware(
            AnswerLane,
            room_bytes=options.answer_cache_bytes,
            audience=audience_of,
            ready=ready.uncoded,
        )
    app.add_middleware(MethodsMiddleware)
    app.add_middleware(AccessMiddleware, guard=options.guard)
    install_cors(app, options.cors_origins)
    app.add_middleware(RequestMiddleware, meters=options.meters)
    install_openapi(app, protected=not options.guard.is_open)
