"""The proxy on the way: which one it is, what it refuses, and that its password is never told."""

from __future__ import annotations

import pytest

from app.errors import (
    ProxyLoginError,
    ProxyRefusedError,
    ProxyUnavailableError,
    SourceError,
    TlsError,
)
from app.sac_connector.http_answer import Answer
from app.sac_connector.proxies import (
    LOGIN_SETTING,
    TENANT_SETTING,
    intercepted,
    place_of,
    proxy_fault,
    proxy_of,
)

URL = "https://tenant.example/api"
PLAIN = "http://127.0.0.1:8090/api"


@pytest.mark.parametrize(
    ("variables", "url", "told"),
    [
        ({}, URL, None),
        ({"HTTPS_PROXY": "http://p.example:3128"}, URL, ("http://p.example:3128", "HTTPS_PROXY")),
        ({"https_proxy": "p.example:3128/"}, URL, ("http://p.example:3128", "HTTPS_PROXY")),
        ({"ALL_PROXY": "http://u:pw@[::1]:1"}, URL, ("http://[::1]:1", "ALL_PROXY")),
        ({"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "https://b:2"}, URL, ("https://b:2", "HTTPS_")),
        ({"HTTP_PROXY": "http://p:1"}, URL, None),
        ({"HTTP_PROXY": "http://p:1"}, PLAIN, ("http://p:1", "HTTP_PROXY")),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "tenant.example"}, URL, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example,.example"}, URL, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, URL, None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "[::1]"}, "http://[::1]:8090/x", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.0/8"}, PLAIN, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "nant.example"}, URL, ("http://p:1", "HTTPS_")),
        ({"HTTPS_PROXY": "http://u:pw@[bad"}, URL, ("of HTTPS_PROXY", "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "http://p:1"}, "https://[bad", None),
    ],
    ids=lambda value: None,
)
def test_the_proxy_is_that_of_the_environment(
    variables: dict[str, str],
    url: str,
    told: tuple[str, str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is named without user and password, and with the variable that it comes from."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_of(url)
    if told is None:
        assert proxy is None
        return
    assert proxy is not None
    assert proxy.address == told[0]
    assert proxy.variable.startswith(told[1])
    assert "pw" not in str(proxy)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (
            407,
            ProxyLoginError,
            "The proxy http://p:1 wants user and password (407). Write them into HTTPS_PR",
        ),
        (511, ProxyLoginError, "The network between here and tenant.example wants a login (511)."),
        (403, ProxyRefusedError, "The proxy http://p:1 does not let this machine reach tenant."),
        (302, ProxyRefusedError, "does not let this machine reach tenant.example (302)."),
        (502, ProxyUnavailableError, "The proxy http://p:1 does not reach tenant.example (502)."),
        (503, ProxyUnavailableError, "(503). Check the host in SAC_TOKEN_URL; if it is right, ask"),
        (429, ProxyUnavailableError, "(429)."),
    ],
)
def test_what_a_proxy_answers_is_told_of_the_proxy(
    status: int, kind: type[SourceError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each status has its sentence, and its next step is about the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    fault = proxy_fault(status, URL, LOGIN_SETTING)
    assert type(fault) is kind
    assert words in str(fault)


def test_a_login_that_a_proxy_refuses_is_told_from_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has written user and password is told that they are wrong, not that they lack."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pw@p:1")
    told = str(proxy_fault(407, URL))
    assert told.startswith("The proxy http://p:1 refuses the user and password of HTTPS_PROXY")
    assert "pw" not in told


def test_a_proxy_that_nobody_named_is_one_all_the_same() -> None:
    """Some networks send everything through a proxy without a word."""
    assert str(proxy_fault(407, URL)).startswith(
        "A proxy on the way wants user and password (407)."
    )


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 500, 503])
@pytest.mark.parametrize("url", [URL, PLAIN])
def test_an_answer_is_that_of_the_tenant_unless_something_says_otherwise(
    status: int, url: str
) -> None:
    """Without a proxy, whoever was asked has answered."""
    assert intercepted(Answer(status, {}, b"<html>", url), TENANT_SETTING) is None


@pytest.mark.parametrize(
    ("url", "body", "own"),
    [
        (PLAIN, b"<html>", True),
        (PLAIN, b"", True),
        (PLAIN, b"no", True),
        (PLAIN, b'{"error":{"message":"no"}}', False),
        (PLAIN, b"<error/>", False),
        (URL, b"<html>", False),
    ],
)
@pytest.mark.parametrize("status", [403, 502, 503])
def test_over_plain_http_a_proxy_answers_in_words_of_its_own(
    status: int, url: str, body: bytes, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like an answer of a service comes from it; so does all that is encrypted."""
    monkeypatch.setenv("ALL_PROXY", "http://p:1")
    fault = intercepted(Answer(status, {}, body, url), TENANT_SETTING)
    assert (fault is not None and "The proxy http://p:1 " in str(fault)) is own


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            Answer(407, {}, b"", URL),
            ProxyLoginError,
            "A proxy on the way wants user and password (407).",
        ),
        (Answer(511, {}, b"<html>", PLAIN), ProxyLoginError, "wants a login (511)."),
        (
            Answer(503, {"x-squid-error": "ERR_DNS_FAIL 0"}, b"", URL),
            ProxyUnavailableError,
            "(503)",
        ),
        (
            Answer(401, {"www-authenticate": "Negotiate, NTLM"}, b"", URL),
            ProxyLoginError,
            "A proxy or gateway before tenant.example wants a login of its own (401, Negotiate).",
        ),
        (
            Answer(400, {}, b"Client sent an HTTP request to an HTTPS server.\n", PLAIN),
            TlsError,
            "127.0.0.1:8090 wants TLS, and SAC_TENANT_URL says http. Write https in SAC_TENANT",
        ),
        (
            Answer(400, {}, b"<h1>The plain HTTP request was sent to HTTPS port</h1>", PLAIN),
            TlsError,
            "wants TLS",
        ),
    ],
    ids=["407", "511", "squid", "401", "Go", "nginx"],
)
def test_some_answers_say_themselves_that_they_are_not_of_the_tenant(
    answer: Answer, kind: type[SourceError], words: str
) -> None:
    """By their status, their headers, or their words."""
    fault = intercepted(answer, TENANT_SETTING)
    assert type(fault) is kind
    assert words in str(fault)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (URL, "tenant.example:443"),
        (PLAIN, "127.0.0.1:8090"),
        ("http://[::1]", "::1:80"),
        ("https://tenant.example:99999", "tenant.example"),
        ("", "the tenant"),
    ],
)
def test_a_place_is_host_and_port(url: str, place: str) -> None:
    """As far as there are any."""
    assert place_of(url) == place
