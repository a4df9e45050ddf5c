"""Says whether requests can be answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from app.api.schemas import ReadyResponse
from app.errors import (
    CacheCorruptError,
    CacheError,
    CacheMissingError,
    CacheUnavailableError,
    ConfigError,
    ServiceStoppingError,
)
from app.pipeline.place import CachePlace
from app.pipeline.ports import CacheRepository

STOPPING_DETAIL: Final = "The service is stopping. Ask another replica."
_NOT_WRITABLE: Final = " It cannot be written to, so no refresh can be published."


async def readiness(
    cache: CacheRepository,
    datasets: Sequence[str],
    place: CachePlace,
    *,
    stopping: bool,
    malformed: Sequence[str] = (),
) -> ReadyResponse:
    """Tell whether readers can be answered: not while stopping, nor with a place that fails.

    An empty cache is ready: it is what a new installation has, and a refresh, which only a
    ready service gets to see, is what fills it. One broken dataset does not take the others
    away from their readers; if all are broken, nothing can be served. A cache that can be read
    and not written is ready too, and says what is wrong: a platform that stopped it would turn
    old data into none. So are settings that cannot be used: refreshes fail, readers are served.
    """
    if stopping:
        return _not_ready(STOPPING_DETAIL, ServiceStoppingError.code)
    answer = await asyncio.to_thread(_readiness, cache, datasets, place)
    if not malformed or answer.status == "not_ready":
        return answer
    # What was found there is told to those who may know: by the log, and by a refresh.
    detail = f"{answer.detail} These settings cannot be used: {', '.join(malformed)}."
    return _ready_with(detail, answer.code or ConfigError.code)


def _readiness(cache: CacheRepository, datasets: Sequence[str], place: CachePlace) -> ReadyResponse:
    broken: CacheError | None = None
    for dataset in datasets:
        try:
            series = cache.load(dataset)
        except CacheMissingError as error:
            return _ready(place, error.sentence, error.code)
        except CacheCorruptError as error:
            broken = broken or error
        except CacheError as error:
            return _not_ready(error.sentence, error.code)
        else:
            holds = f"The cache holds version {series.version} of the dataset '{dataset}'."
            return _ready(place, holds, None)
    if broken is None:
        return _ready(place, "There is no dataset.", None)
    return _not_ready(broken.sentence, broken.code)


def _ready(place: CachePlace, detail: str, code: str | None) -> ReadyResponse:
    if place.writable() is False:
        detail, code = detail + _NOT_WRITABLE, CacheUnavailableError.code
    return _ready_with(detail, code)


def _ready_with(detail: str, code: str | None) -> ReadyResponse:
    return ReadyResponse(status="ready", detail=detail, code=code)


def _not_ready(detail: str, code: str) -> ReadyResponse:
    return ReadyResponse(status="not_ready", detail=detail, code=code)
