"""The service: `uvicorn app.main:app`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from app import spans
from app.api import ApiOptions, SeriesApp, install_api
from app.api.meters import Meters
from app.config import Settings, load_settings
from app.errors import ConfigError
from app.observability.logs import configure_logging
from app.observability.masking import Masker
from app.observability.tracing import tracing_from
from app.signals import put_off
from app.wiring import guard_of, open_services

log = structlog.get_logger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Build the service; nothing is opened before it starts.

    Args:
        settings: What to serve and how; the tenant's part may be missing.

    Raises:
        ConfigError: The settings do not say properly who may call, or the variables of
            OpenTelemetry ask for what is not installed.
    """
    masker, meters = Masker(), Meters()
    guard = guard_of(settings)
    tracing = tracing_from(os.environ, masker)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings.log_level, settings.log_format, masker)
        if tracing is not None:
            # Not before: a server may build the app more than once.
            spans.tracer = tracing.get_tracer(spans.NAME)
        if guard.is_open:
            log.warning("access_open", hint="Anybody may call; see docs/security.md.")
        async with (
            open_services(settings, masker, meters) as services,
            services.schedule.running(),
        ):
            app.state.services = services
            operations, grace_s = services.operations, settings.shutdown_grace_s
            with put_off(lambda: operations.finish(grace_s), operations.hurry):
                yield
            # Not every server that stops says so by a signal.
            await operations.finish(grace_s)
        if tracing is not None:
            await asyncio.to_thread(tracing.shutdown)

    # The service makes its own spans; the framework's would hold whole addresses.
    app = SeriesApp(
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    install_api(
        app,
        ApiOptions(
            cors_origins=settings.cors_origins,
            answer_cache_bytes=settings.answer_cache_mb * 1_000_000,
            guard=guard,
            meters=meters,
        ),
    )
    return app


def __getattr__(name: str) -> FastAPI:
    """Build `app` when a server asks for it, so that importing this module does nothing."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        settings = load_settings()
        # The server writes its first lines before it starts the application.
        configure_logging(settings.log_level, settings.log_format, Masker())
        return create_app(settings)
    except ConfigError as error:
        # A server start must end in one readable line, not in a stack trace.
        raise SystemExit(str(error)) from None
