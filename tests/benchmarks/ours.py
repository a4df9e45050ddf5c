"""Refreshes from the static tenant as the service does: login, pages, exact sums, Delta commit.

On the event loop that the server has, too (uvloop).
"""

from __future__ import annotations

import argparse

import anyio._backends._asyncio  # noqa: F401 - httpcore imports it late, and imports are not measured
import httpcore  # noqa: F401 - nor is this one, which httpx imports late
import pyarrow.acero  # noqa: F401 - nor is this one
import uvloop

from app.config import Settings, load_settings
from app.observability.masking import Masker
from app.pipeline.cache import DeltaCache
from app.pipeline.diff import exact_total
from app.records import DEFAULT_DATASET, RefreshStatus
from app.wiring import open_services
from tests.benchmarks.meter import Found, measured, tell


async def refresh(settings: Settings) -> None:
    """Refresh the default dataset once.

    Raises:
        RuntimeError: It was not refreshed.
    """
    async with open_services(settings, Masker()) as services:
        outcome = await services.refresh.refresh(DEFAULT_DATASET)
    if outcome.status is not RefreshStatus.REFRESHED:
        raise RuntimeError(f"The refresh ended as {outcome.status}: {outcome.warning}")


def published(settings: Settings) -> Found:
    """Return what a new reader finds in the cache."""
    rows = DeltaCache(settings.cache_uri).load(DEFAULT_DATASET).rows
    return Found(rows.num_rows, exact_total(rows))


def main() -> None:
    """Measure and tell; the settings come from the environment."""
    argparse.ArgumentParser(description="Refreshes as the service does.").parse_args()
    settings = load_settings(None)
    tell(measured(lambda: uvloop.run(refresh(settings)), lambda: published(settings)))


if __name__ == "__main__":
    main()
