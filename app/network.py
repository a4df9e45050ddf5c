"""What the environment says of the way out: proxies and certificates, looked at for an address.

httpx reads the same variables, but all of them whenever a client is opened: one that is malformed
ends in an exception of its own, be it needed or not. Here it is told by name, and only if an
address needs it.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from app import forms
from app.errors import ConfigError, ConfigProblem

_SCHEMES: Final = ("http", "https", "all")
_CERT_FILE, _CERT_DIR = "SSL_CERT_FILE", "SSL_CERT_DIR"
_SOCKS: Final = "socks5"
_KINDS: Final = frozenset({"http", "https", _SOCKS, f"{_SOCKS}h"})
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+|\[?[0-9A-Fa-f:.]+(?:%\w+)?]?")
_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535
# The names by which OpenSSL looks for an authority: a hash of its name and a number.
# https://docs.openssl.org/master/man1/openssl-rehash/
_HASHED: Final = "[0-9a-f]" * 8 + ".[0-9]*"


def client_options(*addresses: str | None) -> dict[str, Any]:
    """Return the options of an httpx client that is to ask some addresses.

    Args:
        addresses: What will be asked; None for what is not known yet.

    Raises:
        ConfigError: What they need is malformed; names all variables.
    """
    known = [(text, url) for text in addresses if text and (url := _url(text))]
    wrong: list[ConfigProblem] = []
    trusted, proxies = None, dict[str, httpx.Proxy]()
    if any(url.scheme == "https" for _, url in known):
        with forms.noted(wrong):
            trusted = _trusted()
    for address, url in known:
        if (named := named_proxy(address)) is not None:
            with forms.noted(wrong):
                proxies[f"{url.scheme}://{url.netloc.decode()}"] = _proxy(*named)
    if wrong:
        raise ConfigError(tuple(dict.fromkeys(wrong)))
    # True stands for the authorities that httpx brings along.
    verify = True if trusted is None else trusted
    mounts = {
        origin: httpx.AsyncHTTPTransport(verify=verify, trust_env=False, proxy=proxy)
        for origin, proxy in proxies.items()
    }
    return {"trust_env": False, "verify": verify, "mounts": mounts}


def malformed() -> tuple[ConfigProblem, ...]:
    """Return all that is wrong with the variables, whether or not an address needs it."""
    wrong: list[ConfigProblem] = []
    with forms.noted(wrong):
        _trusted()
    proxies = getproxies()
    for scheme in _SCHEMES:
        if proxies.get(scheme):
            with forms.noted(wrong):
                _proxy(*_named(scheme, proxies[scheme]))
    return tuple(wrong)


def _url(address: str) -> httpx.URL | None:
    try:
        urlsplit(address)  # is stricter about brackets
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        # Nothing can be asked of it, and whoever tries is told so.
        return None


def _trusted() -> ssl.SSLContext | None:
    """Return the authorities that the environment names; None if it names none.

    Raises:
        ConfigError: They cannot be read, or there is none.
    """
    file, folders = (os.environ.get(name, "").strip() for name in (_CERT_FILE, _CERT_DIR))
    if file:
        try:
            if not Path(file).is_file():
                raise _wrong(_CERT_FILE, f"{forms.visible(file)}: no such file")
            return ssl.create_default_context(cafile=file)
        except OSError as error:
            known = not isinstance(error, ssl.SSLError) and error.strerror
            why = str(error.strerror).lower() if known else "no certificate in PEM form"
            raise _wrong(_CERT_FILE, f"{forms.visible(file)}: {why}") from error
    if folders:
        if not any(_hashed(Path(folder)) for folder in folders.split(os.pathsep) if folder):
            found = "no file that is named as `openssl rehash` names certificates"
            raise _wrong(_CERT_DIR, f"{forms.visible(folders)}: {found}")
        return ssl.create_default_context(capath=folders)
    return None


def _hashed(folder: Path) -> bool:
    try:
        return next(folder.glob(_HASHED), None) is not None
    except OSError:
        return False


def named_proxy(address: str) -> tuple[str, str] | None:
    """Return the variable that names the proxy for an address, and the proxy's own address.

    Whether that makes sense is not looked at; it may hold a password. None if there is no proxy
    for it.
    """
    proxies, url = getproxies(), _url(address)
    if url is None or _is_direct(url, proxies.get("no", "")):
        return None
    named = (scheme for scheme in (url.scheme, "all") if proxies.get(scheme))
    scheme = next(named, None)
    return None if scheme is None else _named(scheme, proxies[scheme])


def _named(scheme: str, value: str) -> tuple[str, str]:
    value = value.strip()
    return f"{scheme}_PROXY".upper(), value if "://" in value else f"http://{value}"


def _proxy(variable: str, address: str) -> httpx.Proxy:
    """Return a proxy for the HTTP client.

    Raises:
        ConfigError: It is malformed, or of a kind that cannot be had.
    """
    # Nothing else of it is shown: it may hold a password.
    kind = forms.shown(address.partition("://")[0]).lower()
    if kind not in _KINDS:
        raise _wrong(variable, f"a proxy of the kind {kind}://")
    try:
        proxy = httpx.Proxy(address)
    except (httpx.InvalidURL, ValueError):
        raise _wrong(variable, "no valid URL") from None
    if not _HOST.fullmatch(proxy.url.raw_host.decode()) or (proxy.url.port or 1) > _LAST_PORT:
        raise _wrong(variable, "a URL without a valid host or port")
    if proxy.url.scheme.startswith(_SOCKS) and find_spec("socksio") is None:
        raise _wrong(variable, "a SOCKS proxy, for which the package socksio is not installed")
    return proxy


def _is_direct(url: httpx.URL, exceptions: str) -> bool:
    """Tell whether NO_PROXY excepts an address; what is malformed there excepts none."""
    return any(_excepts(entry, url) for entry in exceptions.lower().replace(",", " ").split())


def _excepts(entry: str, url: httpx.URL) -> bool:
    scheme, _, entry = entry.rpartition("://")
    if entry == "*" or scheme not in {"", "all", url.scheme}:
        return entry == "*"
    return any(
        _names(host, url.host.lower()) or _names(host, url.raw_host.decode())
        for host, port in _hosts_and_ports(entry)
        if port in {"", str(url.port or _PORTS.get(url.scheme))}
    )


def _hosts_and_ports(entry: str) -> Iterator[tuple[str, str]]:
    """Yield what an entry may mean: `::1` is a host, though it looks like one with a port."""
    yield entry.removeprefix("[").removesuffix("]"), ""
    host, _, port = entry.rpartition(":")
    yield host.removeprefix("[").removesuffix("]"), port


def _names(pattern: str, host: str) -> bool:
    """Tell whether a name, a domain, an address or a network names a host."""
    domain = pattern.removeprefix("*")
    if not domain:
        return False
    try:
        return ip_address(host) in ip_network(domain, strict=False)
    except ValueError:
        # As httpx reads it: a domain with a dot before it is without the domain itself.
        return host.endswith(domain if domain.startswith(".") else f".{domain}") or host == domain


def _wrong(variable: str, found: str) -> ConfigError:
    expected, example = {
        _CERT_FILE: ("a file of certificates in PEM form", "/etc/ssl/certs/ca-certificates.crt"),
        _CERT_DIR: ("a folder of certificates", "/etc/ssl/certs"),
    }.get(variable, ("an http://, https:// or socks5:// address", "http://proxy.example:8080"))
    problem = ConfigProblem(variable=variable, found=found, expected=expected, example=example)
    return ConfigError((problem,))
