"""Requests without an answer: each reason is told in our words, and names who is at fault."""

from __future__ import annotations

import errno
import socket
import ssl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    CertificateError,
    HostNotFoundError,
    ProxyUnavailableError,
    SourceAnswerError,
    SourceError,
    SourceTimeoutError,
    SourceUnreachableError,
    TlsError,
)
from app.sac_connector.network import CLIENT_ERRORS, ClientError, transport_fault
from app.sac_connector.proxies import LOGIN_SETTING
from app.sac_connector.retry import RetryPolicy
from tests.sac_connector.rig import PAGE_URL, TOKEN_URL, FakeTenant, a_page, connected

MARK = "do-not-quote-me"
PLAIN_URL = "http://127.0.0.1:8090/api"
WITHOUT_TEXT = {
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.ResponseNotRead,
    httpx.RequestNotRead,
}


def exception_classes() -> list[type[Exception]]:
    """Return every class of exception that httpx shows, in a fixed order."""
    kinds = (kind for kind in vars(httpx).values() if isinstance(kind, type))
    found = {kind for kind in kinds if issubclass(kind, Exception)}
    return sorted(found, key=lambda kind: kind.__name__)


def an_error(kind: type[Exception]) -> Exception:
    """Return an exception of a class, however its arguments are called."""
    request = httpx.Request("GET", PAGE_URL)
    if issubclass(kind, httpx.HTTPStatusError):
        return kind(MARK, request=request, response=httpx.Response(500, request=request))
    return kind() if kind in WITHOUT_TEXT else kind(MARK)


ALL_CLIENT_ERRORS = [
    error for error in map(an_error, exception_classes()) if isinstance(error, CLIENT_ERRORS)
]


def test_the_walk_sees_every_class_of_the_client() -> None:
    """Each exception of httpx hangs below a root that the connector catches, so none is missed."""
    assert [type(error) for error in ALL_CLIENT_ERRORS] == exception_classes()
    assert len(ALL_CLIENT_ERRORS) >= 28


@pytest.mark.parametrize("proxy", [None, f"http://user:{MARK}@proxy.example:3128"])
@pytest.mark.parametrize("error", ALL_CLIENT_ERRORS, ids=lambda error: type(error).__name__)
async def test_no_exception_of_the_client_leaves_the_connector(
    error: Exception, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever httpx raises, at a page or at the login, comes out as a source error."""
    once = RetryPolicy(attempts=1)
    async with connected(FakeTenant([error]), policy=once) as rig:
        if proxy is not None:
            monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(SourceError) as at_page:
            await rig.get()
    async with connected(FakeTenant([a_page()], [error]), policy=once) as rig:
        with pytest.raises(SourceError) as at_login:
            await rig.tokens.token()
    for caught, host in ((at_page, "tenant.example"), (at_login, "login.example")):
        assert caught.value.__cause__ is error
        assert MARK not in str(caught.value)
        assert host in str(caught.value) or "The proxy http://proxy.example:3128 " in str(
            caught.value
        )


def caused(error: ClientError, cause: BaseException) -> ClientError:
    """Return an exception of the client with what led to it."""
    error.__cause__ = cause
    return error


def tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ClientError:
    """Return what the client raises if TLS fails."""
    cause = kind(1, f"[SSL: {reason}]")
    cause.reason = reason
    return caused(httpx.ConnectError(""), cause)


def untrusted(code: int) -> ClientError:
    """Return what the client raises for a certificate."""
    cause = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    cause.verify_code = code
    return caused(httpx.ConnectError(""), cause)


def system(number: int) -> ClientError:
    """Return what the client raises if the system makes no connection."""
    return caused(httpx.ConnectError("All connection attempts failed"), OSError(number, "no"))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            httpx.ConnectError("[Errno 111] Connection refused"),
            SourceUnreachableError,
            "tenant.example cannot be reached: the connection was refused. Check SAC_TENANT_URL",
        ),
        (
            httpx.ConnectError("nodename nor servname provided"),
            HostNotFoundError,
            "the host name is not known. Check SAC_TENANT_URL and the network.",
        ),
        (httpx.ConnectError("getaddrinfo failed"), HostNotFoundError, "the host name is not known"),
        (
            caused(httpx.ConnectError("x"), socket.gaierror(socket.EAI_AGAIN, "again")),
            HostNotFoundError,
            "no name server answers. Check the network and its DNS.",
        ),
        (
            httpx.ConnectError("Temporary failure in name resolution"),
            HostNotFoundError,
            "no name server answers",
        ),
        (
            httpx.ConnectError("All connection attempts failed"),
            SourceUnreachableError,
            "there is no connection. Check SAC_TENANT_URL and the network.",
        ),
        (
            system(errno.ENETUNREACH),
            SourceUnreachableError,
            "there is no route to it. Check the network of this machine and its VPN, and IPv6",
        ),
        (system(errno.EHOSTUNREACH), SourceUnreachableError, "there is no route to it."),
        (system(errno.EADDRNOTAVAIL), SourceUnreachableError, "there is no route to it."),
        (system(errno.EACCES), SourceUnreachableError, "Check the firewall of this machine."),
        (system(errno.EMFILE), SourceUnreachableError, "this service has too many files open."),
        (httpx.ReadError(""), SourceUnreachableError, "broke before the answer was whole"),
        (
            httpx.RemoteProtocolError("Server disconnected without sending a response."),
            SourceUnreachableError,
            "tenant.example broke off the connection before it answered.",
        ),
        (
            httpx.RemoteProtocolError("conflicting Content-Length headers"),
            SourceUnreachableError,
            "What came from tenant.example is no valid HTTP. Check the host and the port in SAC_",
        ),
        (
            httpx.DecodingError("bad gzip"),
            SourceAnswerError,
            "is not compressed in the way that it says. Check any proxy between here and the",
        ),
        (httpx.TooManyRedirects(""), SourceAnswerError, "redirects without end"),
        (httpx.InvalidURL(""), SourceAnswerError, "cannot be asked. Check SAC_TENANT_URL."),
        (httpx.LocalProtocolError(""), SourceAnswerError, "cannot be asked"),
        (
            httpx.ConnectTimeout(""),
            SourceTimeoutError,
            "No connection to tenant.example:443 in time. Check SAC_TENANT_URL, and that no fire",
        ),
        (
            caused(httpx.ConnectTimeout(""), ssl.SSLWantReadError(2, "read")),
            SourceTimeoutError,
            "tenant.example:443 did not answer in TLS in time. Check the scheme and the port in",
        ),
        (
            httpx.ReadTimeout(""),
            SourceTimeoutError,
            "in time. It is tried again at the next refresh. If the tenant is slow, raise SAC_READ",
        ),
        (
            httpx.PoolTimeout(""),
            SourceTimeoutError,
            "This service had no connection to tenant.example:443 left in time. Lower SAC_MAX_PAR",
        ),
        (
            untrusted(18),
            CertificateError,
            "no authority that this machine trusts has signed it. If a proxy inspects TLS,",
        ),
        (untrusted(20), CertificateError, "no authority that this machine trusts has signed it."),
        (untrusted(10), CertificateError, "it has expired. Check the clock of this machine;"),
        (untrusted(9), CertificateError, "it is not valid yet. Check the clock of this machine;"),
        (untrusted(62), CertificateError, "it is for another host. Check the host in SAC_TENANT_"),
        (untrusted(64), CertificateError, "it is for another host."),
        (
            tls("WRONG_VERSION_NUMBER"),
            TlsError,
            "tenant.example:443 does not speak TLS. Check the scheme and the port in SAC_TENANT_",
        ),
        (tls("RECORD_LAYER_FAILURE"), TlsError, "does not speak TLS."),
        (
            tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            TlsError,
            "wants a certificate of this service, which has none. Check SAC_TENANT_URL: hosts with",
        ),
        (
            tls("TLSV1_ALERT_PROTOCOL_VERSION"),
            TlsError,
            "agree on no kind of TLS (TLSV1_ALERT_PROTOCOL_VERSION).",
        ),
        (tls(f"{MARK} "), TlsError, "agree on no kind of TLS."),
        (
            tls("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError),
            SourceUnreachableError,
            "tenant.example broke off the connection while TLS began.",
        ),
    ],
    ids=lambda value: None,
)
def test_each_reason_is_told_in_words(
    error: ClientError, kind: type[SourceError], words: str
) -> None:
    """The sentence says what happened and where, in our words on every platform."""
    fault = transport_fault(error, PAGE_URL)
    assert type(fault) is kind
    assert words in str(fault)
    assert "tenant.example" in str(fault)
    assert MARK not in str(fault)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            httpx.ConnectError("refused"),
            ProxyUnavailableError,
            "3128 cannot be reached: the connection was refused. Check HTTPS_PROXY, and that the",
        ),
        (
            httpx.ConnectError("getaddrinfo failed"),
            ProxyUnavailableError,
            "cannot be reached: the host name is not known. Check HTTPS_PROXY",
        ),
        (httpx.ConnectTimeout(""), ProxyUnavailableError, "cannot be reached: it does not answer."),
        (
            httpx.ReadTimeout(""),
            SourceTimeoutError,
            "No answer from tenant.example through the proxy http://proxy.example:3128 in time.",
        ),
        (
            httpx.RemoteProtocolError("Server disconnected without sending a response."),
            ProxyUnavailableError,
            "The proxy http://proxy.example:3128 broke off the connection to tenant.example before",
        ),
        (
            tls("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError),
            ProxyUnavailableError,
            "broke off the connection to tenant.example while TLS began. Check HTTPS_PROXY;",
        ),
        (
            httpx.RemoteProtocolError("illegal status line: bytearray(b'SSH-2.0')"),
            SourceUnreachableError,
            "What came from tenant.example through the proxy http://proxy.example:3128 is no valid",
        ),
        (
            httpx.ReadError(""),
            SourceUnreachableError,
            "The connection to tenant.example through the proxy http://proxy.example:3128 broke",
        ),
        (untrusted(19), CertificateError, "If the proxy http://proxy.example:3128 inspects TLS,"),
        (httpx.ProxyError("it said no"), ProxyUnavailableError, "does not reach tenant.example"),
    ],
    ids=lambda value: None,
)
def test_a_proxy_is_named_where_it_is_in_the_way(
    error: ClientError, kind: type[SourceError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can only be the proxy is told of the proxy; what may be either names both."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{MARK}@proxy.example:3128")
    fault = transport_fault(error, PAGE_URL)
    assert type(fault) is kind
    assert words in str(fault)
    assert MARK not in str(fault)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            tls("WRONG_VERSION_NUMBER"),
            "The proxy https://proxy.example:1 does not speak TLS. Write",
        ),
        (untrusted(18), "of tenant.example, or of the proxy https://proxy.example:1, cannot be"),
    ],
    ids=["no TLS", "untrusted"],
)
def test_a_proxy_with_tls_of_its_own_may_be_what_fails(
    error: ClientError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that is asked over TLS is met before the tenant is."""
    monkeypatch.setenv("ALL_PROXY", "https://proxy.example:1")
    assert words in str(transport_fault(error, PAGE_URL))


def test_plain_http_that_meets_tls_is_told_to_be_https() -> None:
    """A TLS server turns plain HTTP away with an alert, which is no HTTP."""
    alert = httpx.RemoteProtocolError(r"illegal status line: bytearray(b'\x15\x03\x01')")
    assert str(transport_fault(alert, PLAIN_URL, LOGIN_SETTING)) == (
        "127.0.0.1:8090 wants TLS, and SAC_TOKEN_URL says http. Write https in SAC_TOKEN_URL."
    )
    assert "no valid HTTP" in str(transport_fault(alert, PAGE_URL))


@pytest.mark.parametrize("depth", [1, 2])
def test_the_reason_is_found_behind_what_the_client_says(depth: int) -> None:
    """Several addresses were tried: the client says only that, and the reason hangs behind it."""
    refused: list[Exception] = [
        OSError(errno.ENETUNREACH, "no IPv6 here"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"),
    ]
    cause = OSError("All connection attempts failed")
    cause.__cause__ = refused[1] if depth == 1 else ExceptionGroup("multiple", refused)
    error = caused(httpx.ConnectError("All connection attempts failed"), cause)
    assert "the connection was refused" in str(transport_fault(error, PAGE_URL))


@given(st.sampled_from(ALL_CLIENT_ERRORS), st.text(max_size=30).map(lambda tail: f"http://{tail}"))
def test_an_address_that_is_none_hides_no_failure(error: ClientError, url: str) -> None:
    """Even for an address that cannot be read, the failure is translated."""
    assert isinstance(transport_fault(error, url), SourceError)


@pytest.mark.parametrize("url", ["http://[bad", "", "/path", "http://"])
def test_an_address_without_a_host_is_called_the_tenant(url: str) -> None:
    """No sentence speaks of a host named None."""
    assert "to the tenant broke" in str(transport_fault(httpx.ReadError(MARK), url))


def test_the_words_of_a_login_name_the_address_that_failed() -> None:
    """A login that fails speaks of the login's host and setting, not of the tenant's."""
    told = str(transport_fault(httpx.ConnectError("refused"), TOKEN_URL, LOGIN_SETTING))
    assert told.startswith("login.example cannot be reached")
    assert told.endswith("Check SAC_TOKEN_URL and the network.")
