"""The bench of the API tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.api.bench import Bench
from tests.api.log import Log, real_log


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """An app on fakes, with an empty cache."""
    bench = Bench()
    async with bench.client:
        yield bench


@pytest.fixture
async def filled(bench: Bench) -> Bench:
    """An app on fakes, with one refresh done."""
    assert (await bench.refresh()).status_code == 200
    return bench


@pytest.fixture
def log() -> Iterator[Log]:
    """The real logging, written to memory."""
    with real_log() as log:
        yield log


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for tests that hypothesis calls many times."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
