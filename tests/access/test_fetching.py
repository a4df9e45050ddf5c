"""A document of the issuer comes whole, small and from where it was asked for, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from app.access.fetching import LARGEST_BYTES, TIMEOUT_S, IssuerFetch
from app.errors import IssuerUnavailableError
from app.wiring import issuer_client

URL = "https://issuer.example/jwks"
Answer = Callable[[httpx.Request], httpx.Response]


def fetch_from(answer: Answer) -> IssuerFetch:
    """Return what fetches from an issuer that answers so."""
    return IssuerFetch(lambda _: httpx.AsyncClient(transport=httpx.MockTransport(answer)))


async def test_a_document_is_returned() -> None:
    """The bytes arrive as they are, and nothing but a plain GET is sent."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"{}")

    assert await fetch_from(answer)(URL) == b"{}"
    (request,) = seen
    assert (request.method, str(request.url)) == ("GET", URL)
    assert "authorization" not in request.headers


def fail(request: httpx.Request) -> httpx.Response:
    """Break the connection."""
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: httpx.Response(500), "answered 500"),
        (lambda _: httpx.Response(302, headers={"location": "http://x"}), "answered 302"),
        (lambda _: httpx.Response(200, content=b"x" * (LARGEST_BYTES + 1)), "more than"),
        (fail, "ConnectError"),
    ],
    ids=["status", "redirect", "size", "connection"],
)
async def test_anything_else_is_no_document(answer: Answer, words: str) -> None:
    """Faults, redirects and floods are told in words for the log."""
    with pytest.raises(IssuerUnavailableError, match=words):
        await fetch_from(answer)(URL)


async def test_an_address_that_is_none_is_no_crash() -> None:
    """What the discovery names may be anything."""
    with pytest.raises(IssuerUnavailableError):
        await fetch_from(lambda _: httpx.Response(200))("https://issuer.example:port/")


async def test_an_environment_without_a_way_out_is_told_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log gets the variable, and the caller a service that is not at its best."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    with pytest.raises(IssuerUnavailableError, match="SSL_CERT_FILE: found /nowhere"):
        await IssuerFetch(issuer_client)(URL)


async def test_the_real_client_waits_briefly_and_follows_nothing() -> None:
    """Every phase has a time-out, and a redirect is not followed."""
    async with issuer_client(URL) as client:
        assert client.timeout == httpx.Timeout(TIMEOUT_S)
        assert not client.follow_redirects
