"""A pull looks one page ahead, and leaves nothing behind when it ends early."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing

import httpx
import pytest

from app.errors import (
    SourceAnswerError,
    SourceUnavailableError,
)
from app.sac_connector.retry import RetryPolicy
from tests.sac_connector.rig import (
    DEFINITION,
    FakeTenant,
    Rig,
    a_page,
    amounts,
    connected,
    counted,
    linked,
    refusal,
    shape,
    turns,
    until,
)


class Held:
    """Holds back an answer until a test lets it go."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.gone = False


class SlowTenant(FakeTenant):
    """Answers pages only when it is told to; `held` has one entry for each page asked for."""

    def __init__(self, total: int) -> None:
        links = [linked(1, str(n), first=n - 1) for n in range(1, total)]
        super().__init__([counted(total), *links, a_page(1, first=total - 1)])
        self.held: list[Held] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a page when it is free to go."""
        answer = await super().__call__(request)
        if request.url.path.endswith("FactData") and shape(request) != "count":
            one = Held()
            self.held.append(one)
            try:
                await one.free.wait()
            finally:
                one.gone = True
        return answer

    async def asked_for(self, pages: int) -> None:
        """Wait until this many pages were asked for."""
        await until(lambda: len(self.held) == pages)


async def test_the_next_page_is_asked_for_while_the_present_one_is_read() -> None:
    """When a page is handed over, the next one is under way, and never a third."""
    tenant = SlowTenant(4)
    async with connected(tenant) as rig:
        pages = rig.source.pull(DEFINITION).pages()
        for number in range(1, 4):
            coming = asyncio.ensure_future(anext(pages))
            await tenant.asked_for(number)
            tenant.held[number - 1].free.set()
            page = await coming
            await turns()
            assert page.number == number
            assert len(tenant.held) == number + 1
            assert sum(not one.gone for one in tenant.held) == 1
        await pages.aclose()
    assert len(tenant.held) == 4


async def test_the_next_page_is_asked_for_before_the_present_one_is_decoded() -> None:
    """A page whose rows cannot be read has already caused the request for the next one."""
    broken = httpx.Response(
        200, json={"value": [{"Date": 1}], "@odata.nextLink": "FactData?$skiptoken=a"}
    )
    tenant = FakeTenant([counted(3), broken, a_page(1)])
    async with connected(tenant) as rig:
        with pytest.raises(SourceAnswerError, match=r"\(page 1, row 1, column Date\)"):
            await amounts(rig.source.pull(DEFINITION))
    assert tenant.shapes == ["metadata", "service", "count", "first", "a"]


@pytest.mark.filterwarnings("error")
async def test_closing_a_pull_early_cancels_what_is_under_way() -> None:
    """A reader that leaves after a page cancels the request for the next, without a warning."""
    tenant = SlowTenant(3)
    loop_errors: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: loop_errors.append(context["message"])
    )
    async with connected(tenant) as rig:
        async with aclosing(rig.source.pull(DEFINITION).pages()) as pages:
            coming = asyncio.ensure_future(anext(pages))
            await tenant.asked_for(1)
            tenant.held[0].free.set()
            await coming
            await tenant.asked_for(2)
            assert not tenant.held[1].gone
        assert tenant.held[1].gone
        assert len(asyncio.all_tasks()) == 1
    gc.collect()
    await turns()
    assert loop_errors == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cancelled", [False, True], ids=["left", "cancelled"])
async def test_a_look_ahead_that_fails_unseen_is_no_loose_end(cancelled: bool) -> None:
    """If the next page fails and the reader leaves before it sees that, nobody hears of it."""
    loop_errors: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: loop_errors.append(context["message"])
    )
    tenant = FakeTenant([counted(3), linked(1, "a"), *[refusal(503)] * 5])
    gate = asyncio.Event()

    async def read(rig: Rig) -> None:
        async with aclosing(rig.source.pull(DEFINITION).pages()) as pages:
            async for _ in pages:
                await turns(50)
                if cancelled:
                    gate.set()
                    await asyncio.Event().wait()
                break

    async with connected(tenant, policy=RetryPolicy(attempts=1)) as rig:
        reader = asyncio.create_task(read(rig))
        if cancelled:
            await gate.wait()
            reader.cancel()
        await asyncio.wait([reader])
    assert reader.cancelled() == cancelled
    assert len(tenant.asked) == 5
    gc.collect()
    await turns()
    assert loop_errors == []


async def test_a_page_that_was_handed_over_stays_good_when_the_next_one_fails() -> None:
    """The error of the next page comes when the reader asks for it, not before."""
    tenant = FakeTenant([counted(3), linked(1, "a"), refusal(503)])
    async with connected(tenant, policy=RetryPolicy(attempts=1)) as rig:
        pages = rig.source.pull(DEFINITION).pages()
        assert (await anext(pages)).number == 1
        await turns(50)
        with pytest.raises(SourceUnavailableError):
            await anext(pages)
