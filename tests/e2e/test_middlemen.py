"""Whoever stands between us and a tenant is told by name, over real sockets; nobody else is.

No user, password, secret or token shows in what is told.
"""

from __future__ import annotations

import asyncio
import codecs
import gzip
import json
import zlib
from pathlib import Path

import pytest

from app.errors import (
    CertificateError,
    EndpointNotValidError,
    ExportNotAllowedError,
    LoginPageError,
    ProxyLoginError,
    ProxyRefusedError,
    ProxyUnavailableError,
    QueryRefusedError,
    RedirectedError,
    SourceAnswerError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
    TlsError,
    TokenEndpointError,
)
from demo.processes import free_port
from tests.e2e.middlemen import (
    GOOD,
    HOST,
    NAME,
    ProxyServer,
    Serve,
    answer,
    asking,
    certified,
    listening,
    saying,
    silence,
    tenant_that_answers,
)
from tests.sac_connector.rig import CLIENT_ID, SECRET
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant

LOGIN = "user-of-proxy:pass-me-not"
PORTAL = b"<html><h1>Welcome to our hotel</h1><form action='/login'></form></html>"
XML_ERROR = (
    b'<?xml version="1.0"?><error xmlns="http://docs.oasis-open.org/odata/ns/metadata">'
    b"<code>3f0c</code><message>The client may not do this [3401]</message></error>"
)
JSON_ERROR = '{"error":{"code":"3f0c","message":"für Sie nicht [3401]"}}'
NOT_ALLOWED = "does not let this OAuth client use the export API ("


async def told(tenant_url: str, token_url: str | None = None, timeout_s: float = 10) -> SourceError:
    """Ask for a page, and return what went wrong; nothing in it is secret."""
    async with asking(tenant_url, token_url, timeout_s=timeout_s) as rig:
        with pytest.raises(SourceError) as caught:
            await rig.get(f"{tenant_url}/api/v1/dataexport/x")
    shown = str(caught.value)
    assert not [text for text in (*LOGIN.split(":"), SECRET, CLIENT_ID, "tok-1") if text in shown]
    return caught.value


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a certificate that this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    return tmp_path


@pytest.mark.parametrize("login", ["", f"{LOGIN}@"])
async def test_data_comes_through_a_proxy(
    trusted: Path, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By CONNECT where the tenant speaks TLS, and by a whole address where it does not."""
    proxy = ProxyServer()
    async with (
        listening(tenant_that_answers(), certified(trusted)) as secure,
        listening(tenant_that_answers()) as plain,
        listening(proxy) as port,
    ):
        monkeypatch.setenv("ALL_PROXY", f"http://{login}{HOST}:{port}")
        for url in (f"https://{HOST}:{secure}", f"http://{HOST}:{plain}"):
            async with asking(url) as rig:
                assert await rig.get(f"{url}/api") == GOOD
    assert [head.split(" ")[0] for head in proxy.heads] == ["CONNECT", "CONNECT", "POST", "GET"]
    assert all(("Proxy-Authorization: Basic" in head) is bool(login) for head in proxy.heads)


PROXY_ANSWERS = {
    "407": (
        answer(b"", "407 Proxy Authentication Required"),
        ProxyLoginError,
        " (407). Write them",
    ),
    "403": (answer(PORTAL, "403 Forbidden"), ProxyRefusedError, " does not let this machine reach"),
    "400": (answer(b"", "400 Bad Request"), ProxyRefusedError, "(400). Ask who runs the proxy"),
    "502": (
        answer(b"", "502 Bad Gateway"),
        ProxyUnavailableError,
        "(502). Check the host in SAC_T",
    ),
    "503": (answer(b"no", "503 x", "text/plain"), ProxyUnavailableError, " does not reach "),
    "hangs up": (b"", ProxyUnavailableError, " broke off the connection to "),
    "no HTTP": (b"SSH-2.0-x\r\n\r\n", SourceUnreachableError, " is no valid HTTP. Check the host"),
}


@pytest.mark.parametrize("name", PROXY_ANSWERS)
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("at_login", [True, False], ids=["login", "page"])
async def test_what_a_proxy_does_is_told_of_the_proxy(
    name: str, scheme: str, at_login: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the login as at a page, over TLS as in plain: the proxy is named, without its password."""
    refusal, kind, words = PROXY_ANSWERS[name]
    async with listening(ProxyServer(refusal)) as port, listening(tenant_that_answers()) as direct:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{LOGIN}@{HOST}:{port}")
        monkeypatch.setenv("NO_PROXY", HOST)
        url, token_url = f"{scheme}://{NAME}:1", f"http://{HOST}:{direct}/oauth/token"
        fault = await told(url, f"{url}/oauth/token" if at_login else token_url)
    assert type(fault) is kind
    assert words in str(fault)
    assert f"he proxy http://{HOST}:{port} " in str(fault)
    assert ("SAC_TOKEN_URL" in str(fault)) <= at_login


async def test_a_dead_proxy_is_told_from_a_dead_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who refuses the connection is who was connected to."""
    dead, url = f"http://{LOGIN}@{HOST}:{free_port(0)}", f"https://{HOST}:{free_port(0)}"
    without = await told(url)
    monkeypatch.setenv("HTTPS_PROXY", dead)
    fault = await told(url)
    assert type(without) is SourceUnreachableError
    assert str(without).startswith(
        f"{HOST} cannot be reached: the connection was refused. Check SA"
    )
    assert type(fault) is ProxyUnavailableError
    assert f"The proxy http://{dead.rpartition('@')[2]} cannot be reached: the con" in str(fault)
    assert str(fault).endswith("Check HTTPS_PROXY, and that the proxy runs.")


async def test_a_proxy_that_says_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the proxy that is slow, or the tenant behind it: both are named."""
    async with listening(silence) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HOST}:{port}")
        fault = await told("https://tenant.example", timeout_s=0.3)
    assert type(fault) is SourceTimeoutError
    assert f"No answer from tenant.example through the proxy http://{HOST}:{port} in" in str(fault)


async def test_a_proxy_asked_over_tls_that_speaks_none_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The usual mistake in HTTPS_PROXY."""
    async with listening(saying(answer(b"", "400 Bad Request"))) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{HOST}:{port}")
        fault = await told("https://tenant.example")
    assert type(fault) is TlsError
    assert f"The proxy https://{HOST}:{port} does not speak TLS. Write http:// in HTTPS" in str(
        fault
    )


@pytest.mark.parametrize(
    ("made", "trust", "words"),
    [
        (
            {},
            False,
            "no authority that this machine trusts has signed it. If a proxy inspects TLS, put",
        ),
        ({"begins_in": -9, "ends_in": -1}, True, "it has expired. Check the clock of this machine"),
        ({"begins_in": 1, "ends_in": 9}, True, "it is not valid yet. Check the clock of this"),
        (
            {"host": "other.example"},
            True,
            "it is for another host. Check the host in SAC_TOKEN_URL",
        ),
    ],
    ids=["self-signed", "expired", "not yet valid", "other host"],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    tmp_path: Path,
    made: dict[str, object],
    trust: bool,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each fault has a step of its own; no token or secret is sent before."""
    context = certified(tmp_path, **made)  # type: ignore[arg-type] # the cases above
    if trust:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    async with listening(tenant_that_answers(), context) as port:
        fault = await told(f"https://{HOST}:{port}")
    assert type(fault) is CertificateError
    assert f"The certificate of {HOST} cannot be trusted: {words}" in str(fault)


@pytest.mark.parametrize(
    ("serve", "kind", "words"),
    [
        (saying(answer(b"", "400 Bad Request")), TlsError, "{place} does not speak TLS. Check the"),
        (saying(b""), SourceUnreachableError, f"{HOST} broke off the connection while TLS began."),
    ],
    ids=["HTTP", "nothing"],
)
async def test_a_port_without_tls_is_told_so(
    serve: Serve, kind: type[SourceError], words: str
) -> None:
    """An https address that leads to plain HTTP."""
    async with listening(serve) as port:
        fault = await told(f"https://{HOST}:{port}")
    assert type(fault) is kind
    assert words.format(place=f"{HOST}:{port}") in str(fault)


@pytest.mark.parametrize(
    "turned_away",
    [
        answer(b"Client sent an HTTP request to an HTTPS server.\n", "400 x", "text/plain"),
        answer(b"<html>The plain HTTP request was sent to HTTPS port</html>", "400 x", "text/html"),
        answer(b"", "301 Moved Permanently", None, Location=f"https://{HOST}/oauth/token"),
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    ],
    ids=["Go", "nginx", "redirect", "alert"],
)
@pytest.mark.parametrize("at_login", [True, False], ids=["login", "page"])
async def test_a_port_that_wants_tls_is_told_so(turned_away: bytes, at_login: bool) -> None:
    """An http address that leads to TLS: the address is wrong, not the query or the client."""
    serve = tenant_that_answers(token=turned_away) if at_login else tenant_that_answers(turned_away)
    async with listening(serve) as port:
        fault = await told(f"http://{HOST}:{port}")
    setting = "SAC_TOKEN_URL" if at_login else "SAC_TENANT_URL"
    if at_login and turned_away.startswith(b"HTTP/1.1 301"):
        assert type(fault) is TokenEndpointError
        assert f"(it answered 301, a redirect to {HOST})" in str(fault)
        return
    assert type(fault) is TlsError
    assert (
        str(fault) == f"{HOST}:{port} wants TLS, and {setting} says http. Write https in {setting}."
    )


NUMBERED = {
    "JSON": (JSON_ERROR.encode(), "application/json"),
    "JSON with a mark": (codecs.BOM_UTF8 + JSON_ERROR.encode(), "application/json"),
    "JSON in Latin-1": (JSON_ERROR.encode("latin-1"), "application/json;charset=iso-8859-1"),
    "JSON in Latin-1, untold": (JSON_ERROR.encode("latin-1"), "application/json"),
    "JSON in UTF-16": (JSON_ERROR.encode("utf-16"), "application/json"),
    "JSON as a page": (JSON_ERROR.encode(), "text/html"),
    "XML": (XML_ERROR, "application/xml"),
    "XML as a page": (XML_ERROR, "text/html"),
    "XML without a type": (XML_ERROR, None),
    "XML with a mark": (codecs.BOM_UTF8 + XML_ERROR, "application/atom+xml"),
    "XML in UTF-16": (XML_ERROR.decode().encode("utf-16"), "application/xml"),
}


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "403 Forbidden", "500 x"])
@pytest.mark.parametrize("name", NUMBERED)
async def test_a_number_of_an_error_counts_in_every_form(status: str, name: str) -> None:
    """Whatever status, type, charset and mark it comes with: the filter is not to blame."""
    body, kind = NUMBERED[name]
    async with listening(tenant_that_answers(answer(body, status, kind))) as port:
        fault = await told(f"http://{HOST}:{port}")
    assert type(fault) is ExportNotAllowedError
    assert f"{NOT_ALLOWED}{status[:3]} [3401])." in str(fault)


@pytest.mark.parametrize(
    "page",
    [
        answer(codecs.BOM_UTF8 + GOOD),
        answer('{"value":["ä"]}'.encode("latin-1"), kind="application/json; charset=ISO-8859-1"),
        answer('{"value":["ä"]}'.encode("utf-16")),
        answer(gzip.compress(GOOD), Content_Encoding="gzip"),
        answer(gzip.compress(gzip.compress(GOOD)), Content_Encoding="gzip, gzip"),
        answer(zlib.compress(GOOD), Content_Encoding="deflate"),
        answer(GOOD, length=None),
        answer(b"c\r\n" + GOOD + b"\r\n0\r\n\r\n", length=None, Transfer_Encoding="chunked"),
    ],
    ids=["mark", "latin-1", "utf-16", "gzip", "twice", "deflate", "no length", "chunked"],
)
async def test_odd_answers_that_mean_one_thing_are_read(page: bytes) -> None:
    """Codings, charsets and lengths that say what they are."""
    async with listening(tenant_that_answers(page)) as port, asking(f"http://{HOST}:{port}") as rig:
        body = await rig.get(f"http://{HOST}:{port}/api")
    assert json.loads(body) in ({"value": []}, {"value": ["ä"]})


CUT_OFF = "does not end as it should: it was cut off. It is tried again at the next refresh."
UNTOLD = "is still compressed: twice, or it does not say how. Check any proxy between here and"
ANSWERS = {
    "gzip by label alone": (
        answer(Content_Encoding="gzip"),
        SourceAnswerError,
        "is not compressed in the way that it says. Check any proxy between here and the tenant",
    ),
    "br by label alone": (answer(Content_Encoding="br"), SourceAnswerError, "in the way that it s"),
    "zstd by label alone": (answer(Content_Encoding="zstd"), SourceAnswerError, "in the way that"),
    "deflate by label alone": (
        answer(Content_Encoding="deflate"),
        SourceAnswerError,
        "in the way that it says.",
    ),
    "gzip without a label": (answer(gzip.compress(GOOD)), SourceAnswerError, UNTOLD),
    "gzip twice": (
        answer(gzip.compress(gzip.compress(GOOD)), Content_Encoding="gzip"),
        SourceAnswerError,
        UNTOLD,
    ),
    "unknown coding": (
        answer(b"\x1f\x9d\x90{", Content_Encoding="compress"),
        SourceAnswerError,
        UNTOLD,
    ),
    "gzip cut off": (
        answer(gzip.compress(GOOD, 0)[:-12], Content_Encoding="gzip"),
        SourceUnreachableError,
        CUT_OFF,
    ),
    "shorter than its length": (
        answer(length="99"),
        SourceUnreachableError,
        f"The connection to {HOST} broke before the answer was whole.",
    ),
    "longer than its length": (answer(length="5"), SourceUnreachableError, CUT_OFF),
    "cut off without a length": (answer(GOOD[:-3], length=None), SourceUnreachableError, CUT_OFF),
    "a chunk is missing": (
        answer(b"c\r\n" + GOOD + b"\r\n", length=None, Transfer_Encoding="chunked"),
        SourceUnreachableError,
        "broke before the answer was whole.",
    ),
    "no length at all": (
        answer(length="many"),
        SourceUnreachableError,
        f"What came from {HOST} is no valid HTTP.",
    ),
    "two lengths": (answer(length="2\r\nContent-Length: 3"), SourceUnreachableError, "valid HTTP."),
    "nothing": (
        b"",
        SourceUnreachableError,
        f"{HOST} broke off the connection before it answered.",
    ),
    "no body": (answer(b""), SourceUnreachableError, f"The answer of {HOST} is empty. It is tried"),
    "no HTTP": (
        b"SSH-2.0-x\r\n\r\n",
        SourceUnreachableError,
        "is no valid HTTP. Check the host and",
    ),
    "text": (
        answer(b"hello"),
        SourceAnswerError,
        f"The answer of {HOST} is no JSON. Check any pro",
    ),
    "another type": (answer(kind="text/csv"), SourceAnswerError, "the content type 'text/csv'"),
    "page of somebody": (
        answer(PORTAL, kind="text/html"),
        LoginPageError,
        "a proxy or the network has put it there, or SAC_TENANT_URL leads to somebody else. Open",
    ),
    "page as JSON": (answer(PORTAL), LoginPageError, "A web page that is not from SAP Analytics"),
    "page of a firewall": (
        answer(PORTAL, "403 Forbidden", "text/html"),
        ProxyRefusedError,
        "The status 403 with a web page came in place of SAP Analytics Cloud: a proxy, a firewall",
    ),
    "text of a gateway": (
        answer(b"RBAC: access denied", "403 Forbidden", "text/plain"),
        ProxyRefusedError,
        "The status 403 with a text came in place of SAP Analytics Cloud: a proxy, a firewall or",
    ),
    "400 without a reason": (
        answer(b"Bad request", "400 Bad Request", "text/plain"),
        QueryRefusedError,
        "or something before it, refused the query without a reason (400). Check the filter and",
    ),
    "405 without a reason": (
        answer(b"", "405 Method Not Allowed"),
        QueryRefusedError,
        "If they are right, check any proxy between here and the tenant.",
    ),
    "page of a web server": (
        answer(PORTAL, "404 Not Found", "text/html"),
        EndpointNotValidError,
        "has no export service at this address (404 with a web page).",
    ),
    "login of the network": (
        answer(PORTAL, "511 Network Authentication Required", "text/html"),
        ProxyLoginError,
        f"The network between here and {HOST} wants a login (511). Log this machine in to the",
    ),
    "login of a gateway": (
        answer(b"", "401 Unauthorized", WWW_Authenticate="Negotiate"),
        ProxyLoginError,
        f"A proxy or gateway before {HOST} wants a login of its own (401, Negotiate).",
    ),
    "proxy that nobody named": (
        answer(b"", "407 Proxy Authentication Required"),
        ProxyLoginError,
        "A proxy on the way wants user and password (407).",
    ),
    "redirect to a portal": (
        answer(b"", "302 Found", Location="http://portal.example/welcome"),
        RedirectedError,
        "A redirect (302) to portal.example came instead of data: a proxy or the network wants a",
    ),
    "redirect to a new address": (
        answer(b"", "308 Moved", Location="https://new.example/api/v1/dataexport/x"),
        RedirectedError,
        f"has another address: {HOST} redirects to new.example (308). Write the new host into SAC_",
    ),
    "redirect to nowhere": (answer(b"", "302 Found"), SourceAnswerError, "something keeps answers"),
    "answer of a cache": (
        answer(b"", "304 Not Modified"),
        SourceAnswerError,
        "The status 304 came",
    ),
    "error without a number": (
        answer(b'{"error":{"code":"x","message":"no"}}'),
        SourceAnswerError,
        "SAP Analytics Cloud answered with an error under the status 200. Refresh again.",
    ),
    "no content": (
        answer(b"", "204 No Content", length=None),
        SourceAnswerError,
        "SAP Analytics Cloud answered with no data under the status 204.",
    ),
    "gateway of the tenant": (
        answer(PORTAL, "502 Bad Gateway", "text/html"),
        SourceUnavailableError,
        "SAP Analytics Cloud is not available (502).",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_each_answer_names_who_is_at_fault(name: str) -> None:
    """Codings, lengths, pages, redirects and errors: who is at fault, and what to do."""
    page, kind, words = ANSWERS[name]
    async with listening(tenant_that_answers(page)) as port:
        fault = await told(f"http://{HOST}:{port}")
    assert type(fault) is kind
    assert words in str(fault)
    assert fault.next_step.endswith(".")


@pytest.mark.parametrize(
    ("token", "kind", "words"),
    [
        (
            answer(PORTAL, kind="text/html"),
            TokenEndpointError,
            "SAC_TOKEN_URL leads to somebody else. Open https://127.0.0.1 in a browser on this",
        ),
        (
            answer(b"", "302 Found", Location="http://portal.example/"),
            TokenEndpointError,
            "(it answered 302, a redirect to portal.example).",
        ),
        (answer(gzip.compress(b"{}")), SourceAnswerError, UNTOLD),
        (answer(b'{"access_token":"tok', length=None), SourceUnreachableError, CUT_OFF),
    ],
    ids=["page", "redirect", "gzip", "cut off"],
)
async def test_a_login_that_somebody_else_answers_is_not_laid_to_the_credentials(
    token: bytes, kind: type[SourceError], words: str
) -> None:
    """Nor to the tenant."""
    async with listening(tenant_that_answers(token=token)) as port:
        fault = await told(f"http://{HOST}:{port}")
    assert type(fault) is kind
    assert words in str(fault)


async def test_the_service_tells_its_readers_of_the_proxy(
    tenant: SimulatedTenant, tmp_path: Path
) -> None:
    """A refresh behind a proxy that refuses keeps the data, and names the proxy."""
    proxy = ProxyServer()
    async with listening(proxy) as port:
        settings = settings_for(
            tenant, HTTP_PROXY=f"http://{LOGIN}@{HOST}:{port}", NO_PROXY="", no_proxy=""
        )
        with running_service(tmp_path, settings) as service:
            fresh = await asyncio.to_thread(service.post, "/refresh")
            proxy.refusal = PROXY_ANSWERS["407"][0]
            stale = await asyncio.to_thread(service.post, "/refresh")
            login = await asyncio.to_thread(service.get, "/health/auth")
    assert fresh.json()["status"] == "refreshed"
    assert (stale.status_code, stale.json()["warning_code"]) == (200, "proxy_login")
    named = f"The proxy http://{HOST}:{port} refuses the user and password of HTTP_PROXY (407)."
    assert named in stale.json()["warning"]
    assert login.json()["status"] == "ok"
    assert "pass-me-not" not in stale.text
