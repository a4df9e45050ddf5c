"""Says why no answer came: the proxy, the name server, the network, TLS, or who was asked.

The words of the HTTP client are never quoted: they differ between platforms, and may hold a header.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx

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
from app.sac_connector.proxies import (
    TENANT_SETTING,
    Proxy,
    host_of,
    on_the_way,
    place_of,
    proxy_fault,
    proxy_of,
    wants_tls,
)

TRY_LATER: Final = "It is tried again at the next refresh."

# All that the HTTP client raises; `httpx.HTTPError` alone is not the root of its tree.
ClientError = httpx.HTTPError | httpx.InvalidURL | httpx.StreamError | httpx.CookieConflict
CLIENT_ERRORS: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
)

_UNSENDABLE: Final = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)
_NAME_UNKNOWN: Final = re.compile(
    r"getaddrinfo|nodename|name or service|name resolution", re.IGNORECASE
)
_NO_NAME_SERVER: Final = "temporary failure"
_SYSTEM_SAYS: Final = (
    (
        {
            *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN),
            *(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT),
        },
        "there is no route to it",
        "Check the network of this machine and its VPN, and IPv6 if the host has no other address.",
    ),
    (
        {errno.EACCES, errno.EPERM},
        "this machine does not allow it",
        "Check the firewall of this machine.",
    ),
    (
        {errno.EMFILE, errno.ENFILE},
        "this service has too many files open",
        "Raise the limit of open files.",
    ),
)
# OpenSSL's words for an answer that is no TLS at all.
_NO_TLS: Final = re.compile(r"WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|UNKNOWN_PROTO")
# OpenSSL's codes of what is wrong with a certificate (X509_V_ERR_...).
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_OTHER_HOST: Final = frozenset({62, 64})
# h11's and httpcore's words for a connection that ended too early.
_HUNG_UP: Final = "without sending a response"
_CUT: Final = "without sending complete message body"
# The alert with which a TLS server turns plain HTTP away, as the client shows it.
_TLS_ALERT: Final = r"\x15\x03"


def transport_fault(error: ClientError, url: str, setting: str = TENANT_SETTING) -> SourceError:
    """Translate an exception of the HTTP client.

    Args:
        error: What the client raised.
        url: The address that was asked; only its host and port are shown.
        setting: The variable that holds this address.
    """
    return _Failure(error, url, setting).fault()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A request without an answer.

    Attributes:
        error: What the client raised.
        url: The address that was asked.
        setting: The variable that holds this address.
    """

    error: ClientError
    url: str
    setting: str

    @property
    def host(self) -> str:
        return host_of(self.url)

    @property
    def proxy(self) -> Proxy | None:
        return proxy_of(self.url)

    @property
    def through(self) -> str:
        """Words for a way through a proxy; empty if there is none."""
        return f" through {self.proxy}" if self.proxy else ""

    @property
    def causes(self) -> list[BaseException]:
        return list(_causes(self.error))

    def fault(self) -> SourceError:
        """Return what went wrong."""
        error = self.error
        if isinstance(error, httpx.ProxyError):
            status = re.match(r"\d{3}", str(error))
            return proxy_fault(int(status[0]) if status else 502, self.url, self.setting)
        # One that only wants to read on says that the time was up.
        kinds = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
        secured = [one for one in self.causes if isinstance(one, ssl.SSLError)]
        if isinstance(error, httpx.TimeoutException):
            return self._too_late(error, in_tls=any(isinstance(one, kinds) for one in secured))
        if secured:
            return self._insecure(secured[0])
        if isinstance(error, httpx.ConnectError):
            return self._unreachable()
        return self._unusable() or self._broken()

    def _too_late(self, error: httpx.TimeoutException, *, in_tls: bool) -> SourceError:
        host, proxy = place_of(self.url), self.proxy
        if isinstance(error, httpx.PoolTimeout):
            return SourceTimeoutError(
                f"This service had no connection to {host} left in time.",
                next_step="Lower SAC_MAX_PARALLEL.",
            )
        if not isinstance(error, httpx.ConnectTimeout):
            return SourceTimeoutError(
                f"No answer from {self.host}{self.through} in time.",
                next_step=f"{TRY_LATER} If it lasts, ask who runs the proxy, or raise "
                "SAC_READ_TIMEOUT_S."
                if proxy
                else f"{TRY_LATER} If the tenant is slow, raise SAC_READ_TIMEOUT_S.",
            )
        if in_tls:
            return SourceTimeoutError(
                f"{host} did not answer in TLS{self.through} in time.",
                next_step=f"Check the scheme and the port in {self.setting}.",
            )
        if proxy is not None:
            return self._no_proxy(proxy, "it does not answer")
        return SourceTimeoutError(
            f"No connection to {host} in time.",
            next_step=f"Check {self.setting}, and that no firewall keeps this machine from it.",
        )

    def _insecure(self, error: ssl.SSLError) -> SourceError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._untrusted(error.verify_code)
        reason = str(error.reason or "")
        if isinstance(error, ssl.SSLEOFError) or "UNEXPECTED_EOF" in reason:
            return self._hung_up("while TLS began")
        if _NO_TLS.search(reason):
            return self._no_tls()
        if "CERTIFICATE_REQUIRED" in reason:
            return TlsError(
                f"{self.host} wants a certificate of this service, which has none.",
                next_step=f"Check {self.setting}: hosts with .cert. in their name want one.",
            )
        said = f" ({reason})" if re.fullmatch(r"\w{1,60}", reason) else ""
        return TlsError(
            f"{self.host} and this machine agree on no kind of TLS{self.through}{said}.",
            next_step=f"Check {self.setting}, and {on_the_way(self.url)}.",
        )

    def _no_tls(self) -> SourceError:
        proxy = self.proxy
        if proxy is not None and proxy.address.startswith("https:"):
            return TlsError(
                f"The proxy {proxy.address} does not speak TLS.",
                next_step=f"Write http:// in {proxy.variable}; the way to the tenant is encrypted "
                "all the same.",
            )
        return TlsError(
            f"{place_of(self.url)} does not speak TLS{self.through}.",
            next_step=f"Check the scheme and the port in {self.setting}.",
        )

    def _untrusted(self, code: int) -> SourceError:
        proxy, whose = self.proxy, self.host
        if proxy is not None and proxy.address.startswith("https:"):
            whose = f"{self.host}, or of {proxy},"
        if code in {_EXPIRED, _NOT_YET_VALID}:
            why = "it has expired" if code == _EXPIRED else "it is not valid yet"
            step = "Check the clock of this machine; if it is right, who runs the host must renew "
            step += "the certificate."
        elif code in _OTHER_HOST:
            why = "it is for another host"
            step = f"Check the host in {self.setting}. A network that wants a login, or a name "
            step += "server, may have led elsewhere, too."
        else:
            why = "no authority that this machine trusts has signed it"
            who = f"If {proxy or 'a proxy'} inspects TLS"
            step = f"{who}, put its authority into the file that SSL_CERT_FILE names."
        return CertificateError(
            f"The certificate of {whose} cannot be trusted: {why}.", next_step=step
        )

    def _unreachable(self) -> SourceError:
        kind, why, step = self._reason()
        if self.proxy is not None:
            return self._no_proxy(self.proxy, why)
        return kind(f"{self.host} cannot be reached: {why}.", next_step=step)

    def _reason(self) -> tuple[type[SourceError], str, str]:
        """Say why no connection came about, and what to do."""
        text = " ".join(str(cause) for cause in self.causes).lower()
        names = [cause for cause in self.causes if isinstance(cause, socket.gaierror)]
        numbers = {cause.errno for cause in self.causes if isinstance(cause, OSError)}
        check = f"Check {self.setting} and the network."
        if _NO_NAME_SERVER in text or any(one.errno == socket.EAI_AGAIN for one in names):
            return HostNotFoundError, "no name server answers", "Check the network and its DNS."
        if names or _NAME_UNKNOWN.search(text):
            return HostNotFoundError, "the host name is not known", check
        if errno.ECONNREFUSED in numbers or "refused" in text:
            return SourceUnreachableError, "the connection was refused", check
        for known, why, step in _SYSTEM_SAYS:
            if numbers & known:
                return SourceUnreachableError, why, step
        return SourceUnreachableError, "there is no connection", check

    def _no_proxy(self, proxy: Proxy, why: str) -> SourceError:
        return ProxyUnavailableError(
            f"The proxy {proxy.address} cannot be reached: {why}.",
            next_step=f"Check {proxy.variable}, and that the proxy runs.",
        )

    def _unusable(self) -> SourceError | None:
        """Name an answer that cannot be read, or a request that cannot be sent."""
        error, text = self.error, str(self.error)
        if isinstance(error, httpx.DecodingError):
            return SourceAnswerError(
                f"The answer of {self.host} is not compressed in the way that it says.",
                next_step=f"Check {on_the_way(self.url)}: it may change answers.",
            )
        if isinstance(error, _UNSENDABLE):
            return SourceAnswerError(
                f"The address at {self.host} cannot be asked.", next_step=f"Check {self.setting}."
            )
        if isinstance(error, httpx.TooManyRedirects):
            return SourceAnswerError(
                f"{self.host} redirects without end.", next_step=f"Check {self.setting}."
            )
        if not isinstance(error, httpx.RemoteProtocolError) or _HUNG_UP in text or _CUT in text:
            return None
        if _TLS_ALERT in text and self.url.startswith("http:"):
            return wants_tls(self.url, self.setting)
        return SourceUnreachableError(
            f"What came from {self.host}{self.through} is no valid HTTP.",
            next_step=f"Check the host and the port in {self.setting}, and {on_the_way(self.url)}.",
        )

    def _broken(self) -> SourceError:
        if isinstance(self.error, httpx.RemoteProtocolError) and _HUNG_UP in str(self.error):
            return self._hung_up("before it answered")
        return SourceUnreachableError(
            f"The connection to {self.host}{self.through} broke before the answer was whole.",
            next_step=TRY_LATER,
        )

    def _hung_up(self, when: str) -> SourceError:
        """Name who ended a connection: the proxy, if there is one, as nobody else can."""
        if (proxy := self.proxy) is not None:
            return ProxyUnavailableError(
                f"The proxy {proxy.address} broke off the connection to {self.host} {when}.",
                next_step=f"Check {proxy.variable}; if it is right, ask who runs the proxy.",
            )
        step = f"Check the scheme and the port in {self.setting}, and any firewall on the way."
        return SourceUnreachableError(
            f"{self.host} broke off the connection {when}.", next_step=f"{TRY_LATER} {step}"
        )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what led to it: the client says only that all attempts failed."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
