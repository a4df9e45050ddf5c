"""Connections that are read in large pieces: the network that httpcore needs, on asyncio.

httpcore's own network hands on what comes in pieces of up to 256 kB, and of a TLS connection each
record of 16 kB by itself, and each piece costs more than the copy of its bytes. Here all that has
come is received and decrypted into one buffer, and is handed on at once.
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

_READ_BYTES: Final = 1_000_000
# RFC 8305, section 5: how long to wait for an address before the next is tried as well.
_NEXT_ADDRESS_S: Final = 0.25


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
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._size = 0
        self._news = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing has come, and no end."""
        return not (self._size or self._ended)

    async def take(self) -> bytes:
        """Return what has come, or comes next; nothing at the end.

        Raises:
            OSError: The connection broke.
        """
        while self.is_idle:
            self._news.clear()
            await self._news.wait()
        if not self._size and self._error is not None:
            raise self._error
        found, full = bytes(self._buffer[: self._size]), self._size == len(self._buffer)
        self._size = 0
        if full and not self.transport.is_closing():
            self.transport.resume_reading()
        return found

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # TCP has no other kind

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[self._size :]

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._size += nbytes
        if self._size == len(self._buffer):
            self.transport.pause_reading()
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

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, be it more than was asked for: httpcore takes it all."""
        async with _told_as(httpcore.ReadTimeout, httpcore.ReadError, timeout):
            return await self._incoming.take()

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        async with _told_as(httpcore.WriteTimeout, httpcore.WriteError, timeout):
            if self._incoming.transport.is_closing():
                raise BrokenPipeError
            self._incoming.transport.write(buffer)
            await self._incoming.writable.wait()

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
