"""What stands between us and a tenant: proxies, certificates, and servers that answer anything."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.sac_connector.auth import Credentials
from app.sac_connector.retry import RetryPolicy
from tests.sac_connector.rig import CLIENT_ID, SECRET, Rig, build

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST: Final = "127.0.0.1"
# The same machine under another name, so that a proxy can be wanted for one and not for the other.
NAME: Final = "localhost"
GOOD: Final = b'{"value":[]}'
_BROKEN: Final = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)


def answer(
    body: bytes = GOOD,
    status: str = "200 OK",
    kind: str | None = "application/json",
    *,
    length: str | None = "right",
    **headers: str,
) -> bytes:
    """Write an answer as it goes over the wire.

    Args:
        body: Its body.
        status: Its status, with the phrase.
        kind: Its content type; None for none.
        length: Its length: `right`, another text, or None for none.
        headers: Further headers, with underscores for hyphens.
    """
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    lines += [f"Content-Type: {kind}"] if kind else []
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == 'right' else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


TOKEN: Final = answer(b'{"access_token":"tok-1","expires_in":3600}')


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on a free port, and give it; at the end every connection is closed."""
    tasks = set[asyncio.Task[None]]()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(*_BROKEN):
                await serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(*_BROKEN):
                await writer.wait_closed()

    server = await asyncio.start_server(meet, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read a request to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    lengths = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
    return head + await reader.readexactly(sum(lengths))


def tenant_that_answers(page: bytes = answer(), token: bytes = TOKEN) -> Serve:
    """Return what serves a tenant: one answer to logins, and one to everything else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        writer.write(token if request.startswith(b"POST") else page)
        await writer.drain()

    return serve


def saying(text: bytes) -> Serve:
    """Return what says something to whoever comes, asked or not."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(text)
        await writer.drain()

    return serve


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Listen, and say nothing."""
    await reader.read()


class ProxyServer:
    """A proxy that lets everything through, or nothing.

    Attributes:
        refusal: What it answers in place of what it was asked for; None to let it through.
        heads: The requests that it saw.
    """

    def __init__(self, refusal: bytes | None = None) -> None:
        self.refusal = refusal
        self.heads: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        request = await read_request(reader)
        method, target, _ = request.decode("latin-1").split(" ", 2)
        self.heads.append(request.decode("latin-1"))
        if self.refusal is not None:
            writer.write(self.refusal)
            await writer.drain()
            return
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        there, out = await asyncio.open_connection(url.hostname, url.port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = target.removeprefix(f"{url.scheme}://{url.netloc}")
                request = request.replace(target.encode(), path.encode(), 1)
                # One request a connection: the next one may be for another server.
                out.write(request.replace(b"onnection: keep-alive", b"onnection: close", 1))
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, out))
                group.create_task(_copy(there, writer))
        finally:
            out.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*_BROKEN):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()


def certified(
    folder: Path, host: str = HOST, *, begins_in: int = -1, ends_in: int = 1
) -> ssl.SSLContext:
    """Make a certificate, signed by itself, and return what a server needs to show it.

    Args:
        folder: Where `certificate` and `key` are written.
        host: What it is for.
        begins_in: Days from now until it is valid.
        ends_in: Days from now until it is valid no more.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made for a test")])
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now + timedelta(days=begins_in))
        .not_valid_after(now + timedelta(days=ends_in))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


@asynccontextmanager
async def asking(
    tenant_url: str, token_url: str | None = None, *, timeout_s: float = 10.0
) -> AsyncIterator[Rig]:
    """Put the connector together around an address; each request is sent once."""
    credentials = Credentials(token_url or f"{tenant_url}/oauth/token", CLIENT_ID, SECRET)
    async with httpx.AsyncClient(timeout=timeout_s) as client:
        yield build(client, credentials, tenant_url, policy=RetryPolicy(attempts=1))
