"""What stands between here and the tenant: a proxy, a gateway, a port that wants TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from app.errors import (
    ProxyLoginError,
    ProxyRefusedError,
    ProxyUnavailableError,
    SourceError,
    TlsError,
)
from app.network import named_proxy
from app.sac_connector.http_answer import Answer

TENANT_SETTING: Final = "SAC_TENANT_URL"
LOGIN_SETTING: Final = "SAC_TOKEN_URL"
_PORTS: Final = {"http": 80, "https": 443}
# How a proxy refuses in place of the tenant.
_PROXY_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS,
    }
)
# What web servers say to plain HTTP on a port for TLS.
_WANTS_TLS: Final = re.compile(
    r"plain HTTP request|HTTP request (?:was sent )?to an HTTPS|speaking plain HTTP", re.IGNORECASE
)
# Logins that SAC does not know, but proxies and gateways do.
_FOREIGN_LOGIN: Final = re.compile(r"\b(negotiate|ntlm|kerberos)\b", re.IGNORECASE)
_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names.

    Attributes:
        address: Its address, without user and password.
        variable: The variable that names it.
        has_login: Whether the variable holds user and password.
    """

    address: str
    variable: str
    has_login: bool = False

    def __str__(self) -> str:
        return f"the proxy {self.address}"


def proxy_of(url: str) -> Proxy | None:
    """Return the proxy through which an address is asked; None if there is none."""
    named = named_proxy(url)
    return None if named is None else _proxy(*named)


def _proxy(variable: str, address: str) -> Proxy:
    try:
        parts = urlsplit(address)
        login, _, place = parts.netloc.rpartition("@")
    except ValueError:
        return Proxy(f"of {variable}", variable)
    return Proxy(f"{parts.scheme}://{place}", variable, bool(login))


def on_the_way(url: str) -> str:
    """Name who may have changed an answer on its way."""
    return str(proxy_of(url) or "any proxy between here and the tenant")


def host_of(url: str) -> str:
    """Return the host of an address, for people."""
    try:
        return urlsplit(url).hostname or "the tenant"
    except ValueError:
        return "the tenant"


def place_of(url: str) -> str:
    """Return host and port of an address, for people."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        port = None
    return host_of(url) if port is None else f"{host_of(url)}:{port}"


def proxy_fault(status: int, url: str, setting: str = TENANT_SETTING) -> SourceError:
    """Say what it means that a proxy, or the network, answered in place of who was asked.

    Args:
        status: What it answered.
        url: The address that was asked.
        setting: The variable that holds this address.
    """
    host, proxy = host_of(url), proxy_of(url)
    who, variable = ("A proxy on the way", "HTTPS_PROXY")
    if proxy is not None:
        who, variable = f"The proxy {proxy.address}", proxy.variable
    if status == HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
        return ProxyLoginError(
            f"The network between here and {host} wants a login ({status}).",
            next_step="Log this machine in to the network with a browser, or ask who runs it.",
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        refused = proxy is not None and proxy.has_login
        wants = (
            f"refuses the user and password of {variable}" if refused else "wants user and password"
        )
        return ProxyLoginError(
            f"{who} {wants} ({status}).",
            next_step=f"Write them into {variable} as http://user:password@host:port, with special "
            "characters percent-encoded.",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _AGAIN:
        return ProxyUnavailableError(
            f"{who} does not reach {host} ({status}).",
            next_step=f"Check the host in {setting}; if it is right, ask who runs the proxy.",
        )
    return ProxyRefusedError(
        f"{who} does not let this machine reach {host} ({status}).",
        next_step="Ask who runs the proxy to allow the host, or name the host in NO_PROXY if none "
        "is needed.",
    )


def wants_tls(url: str, setting: str = TENANT_SETTING) -> SourceError:
    """Say that an address is asked in plain HTTP, and wants TLS."""
    return TlsError(
        f"{place_of(url)} wants TLS, and {setting} says http.",
        next_step=f"Write https in {setting}.",
    )


def intercepted(answer: Answer, setting: str) -> SourceError | None:
    """Name what a proxy or the network answered itself; None if the one who was asked did.

    Of an encrypted connection a proxy can only refuse the whole, which raises. Over plain HTTP it
    answers itself, and in words of its own.

    Args:
        answer: What came.
        setting: The variable that holds the address that was asked.
    """
    status, plain = answer.status, answer.url.startswith("http:")
    if status in {
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
    }:
        return proxy_fault(status, answer.url, setting)
    if status == HTTPStatus.BAD_REQUEST and plain and answer.says(_WANTS_TLS):
        return wants_tls(answer.url, setting)
    if status == HTTPStatus.UNAUTHORIZED:
        login = _FOREIGN_LOGIN.search(answer.headers.get("www-authenticate", ""))
        return (
            None
            if login is None
            else ProxyLoginError(
                f"A proxy or gateway before {host_of(answer.url)} wants a login of its own (401, "
                f"{login[0]}).",
                next_step="Ask who runs it to let this service through.",
            )
        )
    own = status in _PROXY_REFUSALS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if "x-squid-error" in answer.headers or (
        own and plain and not answer.is_structured and proxy_of(answer.url) is not None
    ):
        return proxy_fault(status, answer.url, setting)
    return None
