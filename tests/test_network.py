"""Proxies and certificates of the environment are looked at only where they are needed."""

from __future__ import annotations

import ssl
from importlib.util import find_spec
from pathlib import Path

import certifi
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigError
from app.network import client_options, malformed

TENANT, LOGIN = "https://t.example", "https://login.example:8443/oauth/token"
PROXY = "http://proxy.example:8080"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what this machine needs itself."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


def proxied(*addresses: str | None) -> set[str]:
    """Return which of the addresses are asked through a proxy."""
    return set(client_options(*addresses)["mounts"])


def told(*addresses: str) -> list[str]:
    """Return what is wrong for the addresses."""
    with pytest.raises(ConfigError) as error:
        client_options(*addresses)
    return [f"{one.variable}: {one.found}" for one in error.value.problems]


def test_without_variables_all_is_asked_directly() -> None:
    """With the authorities that httpx brings along, and nothing of the environment."""
    options = client_options(TENANT, LOGIN, None, "no address", "https://[::1")
    assert options == {"trust_env": False, "verify": True, "mounts": {}}
    assert malformed() == ()


def test_a_proxy_is_for_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ALL_PROXY` is for whatever has none of its own."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert proxied(TENANT, LOGIN, "http://localhost") == {TENANT, "https://login.example:8443"}
    for usual in ("http://[::1]:3128", "http://me:word@10.0.0.1:3128", "https://bücher.example"):
        monkeypatch.setenv("ALL_PROXY", usual)
        assert proxied("http://localhost") == {"http://localhost"}
    assert proxied("http://localhost:80") == {"http://localhost"}
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:8080")
    assert proxied(TENANT) == {TENANT}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("http://[bad", "a URL without a valid host or port"),
        ("http://proxy:port", "no valid URL"),
        ("http://proxy:99999", "a URL without a valid host or port"),
        ("http://pro xy", "a URL without a valid host or port"),
        ("http://", "a URL without a valid host or port"),
        ("ftp://me:pass-word@proxy", "a proxy of the kind ftp://"),
        ("socks://127.0.0.1:1080", "a proxy of the kind socks://"),
        ("http://a\udce9", "no valid URL"),
    ],
)
def test_a_malformed_proxy_is_told_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, value: str, found: str
) -> None:
    """Once, without the password; who needs none does without, and all are listed for the log."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert told(TENANT, LOGIN) == [f"HTTPS_PROXY: {found}"]
    assert proxied("http://localhost") == set()
    assert [one.variable for one in malformed()] == ["HTTPS_PROXY"]
    assert "pass-word" not in str(malformed())
    monkeypatch.setenv("NO_PROXY", "login.example,.t.example,t.example")
    assert proxied(TENANT, LOGIN) == set()


def test_a_socks_proxy_takes_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the variable is told; with it the proxy is used."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    if find_spec("socksio") is None:
        assert told(TENANT) == [
            "ALL_PROXY: a SOCKS proxy, for which the package socksio is not installed"
        ]
    else:
        assert proxied(TENANT) == {TENANT}


@pytest.mark.parametrize(
    ("exceptions", "address", "direct"),
    [
        ("*", TENANT, True),
        ("t.example", TENANT, True),
        ("T.Example", TENANT, True),
        ("example", TENANT, True),
        ("a.test, t.example", TENANT, True),
        ("a.test t.example", TENANT, True),
        ("*.example", TENANT, True),
        (".example", TENANT, True),
        (".t.example", TENANT, False),
        ("https://t.example", TENANT, True),
        ("http://t.example", TENANT, False),
        ("t.example:443", TENANT, True),
        ("t.example:8443", TENANT, False),
        ("xample", TENANT, False),
        ("[::1]", "http://[::1]:8090", True),
        ("::1", "http://[::1]:8090", True),
        ("[::1]:8090", "http://[::1]:8090", True),
        ("[::1]:8091", "http://[::1]:8090", False),
        ("[fd00::/8]", "http://[fd12::1]", True),
        ("fd00::/8", "http://[fd12::1]", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("127.0.0.1,[::1", "http://127.0.0.1:8090", True),
        ("bücher.example", "https://bücher.example", True),
        ("xn--bcher-kva.example", "https://bücher.example", True),
    ],
)
def test_no_proxy_excepts_what_it_names(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, address: str, direct: bool
) -> None:
    """Names with their subdomains, addresses, networks and ports, in all usual spellings."""
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxied(address) == set()) is direct


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_nothing_in_no_proxy_is_an_error(exceptions: str) -> None:
    """What is malformed there excepts nothing, and stops nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALL_PROXY", PROXY)
        patch.setenv("NO_PROXY", exceptions)
        proxied(TENANT, "http://[::1]:8090", "https://10.1.2.3")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_proxy_is_used_or_told(value: str) -> None:
    """No other exception comes of what a proxy is set to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALL_PROXY", value)
        try:
            client_options("http://localhost")
        except ConfigError as error:
            assert [one.variable for one in error.problems] == ["ALL_PROXY"]  # noqa: PT017 - either is right


def test_certificates_of_a_file_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of a folder, if there is no file."""
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert isinstance(client_options(TENANT)["verify"], ssl.SSLContext)
    assert client_options("http://localhost")["verify"] is True


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no such file"),
        ("folder", "no such file"),
        (b"", "no certificate in PEM form"),
        (b"junk", "no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "no certificate in PEM"),
    ],
    ids=["absent", "folder", "empty", "junk", "damaged"],
)
def test_a_file_without_certificates_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | str | None, found: str
) -> None:
    """Where TLS is needed; the loopback of a demo needs none."""
    path = tmp_path / "certificates.pem"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    (words,) = told(TENANT, LOGIN)
    assert words.startswith(f"SSL_CERT_FILE: {path}: {found}")
    assert client_options("http://localhost")["verify"] is True
    assert [one.variable for one in malformed()] == ["SSL_CERT_FILE"]


def test_a_folder_without_certificates_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL finds none that is not named by its hash, and every login would fail for that."""
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'absent'}:{tmp_path}")
    (tmp_path / "authority.pem").write_text("x", encoding="utf-8")
    (words,) = told(TENANT)
    assert words.startswith("SSL_CERT_DIR: ")
    (tmp_path / "5ed36f99.0").write_bytes(Path(certifi.where()).read_bytes())
    assert isinstance(client_options(TENANT)["verify"], ssl.SSLContext)


async def test_the_options_open_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and all."""
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    async with httpx.AsyncClient(**client_options(TENANT)) as client:
        assert not client.is_closed
