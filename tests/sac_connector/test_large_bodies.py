"""Large bodies: received where they stay, by the rules of HTTP, and never mixed with another."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
import uvloop

from app.sac_connector.bodies import Bodies
from app.sac_connector.connections import Incoming
from app.sac_connector.large_reads import BODIES, LargeReads
from tests.sac_connector.test_large_reads import certified

HOST: Final = "127.0.0.1"
LOOPS: Final = (asyncio.new_event_loop, uvloop.new_event_loop)
_SIZE: Final = 3_000_000


def body_of(number: int) -> bytes:
    """Return a large body that no other request has."""
    return b"%09d," % number * (_SIZE // 10 + number)


class Server:
    """Answers `/kind/number`, over and over on one connection.

    Attributes:
        connections: How many were opened.
        tasks: What serves them.
        sent: Set when the system has what was to be sent.
        hold: What keeps half a body back.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.tasks: list[asyncio.Task[None] | None] = []
        self.sent, self.hold = asyncio.Event(), asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the client hangs up."""
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        writer.transport.set_write_buffer_limits(0)
        try:
            while True:
                method, path, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
                _, kind, number = path.split("/")
                await getattr(self, kind)(writer, method, body_of(int(number)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def plain(
        self, writer: asyncio.StreamWriter, method: str, body: bytes, more: bytes = b""
    ) -> None:
        """Send a length and the body."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body), more))
        writer.write(b"" if method == "HEAD" else body)
        await writer.drain()

    async def small(self, writer: asyncio.StreamWriter, method: str, body: bytes) -> None:
        """Send the first bytes alone."""
        await self.plain(writer, method, body[:9])

    async def zipped(self, writer: asyncio.StreamWriter, method: str, body: bytes) -> None:
        """Send it compressed, which is still large."""
        stored = gzip.compress(body, 0)
        await self.plain(writer, method, stored, b"Content-Encoding: gzip\r\n")

    async def chunked(self, writer: asyncio.StreamWriter, _: str, body: bytes) -> None:
        """Send it without saying its length."""
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        await writer.drain()

    async def closing(self, writer: asyncio.StreamWriter, method: str, body: bytes) -> None:
        """Send it, and say that it is the last."""
        await self.plain(writer, method, body, b"Connection: close\r\n")
        writer.write_eof()
        self.sent.set()

    async def surplus(self, writer: asyncio.StreamWriter, method: str, body: bytes) -> None:
        """Send more than was announced."""
        await self.plain(writer, method, body)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
        await writer.drain()
        self.sent.set()

    async def held(self, writer: asyncio.StreamWriter, _: str, body: bytes) -> None:
        """Send half, and the rest when there is leave to."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(body[: len(body) // 2])
        await writer.drain()
        self.sent.set()
        await self.hold.wait()
        writer.write(body[len(body) // 2 :])
        await writer.drain()


@asynccontextmanager
async def serving(folder: Path | None = None) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    """Run a server, and open a client for it; with a folder for its certificate, over TLS."""
    running = Server()
    context = None if folder is None else certified(folder, HOST)
    server = await asyncio.start_server(running.serve, HOST, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    base = f"{'https' if context else 'http'}://{HOST}:{port}"
    async with httpx.AsyncClient(transport=LargeReads(), timeout=10, base_url=base) as client:
        yield running, client
    running.hold.set()
    server.close()
    await asyncio.gather(*filter(None, running.tasks), return_exceptions=True)
    await server.wait_closed()
    await asyncio.sleep(0)


async def got(
    client: httpx.AsyncClient, path: str, bodies: Bodies | None = None
) -> list[bytes | memoryview]:
    """Return the parts of a body."""
    known = {} if bodies is None else {BODIES: bodies}
    async with client.stream("GET", path, extensions=known) as response:
        return [part async for part in response.aiter_bytes()]


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_large_body_is_one_view_into_memory_that_is_used_again(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    secure: bool,
) -> None:
    """One after the other over one connection, with answers of other kinds in between."""
    if secure:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))

    async def run() -> None:
        bodies = Bodies()
        async with serving(tmp_path if secure else None) as (server, client):
            for number in range(3):
                (part,) = await got(client, f"/plain/{number}", bodies)
                assert isinstance(part, memoryview)
                assert part == body_of(number)
                del part
                for kind in ("zipped", "chunked"):
                    assert b"".join(await got(client, f"/{kind}/7", bodies)) == body_of(7)
                assert await got(client, "/small/1", bodies) == [b"000000001"]
            assert server.connections == 1
        # It is the memory of the last one.
        assert bodies.room(len(body_of(2))) == body_of(2)

    loop = new_loop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


async def test_whoever_names_no_memory_gets_bytes() -> None:
    """Other requests see no difference: body, length and what `HEAD` says of it."""
    async with serving() as (server, client):
        found = await client.get("/plain/1")
        assert found.content == body_of(1)
        assert found.headers["content-length"] == str(len(body_of(1)))
        head = await client.head("/plain/2")
        assert (head.content, head.headers["content-length"]) == (b"", str(len(body_of(2))))
        assert await got(client, "/plain/3") == [body_of(3)]
        assert server.connections == 1


async def test_many_at_once_share_memory_and_keep_apart() -> None:
    """Each body that is held is its own, whichever others come and go."""
    bodies = Bodies()
    async with serving() as (_, client):

        async def follow(start: int) -> None:
            for number in range(start, start + 3):
                (part,) = await got(client, f"/plain/{number}", bodies)
                await asyncio.sleep(0)
                assert part == body_of(number)

        async with asyncio.TaskGroup() as group:
            for start in range(0, 40, 10):
                group.create_task(follow(start))


@pytest.mark.parametrize("kind", ["closing", "surplus"])
async def test_a_connection_that_has_ended_or_is_out_of_step_is_not_used_again(kind: str) -> None:
    """The body is good, and the next one comes over another connection."""
    bodies = Bodies()
    async with serving() as (server, client):
        for number in (1, 2):
            (part,) = await got(client, f"/{kind}/{number}", bodies)
            assert part == body_of(number)
            await server.sent.wait()
        assert server.connections == 2


async def test_a_body_that_stops_coming_is_a_read_time_out() -> None:
    """Its connection is closed, and what came of it is not taken for another answer."""
    bodies = Bodies()
    async with serving() as (server, client):
        with pytest.raises(httpx.ReadTimeout):
            async with client.stream(
                "GET", "/held/1", extensions={BODIES: bodies}, timeout=0.05
            ) as response:
                await anext(response.aiter_bytes())
        (part,) = await got(client, "/plain/2", bodies)
        assert part == body_of(2)
        assert server.connections == 2


async def test_a_body_that_is_not_read_is_not_taken_for_an_answer() -> None:
    """Whoever turns away after the head leaves a connection that nobody uses any more."""
    async with serving() as (server, client):
        async with client.stream("GET", "/plain/1") as response:
            assert response.headers["content-length"] == str(len(body_of(1)))
        assert await got(client, "/plain/2") == [body_of(2)]
        assert server.connections == 2


async def test_a_reader_that_is_cancelled_leaves_nothing_behind() -> None:
    """The memory is free again, and the connection is not used any more."""
    bodies = Bodies()
    async with serving() as (server, client):
        reading = asyncio.create_task(got(client, "/held/1", bodies))
        await server.sent.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        server.hold.set()
        (part,) = await got(client, "/plain/2", bodies)
        assert part == body_of(2)
        assert server.connections == 2


class _Wire(asyncio.Transport):
    """A transport on which nothing happens."""

    def abort(self) -> None:
        """Hang up."""

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return False

    def resume_reading(self) -> None:
        """Go on."""


async def test_time_runs_from_the_last_byte() -> None:
    """A body that is slow but comes is waited for; then nothing comes for as long."""
    incoming, loop = Incoming(), asyncio.get_running_loop()
    incoming.connection_made(_Wire())
    filling = asyncio.ensure_future(incoming.fill(memoryview(bytearray(9)), 0.02))
    await asyncio.sleep(0)
    incoming.get_buffer(-1)[:1] = b"x"
    incoming.buffer_updated(1)
    heard = loop.time()
    with pytest.raises(TimeoutError):
        await filling
    assert loop.time() - heard > 0.0199
