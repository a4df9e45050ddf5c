"""A signal that stops the server waits until what runs has ended; a second one hurries that."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from structlog.testing import capture_logs

from app.signals import SIGNALS, put_off


class Work:
    """What is to be finished before the server hears of a signal."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.begun = asyncio.Event()
        self.hurried = asyncio.Event()
        self.times = 0

    async def finish(self) -> None:
        """Wait until it is done."""
        self.times += 1
        self.begun.set()
        await self.done.wait()


class Server:
    """Notes the signals that reach it.

    Attributes:
        heard: Their numbers.
        told: Set with the first of them.
    """

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.told = asyncio.Event()

    def handle(self, number: int, _: FrameType | None) -> None:
        """Note a signal."""
        self.heard.append(number)
        self.told.set()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that handles signals; whatever did before does afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    server = Server()
    for number in SIGNALS:
        signal.signal(number, server.handle)
    yield server
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
async def test_the_server_hears_of_it_after_the_work(server: Server, number: int) -> None:
    """Until the work is done the server goes on as if nothing had happened."""
    work = Work()
    with put_off(work.finish, work.hurried.set):
        signal.raise_signal(number)
        await work.begun.wait()
        assert server.heard == []
        work.done.set()
        await server.told.wait()
    assert server.heard == [number]
    assert not work.hurried.is_set()


async def test_a_second_signal_hurries_and_a_third_is_passed_on(server: Server) -> None:
    """Whoever insists need not wait."""
    work = Work()
    with put_off(work.finish, work.hurried.set):
        signal.raise_signal(signal.SIGTERM)
        await work.begun.wait()
        signal.raise_signal(signal.SIGINT)
        await work.hurried.wait()
        assert server.heard == []
        signal.raise_signal(signal.SIGINT)
        await server.told.wait()
        assert server.heard == [signal.SIGINT]
        work.done.set()
        while len(server.heard) < 2:
            server.told.clear()
            await server.told.wait()
    assert (server.heard, work.times) == ([signal.SIGINT, signal.SIGTERM], 1)


async def test_after_the_work_signals_go_to_the_server(server: Server) -> None:
    """A server that is slow to close can be told again."""
    work = Work()
    work.done.set()
    with put_off(work.finish, work.hurried.set):
        for count in (1, 2):
            signal.raise_signal(signal.SIGINT)
            await server.told.wait()
            server.told.clear()
            assert len(server.heard) == count
    assert not work.hurried.is_set()


async def test_work_that_fails_does_not_keep_the_server_open(
    server: Server,
) -> None:
    """A fault while finishing must not make a process that cannot be stopped."""

    async def finish() -> None:
        raise RuntimeError("oops")

    with capture_logs() as lines, put_off(finish, server.told.set):
        signal.raise_signal(signal.SIGTERM)
        await server.told.wait()
    assert server.heard == [signal.SIGTERM]
    assert [line["event"] for line in lines] == ["signal_heard", "finishing_crashed"]


async def test_the_handlers_from_before_are_put_back(server: Server) -> None:
    """Once the service is closed, the server handles signals itself."""
    work = Work()
    with put_off(work.finish, work.hurried.set):
        assert signal.getsignal(signal.SIGTERM) != server.handle
    assert signal.getsignal(signal.SIGTERM) == server.handle


async def test_a_default_that_is_no_function_does_what_it_does(server: Server) -> None:
    """Where nobody handles a signal, its default is what follows the work."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work = Work()
    work.done.set()
    with put_off(work.finish, work.hurried.set):
        signal.raise_signal(signal.SIGTERM)
        await work.begun.wait()
        signal.raise_signal(signal.SIGINT)
        await server.told.wait()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


async def test_in_another_thread_nothing_is_done(server: Server) -> None:
    """A thread that cannot handle signals runs the service all the same."""

    def run() -> None:
        work = Work()

        async def serve() -> None:
            with put_off(work.finish, work.hurried.set):
                assert signal.getsignal(signal.SIGTERM) == server.handle

        asyncio.run(serve())

    await asyncio.to_thread(run)
