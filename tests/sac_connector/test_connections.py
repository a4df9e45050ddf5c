"""Connections: all that has come in one piece, over TLS too, and the errors of httpcore."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpcore
import pytest
import uvloop

from app.sac_connector.connections import Network
from tests.sac_connector.test_large_reads import BODY, certified, got, served

HOST: Final = "127.0.0.1"
RECORD: Final = 16 * 1024
LOOPS: Final = (asyncio.new_event_loop, uvloop.new_event_loop)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def connected(
    serve: Serve, folder: Path | None = None
) -> AsyncIterator[httpcore.AsyncNetworkStream]:
    """Connect to a server that does one thing; with a folder for its certificate, over TLS."""
    context = None if folder is None else certified(folder, HOST)
    tasks = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(once, HOST, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    stream = await Network().connect_tcp(HOST, port, timeout=10)
    try:
        if folder is not None:
            trusted = ssl.create_default_context(cafile=folder / "certificate")
            stream = await stream.start_tls(trusted, HOST, timeout=10)
        yield stream
    finally:
        await stream.aclose()
        server.close()
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)


async def everything(stream: httpcore.AsyncNetworkStream) -> list[bytes]:
    """Return all pieces up to the end."""
    pieces = []
    while piece := await stream.read(65_536, timeout=10):
        pieces.append(piece)
    return pieces


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("secure", [False, True])
def test_all_that_has_come_is_handed_on_at_once(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, secure: bool
) -> None:
    """Whatever came meanwhile is one piece, many records of TLS long; more waits its turn."""

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(5 * BODY)
        writer.close()
        await writer.wait_closed()

    async def run() -> list[bytes]:
        async with connected(send, tmp_path if secure else None) as stream:
            first = await stream.read(1, timeout=10)
            # Both ends take turns meanwhile.
            for _ in range(50):
                await asyncio.sleep(0)
            return [first, *await everything(stream)]

    loop = new_loop()
    try:
        pieces = loop.run_until_complete(run())
    finally:
        loop.close()
    assert b"".join(pieces) == 5 * BODY
    assert max(map(len, pieces)) > 10 * RECORD


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("secure", [False, True])
def test_answers_are_read_on_either_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    secure: bool,
) -> None:
    """The loop of the tests and the one that uvicorn prefers both serve."""
    context = certified(tmp_path, HOST) if secure else None
    if secure:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))

    async def run() -> bytes:
        async with served(context) as url:
            return (await got(url)).content

    loop = new_loop()
    try:
        assert loop.run_until_complete(run()) == BODY
    finally:
        loop.close()


async def test_a_silent_server_is_a_read_time_out() -> None:
    """Nothing comes, and the time is up."""

    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with connected(wait) as stream:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, timeout=0.01)
        assert stream.get_extra_info("is_readable") is False


async def test_a_reader_that_stops_is_a_write_time_out() -> None:
    """What cannot be sent is not waited for without end."""

    async def wait(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with connected(wait) as stream:
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(bytes(50_000_000), timeout=0.1)


async def test_what_was_held_back_is_sent_when_there_is_room() -> None:
    """A large body waits for its reader, and arrives whole."""
    read: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        read.set_result(await reader.readexactly(20_000_000))

    async with connected(take) as stream:
        await stream.write(bytes(20_000_000), timeout=10)
        assert len(await read) == 20_000_000


async def test_a_reset_is_a_read_error() -> None:
    """A connection that breaks raises, after what had come; then nothing can be written."""

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with connected(reset) as stream:
        with pytest.raises(httpcore.ReadError) as found:
            await stream.read(1, timeout=10)
        assert isinstance(found.value.__cause__, ConnectionResetError)
        assert stream.get_extra_info("is_readable") is True
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x", timeout=10)


async def test_an_end_is_seen_before_the_next_request() -> None:
    """A server that hung up makes the connection readable, so that the pool takes another."""

    async def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with connected(end) as stream:
        assert await stream.read(1, timeout=10) == b""
        assert stream.get_extra_info("is_readable") is True
        assert stream.get_extra_info("server_addr")[0] == HOST


async def test_an_address_that_nobody_listens_at_is_a_connect_error() -> None:
    """As is one that has no meaning, from whichever of our own."""
    async with served() as url:
        port = int(url.rsplit(":", 1)[1].rstrip("/"))
    with pytest.raises(httpcore.ConnectError):
        await Network().connect_tcp(HOST, port, timeout=10, local_address=HOST)
    with pytest.raises(httpcore.ConnectError):
        await Network().connect_tcp("nobody.invalid", 1, timeout=10)


async def test_options_are_set_and_sleep_sleeps() -> None:
    """The rest of what httpcore asks of a network."""
    async with served() as url:
        port = int(url.rsplit(":", 1)[1].rstrip("/"))
        option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        network = Network()
        stream = await network.connect_tcp(HOST, port, timeout=10, socket_options=[option])
        raw = stream.get_extra_info("socket")
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        await network.sleep(0)
        await stream.aclose()
