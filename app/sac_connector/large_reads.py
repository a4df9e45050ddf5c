"""Reads large answers in large pieces: an httpx transport over connections of our own.

httpx reads 64 kB at a time, whoever asks, and of TLS a record of 16 kB; each read costs as much as
the copy of its bytes. httpcore, on which httpx stands, lets others bring the network. All else is
as httpx does it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.request import getproxies

import httpcore
import httpx
from typing_extensions import override

from app.sac_connector.bodies import Bodies
from app.sac_connector.connections import Network, Stream

# Of a request: where its body may stay.
BODIES: Final = "bodies"
_PROXIES: Final = frozenset({"http", "https", "all"})
_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def transport(*addresses: str | None) -> httpx.AsyncBaseTransport | None:
    """Return the transport for a client; None to leave it to httpx.

    A proxy that the environment names is a thing that only httpx's own transports know.

    Args:
        addresses: What will be asked. If all are known and plain HTTP, TLS is left for later.
    """
    plain = all(address is not None and address.startswith("http://") for address in addresses)
    if not _PROXIES.isdisjoint(getproxies()):
        return None
    return LargeReads(secure=not (addresses and plain))


class LargeReads(httpx.AsyncBaseTransport):
    """Sends requests as `httpx.AsyncHTTPTransport` does, and reads the answers in large pieces.

    Args:
        network: What opens connections; None for one that reads in large pieces.
        secure: Whether to be ready for TLS now, which takes 30 ms, or when it is first needed.
    """

    def __init__(
        self, network: httpcore.AsyncNetworkBackend | None = None, *, secure: bool = True
    ) -> None:
        self._network = network or Network()
        # One for TLS, one for what is not.
        self._pools: dict[bool, httpcore.AsyncConnectionPool] = {}
        if secure:
            self._pool(secure=True)

    def _pool(self, *, secure: bool) -> httpcore.AsyncConnectionPool:
        if secure not in self._pools:
            limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
            self._pools[secure] = httpcore.AsyncConnectionPool(
                ssl_context=httpx.create_ssl_context() if secure else None,
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_keepalive_connections,
                keepalive_expiry=limits.keepalive_expiry,
                network_backend=self._network,
            )
        return self._pools[secure]

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        with as_httpx():
            response = await self._pool(secure=url.scheme == "https").handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        body = _Body(response, request.extensions)
        return httpx.Response(
            response.status,
            headers=body.headers,
            stream=body,
            extensions=response.extensions,
        )

    @override
    async def aclose(self) -> None:
        with as_httpx():
            for pool in self._pools.values():
                await pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer.

    Args:
        response: The answer.
        extensions: Those of the request. Whoever names `Bodies` there gets a large body as one
            `memoryview` into them.

    Attributes:
        headers: The headers of the answer, as they were sent.
    """

    def __init__(self, response: httpcore.Response, extensions: Mapping[str, Any]) -> None:
        self._response = response
        self._bodies = extensions.get(BODIES)
        self._timeout = extensions.get("timeout", {}).get("read")
        stream = response.extensions.get("network_stream")
        self._stream = stream if isinstance(stream, Stream) and stream.body_bytes else None
        self.headers = response.headers
        if self._stream is not None:
            length = b"%d" % self._stream.body_bytes
            self.headers = [
                (name, length if name.lower() == b"content-length" else value)
                for name, value in response.headers
            ]

    @override
    async def __aiter__(self) -> AsyncIterator[Any]:
        with as_httpx():
            if self._stream is not None:
                room = (self._bodies or Bodies()).room(self._stream.body_bytes)
                await self._stream.read_body(room, self._timeout)
                yield bytes(room) if self._bodies is None else room
            # Unless it is asked for the end too, httpcore closes the connection.
            async for part in self._response.aiter_stream():
                yield part

    @override
    async def aclose(self) -> None:
        with as_httpx():
            await self._response.aclose()


@contextmanager
def as_httpx() -> Iterator[None]:
    """Raise what httpx raises: its errors have the names that they have in httpcore."""
    try:
        yield
    except _ERRORS as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
