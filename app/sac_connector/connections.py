"""Connections that are read in large pieces: the network that httpcore needs, on asyncio.

httpcore's own network hands on what comes in pieces of up to 256 kB, and of a TLS connection each
record of 16 kB by itself, and each piece costs more than the copy of its bytes. Here all that has
come is received and decrypted into one buffer, and is handed on at once. A large body of known
length is received where it is to stay.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohappyeyeballs
import httpcore
from typing_extensions import override

from app.sac_connector.heads import HEAD_BYTES, parted

_READ_BYTES: Final = 1_000_000
# RFC 8305, section 5: how long to wait for an address before the next is tried as well.
_NEXT_ADDRESS_S: Final = 0.25
# The words of h11.
_CUT_OFF: Final = (
    "peer closed connection without sending complete message body (received {} bytes, expected {})"
)


class Incoming(asyncio.BufferedProtocol):
    """What has come over a connection and was not handed on yet.

    Attributes:
        writable: Set while more may be written, or if nobody will read it any more.
        gone: Set when the connection is no more.
        transport: Where it comes from.
    """

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = asyncio.Event()
        self.transport: asyncio.Transport
        self._own = memoryview(bytearray(_READ_BYTES))
        # Where it is received, and how much of that is full.
        self._room, self._size = self._own, 0
        self._news = asyncio.Event()
        self._heard_at = 0.0
        self._ended = False
        self._error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing has come, and no end."""
        return not (self._size or self._ended)

    @property
    def begin(self) -> bytes:
        """How that begins which has come and was not handed on yet."""
        return bytes(self._room[: min(self._size, HEAD_BYTES)])

    async def wait(self) -> None:
        """Wait until something has come, or the end.

        Raises:
            OSError: The connection broke.
        """
        while self.is_idle:
            self._news.clear()
            await self._news.wait()
        if not self._size and self._error is not None:
            raise self._error

    def take(self, most_bytes: int = _READ_BYTES) -> bytes:
        """Return what has come; nothing at the end."""
        found = bytes(self._room[: min(self._size, most_bytes)])
        rest, full = self._size - len(found), self._is_full
        self._room[:rest], self._size = self._room[len(found) : self._size], rest
        if full and found:
            self._go_on()
        return found

    async def fill(self, room: memoryview, timeout_s: float | None) -> int:
        """Receive into memory of somebody else until it is full, or until the end.

        Args:
            room: The memory. What does not fit stays here.
            timeout_s: Seconds to wait for each next byte.

        Returns:
            How much came.

        Raises:
            TimeoutError: Nothing came for so long.
            OSError: The connection broke.
        """
        begin = self.take(len(room))
        if len(begin) == len(room):
            room[:] = begin
            return len(room)
        room[: len(begin)] = begin
        self._room, self._size = room, len(begin)
        try:
            await self._until_full(timeout_s)
            return self._size
        finally:
            complete = self._is_full
            self._room, self._size = self._own, 0
            if complete:
                self._go_on()
            else:
                # The rest is still to come, and nothing tells it from the next answer.
                self.transport.abort()

    async def _until_full(self, timeout_s: float | None) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        while not (self._is_full or self._ended):
            self._news.clear()
            known = self._heard_at
            try:
                async with asyncio.timeout_at(None if timeout_s is None else known + timeout_s):
                    await self._news.wait()
            except TimeoutError:
                if self._heard_at == known:
                    raise
        if not self._is_full and self._error is not None:
            raise self._error

    @property
    def _is_full(self) -> bool:
        return self._size == len(self._room)

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # TCP has no other kind

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room[self._size :]

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._size += nbytes
        self._heard_at = asyncio.get_running_loop().time()
        if self._is_full:
            self.transport.pause_reading()
        # Whoever waits for a whole body would be woken for each piece of it.
        if self._is_full or self._room is self._own:
            self._news.set()

    @override
    def eof_received(self) -> None:
        self._ended = True
        self._news.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        for event in (self._news, self.writable, self.gone):
            event.set()

    @override
    def pause_writing(self) -> None:
        self.writable.clear()

    @override
    def resume_writing(self) -> None:
        self.writable.set()


class Network(httpcore.AsyncNetworkBackend):
    """Opens connections."""

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        async with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError, timeout):
            stream = socket.SOCK_STREAM
            own = await loop.getaddrinfo(local_address, 0, type=stream) if local_address else None
            found = await loop.getaddrinfo(host, port, type=stream)
            opened = await aiohappyeyeballs.start_connection(
                found, local_addr_infos=own, happy_eyeballs_delay=_NEXT_ADDRESS_S
            )
            for option in socket_options or ():
                opened.setsockopt(*option)
            _, incoming = await loop.create_connection(Incoming, sock=opened)
        return Stream(incoming)

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Stream(httpcore.AsyncNetworkStream):
    """One connection.

    Args:
        incoming: What comes over it.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._asked = False
        # Bytes of a body that was announced apart from its head, and not read yet.
        self._body_bytes = 0

    @property
    def body_bytes(self) -> int:
        """Length of the body that `read_body` is to read; 0 if `read` reads it, as usual."""
        return self._body_bytes

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, be it more than was asked for: httpcore takes it all.

        A head before a large body of known length is told as that of an answer without a body.
        """
        async with _told_as(httpcore.ReadTimeout, httpcore.ReadError, timeout):
            self._check_body()
            await self._incoming.wait()
        head = parted(self._incoming.begin) if self._asked else None
        self._asked = False
        if head is None:
            return self._incoming.take()
        self._body_bytes = head.body_bytes
        self._incoming.take(head.size_bytes)
        return head.head

    async def read_body(self, room: memoryview, timeout_s: float | None) -> None:
        """Read the body that was told apart from its head.

        Args:
            room: Where to; as long as the body.
            timeout_s: Seconds to wait for each next byte.
        """
        async with _told_as(httpcore.ReadTimeout, httpcore.ReadError, None):
            received = await self._incoming.fill(room, timeout_s)
        if received < len(room):
            raise httpcore.RemoteProtocolError(_CUT_OFF.format(received, len(room)))
        self._body_bytes = 0

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _told_as(httpcore.WriteTimeout, httpcore.WriteError, timeout):
            self._check_body()
            if self._incoming.transport.is_closing():
                raise BrokenPipeError
            # The answer to a HEAD has a length, too, but no body.
            self._asked = buffer.startswith(b"GET ") if buffer else self._asked
            self._incoming.transport.write(buffer)
            await self._incoming.writable.wait()

    def _check_body(self) -> None:
        """Refuse to take a body for an answer."""
        if self._body_bytes:
            raise BrokenPipeError

    @override
    async def aclose(self) -> None:
        self._incoming.transport.abort()
        await self._incoming.gone.wait()

    @override
    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop, incoming = asyncio.get_running_loop(), self._incoming
        async with _told_as(httpcore.ConnectTimeout, httpcore.ConnectError, timeout):
            secured = await loop.start_tls(
                incoming.transport, incoming, ssl_context, server_hostname=server_hostname
            )
            if secured is None:
                raise BrokenPipeError
        incoming.transport = secured
        return self

    @override
    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return not self._incoming.is_idle or self._has_news()
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._incoming.transport.get_extra_info(names.get(info, info))

    def _has_news(self) -> bool:
        """Whether something came, or an end, that the event loop has not seen yet."""
        handle = self._incoming.transport.get_extra_info("socket").fileno()
        if handle < 0:
            return True
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(0))


@asynccontextmanager
async def _told_as(
    too_late: type[Exception], failed: type[Exception], timeout_s: float | None
) -> AsyncIterator[None]:
    """Limit the time, and raise what httpcore raises."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise too_late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error
