"""Web pages and redirects in place of data: whose they are decides whom to ask."""

from __future__ import annotations

import pytest

from app.errors import (
    EndpointNotValidError,
    LoginPageError,
    ProxyRefusedError,
    RedirectedError,
    SourceAnswerError,
    SourceError,
    TlsError,
    TokenEndpointError,
)
from app.sac_connector.http_answer import Answer
from app.sac_connector.proxies import LOGIN_SETTING
from app.sac_connector.web_pages import foreign_page, foreign_refusal, redirect, web_page

URL = "https://tenant.example/api/v1/dataexport/x"
PORTAL = b"<html><h1>Welcome to our hotel</h1><form action='/login'></form></html>"
SAP_PAGE = b"<html><form action='https://idp.example/saml2/idp/sso'></form></html>"


def page(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Return an answer to the tenant's address."""
    return Answer(status, headers, body, URL)


def test_a_page_that_leads_to_a_login_at_sap_is_that_of_sac() -> None:
    """The client is refused in a browser's words: the next step is in SAC."""
    told = str(web_page(page(SAP_PAGE)))
    assert told.startswith("SAP Analytics Cloud answered with a web page instead of data: it wants")
    assert "In System > Administration > App Integration" in told


@pytest.mark.parametrize("proxy", [None, "http://p:1"])
def test_a_page_of_somebody_else_is_not_laid_to_sac(
    proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login page of a network, or the page of another server: both are named, and how to tell."""
    if proxy is not None:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    fault = web_page(page(PORTAL))
    way = "a proxy or the network" if proxy is None else "the proxy http://p:1"
    assert type(fault) is LoginPageError
    assert fault.problem == (
        f"A web page that is not from SAP Analytics Cloud came (200): {way} has put it there, or "
        "SAC_TENANT_URL leads to somebody else."
    )
    assert "Open https://tenant.example in a browser" in fault.next_step


def test_a_page_at_the_login_is_told_of_the_address_of_the_login() -> None:
    """With the code of a token endpoint that is none."""
    fault = foreign_page(page(PORTAL), LOGIN_SETTING, TokenEndpointError)
    assert fault.code == "token_endpoint"
    assert "SAC_TOKEN_URL leads to somebody else" in fault.problem


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, EndpointNotValidError, "tenant.example has no export service at this address (404"),
        (403, ProxyRefusedError, "The status 403 with a web page came in place of SAP"),
        (400, ProxyRefusedError, "a firewall or the gateway before tenant.example refuses"),
    ],
)
def test_a_refusal_in_a_web_page_is_not_one_of_the_export_service(
    status: int, kind: type[SourceError], words: str
) -> None:
    """The export service refuses in JSON: neither filter nor client is to blame."""
    fault = foreign_refusal(page(PORTAL, status))
    assert type(fault) is kind
    assert words in str(fault)


@pytest.mark.parametrize(
    ("location", "kind", "words"),
    [
        (
            "https://idp.example/saml2/idp/sso?SAMLRequest=x",
            RedirectedError,
            "wants a login in a b",
        ),
        ("/login?next=/api", RedirectedError, "it wants a login in a browser"),
        (
            "https://new.example/api/v1/dataexport/x",
            RedirectedError,
            "has another address: tenant.example redirects to new.example (302). Write the new",
        ),
        (
            "http://portal.example/welcome",
            RedirectedError,
            "A redirect (302) to portal.example came instead of data: a proxy or the network wants",
        ),
        (None, SourceAnswerError, "The status 302 came instead of data: something keeps answers"),
        ("http://[bad", SourceAnswerError, "something keeps answers on the way"),
        ("http://a b<script>/", SourceAnswerError, "something keeps answers on the way"),
    ],
    ids=["identity provider", "own login", "moved", "portal", "none", "no address", "no host"],
)
def test_a_redirect_is_told_by_where_it_leads(
    location: str | None, kind: type[SourceError], words: str
) -> None:
    """To a login, to the tenant's new address, or to somebody else."""
    headers = {} if location is None else {"location": location}
    fault = redirect(page(b"", 302, **headers))
    assert type(fault) is kind
    assert words in str(fault)


def test_a_redirect_to_https_says_that_the_address_is_wrong() -> None:
    """The same host, encrypted."""
    answer = Answer(301, {"location": "https://127.0.0.1/x"}, b"", "http://127.0.0.1:80/x")
    assert type(redirect(answer)) is TlsError
