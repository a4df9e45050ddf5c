"""Reads several chains of pages side by side, and stops all of them at the first failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing

from app.sac_connector.chain import Chain, Fetched


async def merged(chains: Sequence[Chain], parallel: int) -> AsyncGenerator[Fetched]:
    """Yield the pages of all chains, as they come, some chains side by side.

    The first failure stops the others.

    Args:
        chains: What to read; a chain is started when another has ended.
        parallel: Chains to read at once.

    Raises:
        SourceError: One of the chains failed.
    """
    if min(parallel, len(chains)) == 1:
        # Straight to the reader: a queue between the two would let pages pile up ahead of it.
        for chain in chains:
            async with aclosing(chain.pages()) as own:
                async for fetched in own:
                    yield fetched
        return
    # One place: a chain that is ahead waits, so that memory does not depend on the slowest.
    pages: asyncio.Queue[Fetched | None] = asyncio.Queue(maxsize=1)
    waiting = iter(chains)

    async def work() -> None:
        for chain in waiting:
            async with aclosing(chain.pages()) as own:
                async for page in own:
                    await pages.put(page)

    async def work_all() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(parallel, len(chains))):
                group.create_task(work())
        await pages.put(None)

    whole = asyncio.create_task(_first_failure(work_all()))
    try:
        while (page := await _next(pages, whole)) is not None:
            yield page
        await whole
    finally:
        whole.cancel()
        await asyncio.gather(whole, return_exceptions=True)


async def _first_failure(work: Awaitable[None]) -> None:
    """Await work; of several failures at once, raise the first as it is."""
    try:
        await work
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _next(pages: asyncio.Queue[Fetched | None], whole: asyncio.Task[None]) -> Fetched | None:
    """Return the next page, None after the last; end early if the work failed."""
    getting = asyncio.ensure_future(pages.get())
    try:
        await asyncio.wait((getting, whole), return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            await whole
        return await getting
    finally:
        getting.cancel()
