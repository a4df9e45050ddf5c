"""The transport that reads in large pieces: in all else it is the one of httpx."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.sac_connector import large_reads
from app.sac_connector.large_reads import LargeReads

BODY: Final = bytes(range(256)) * 4_000
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@asynccontextmanager
async def served(
    context: ssl.SSLContext | None = None, sent: bytes = HEAD + BODY
) -> AsyncIterator[str]:
    """Serve one answer to whoever asks, and hang up; give the address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}/"


async def got(url: str) -> httpx.Response:
    """Get an address through the transport."""
    async with httpx.AsyncClient(transport=LargeReads(), timeout=10) as client:
        return await client.get(url)


async def test_an_answer_is_that_of_httpx() -> None:
    """Status, headers, version and body are those that httpx finds."""
    async with served() as url:
        found = await got(url)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            usual = await client.get(url)
    assert (found.status_code, found.headers, found.content) == (200, usual.headers, usual.content)
    assert found.http_version == usual.http_version


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nConte", b"no HTTP\r\n\r\n", HEAD, HEAD + BODY[:-1]]
)
async def test_a_broken_answer_is_the_error_of_httpx(sent: bytes) -> None:
    """What breaks off or is no HTTP raises the class and the words of httpx."""
    async with served(sent=sent) as url:
        with pytest.raises(httpx.TransportError) as found:
            await got(url)
        with pytest.raises(httpx.TransportError) as usual:
            async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                await client.get(url)
    assert type(found.value) is type(usual.value)
    assert str(found.value) == str(usual.value)
    assert type(found.value.__cause__) is type(usual.value.__cause__)


async def test_a_refused_connection_is_told_with_its_cause() -> None:
    """The error of the system is still at the end of the chain, where its reason is read."""
    async with served() as url:
        pass
    with pytest.raises(httpx.ConnectError) as found:
        await got(url)
    cause: BaseException | None = found.value
    while cause is not None and not isinstance(cause, ConnectionRefusedError):
        cause = cause.__cause__ or cause.__context__
    assert cause is not None


def test_each_error_of_httpcore_has_its_namesake() -> None:
    """Every public error of httpcore is one of httpx, but the one that its pool keeps to itself."""
    named = [getattr(httpcore, name) for name in httpcore.__all__]
    kinds = [kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10
    for kind in kinds:
        if kind is not httpcore.ConnectionNotAvailable:
            with pytest.raises(getattr(httpx, kind.__name__), match="why") as found:
                raise_as_httpx(kind("why"))
            assert isinstance(found.value.__cause__, kind)


def raise_as_httpx(error: Exception) -> None:
    """Raise an error of httpcore where the transport meets it."""
    with large_reads.as_httpx():
        raise error


def certified(folder: Path, host: str) -> ssl.SSLContext:
    """Make a certificate for an address, and return what a server needs to show it."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "certificate").write_bytes(certificate.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


async def test_tls_is_spoken_and_its_certificate_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is trusted is; the same one is refused when nobody vouches for it."""
    async with served(certified(tmp_path, "127.0.0.1")) as url:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await got(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
        assert (await got(url)).content == BODY


@pytest.mark.parametrize(
    ("addresses", "secure"),
    [
        ((), True),
        ((None, None), True),
        (("http://127.0.0.1:1", None), True),
        (("https://tenant.example", "http://127.0.0.1:1"), True),
        (("http://127.0.0.1:1", "https://tenant.example"), True),
        (("http://127.0.0.1:1", "http://127.0.0.1:2"), False),
    ],
)
def test_what_is_wrong_with_the_trusted_certificates_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str | None, ...], secure: bool
) -> None:
    """Whatever may need TLS gets it ready at once, or fails at once; plain HTTP does neither."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificate")
    if not secure:
        assert isinstance(large_reads.transport(*addresses), LargeReads)
        return
    with pytest.raises(FileNotFoundError):
        large_reads.transport(*addresses)


async def test_tls_that_was_left_for_later_is_checked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address that needs it gets it, with the same trust."""
    context = certified(tmp_path, "127.0.0.1")
    async with (
        served(context) as url,
        served() as plain,
        httpx.AsyncClient(transport=LargeReads(secure=False), timeout=10) as client,
    ):
        assert (await client.get(plain)).content == BODY
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(url)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    async with (
        served(context) as url,
        httpx.AsyncClient(transport=LargeReads(secure=False), timeout=10) as client,
    ):
        assert (await client.get(url)).content == BODY


def test_a_proxy_is_left_to_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a proxy, the client keeps the transports that go through it."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    for name in (*names, *map(str.upper, names)):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(large_reads.transport(), LargeReads)
    monkeypatch.setenv("no_proxy", "localhost")
    assert isinstance(large_reads.transport(), LargeReads)
    for name in names:
        with monkeypatch.context() as context:
            context.setenv(name, "http://proxy.example:3128")
            assert large_reads.transport() is None
