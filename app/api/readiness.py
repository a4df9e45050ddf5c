"""Says whether requests can be answered."""

from __future__ import annotations

import asyncio

from app.api.schemas import ReadyResponse
from app.errors import CacheError, CacheMissingError
from app.pipeline.ports import CacheRepository


async def readiness(cache: CacheRepository, dataset: str) -> ReadyResponse:
    """Try the cache of a dataset.

    An empty cache is ready: it is what a new installation has, and a refresh, which only a
    ready service gets to see, is what fills it.
    """
    return await asyncio.to_thread(_readiness, cache, dataset)


def _readiness(cache: CacheRepository, dataset: str) -> ReadyResponse:
    try:
        series = cache.load(dataset)
    except CacheMissingError as error:
        return ReadyResponse(status="ready", detail=error.sentence, code=error.code)
    except CacheError as error:
        return ReadyResponse(status="not_ready", detail=error.sentence, code=error.code)
    detail = f"The cache holds version {series.version} of the dataset '{dataset}'."
    return ReadyResponse(status="ready", detail=detail, code=None)
