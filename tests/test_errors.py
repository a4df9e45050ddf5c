"""The tree of errors: one root, one code each, and `docs/errors.md` lists them all."""

import errno
import importlib
import inspect
import json
import pkgutil
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

import app
from app import errors
from app.errors import SECRET_VARIABLE, ConfigError, ConfigProblem, SeriesError, SourceError
from app.sac_connector.faults import JSON, data_fault, export_fault, token_fault
from app.sac_connector.http_answer import Answer
from app.sac_connector.network import transport_fault
from app.sac_connector.proxies import LOGIN_SETTING, TENANT_SETTING
from tests.errors_page import row_of

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://tenant.example/api"
PLAIN_URL = "http://127.0.0.1:8090/api"
HTML = b"<html><form action='https://idp.example'></form></html>"


def leaves() -> list[type[SeriesError]]:
    """Return every error class, the root and the families included."""
    found = [getattr(errors, name) for name in errors.__all__]
    return [item for item in found if inspect.isclass(item) and issubclass(item, SeriesError)]


def rows(section: str) -> list[list[str]]:
    """Return the cells of the table in a section of the page, without back-quotes."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [
        [cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
    ]


def refusal(number: int | None = None) -> bytes:
    """Write an error body of the export service."""
    text = "It was refused" + (f" [{number}]" if number else "")
    return json.dumps({"error": {"code": "0000", "message": text}}).encode()


def login_refusal(word: str, description: str = "Bad credentials") -> bytes:
    """Write an error body of the token endpoint."""
    return json.dumps({"error": word, "error_description": description}).encode()


def exported(
    status: int,
    body: bytes = b"",
    kind: str = "application/json",
    url: str = URL,
    headers: dict[str, str] | None = None,
) -> SourceError | None:
    """Name the fault of an answer of the export service."""
    return export_fault(Answer(status, {"content-type": kind, **(headers or {})}, body, url), NOW)


def checked(body: bytes, kind: str = "application/json") -> SourceError | None:
    """Name what is wrong with the body of a good answer."""
    return data_fault(Answer(200, {"content-type": kind}, body, URL), JSON)


def logged_in(status: int, body: bytes = b"", kind: str = "application/json") -> SourceError | None:
    """Name the fault of an answer of the token endpoint."""
    return token_fault(Answer(status, {"content-type": kind}, body, URL), NOW)


def broken(
    error: httpx.HTTPError, cause: Exception | None = None, setting: str = TENANT_SETTING
) -> SourceError:
    """Name the fault of a request that got no answer."""
    error.__cause__ = cause
    return transport_fault(error, URL, setting)


def untrusted(code: int) -> ssl.SSLError:
    """Return what is wrong with a certificate, as OpenSSL numbers it."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    return error


def no_tls() -> ssl.SSLError:
    """Return what is told of an answer that is no TLS."""
    error = ssl.SSLError()
    error.reason = "WRONG_VERSION_NUMBER"
    return error


def proxied(status: int | None, login: str = "") -> SourceError:
    """Name what a proxy answered; None for a proxy that is dead."""
    with pytest.MonkeyPatch.context() as context:
        context.setenv("HTTPS_PROXY", f"http://{login}proxy.example:3128")
        context.delenv("NO_PROXY", raising=False)
        context.delenv("no_proxy", raising=False)
        if status is None:
            return broken(
                httpx.ConnectError("failed"), ConnectionRefusedError(errno.ECONNREFUSED, "")
            )
        return broken(httpx.ProxyError(f"{status} Refused"))


CASES = {
    "token: wrong id or secret": logged_in(401, login_refusal("invalid_client")),
    "token: the same, older wording": logged_in(401, login_refusal("unauthorized")),
    "token: grant not allowed": logged_in(401, login_refusal("unauthorized_client")),
    "token: no grant type arrived": logged_in(
        401, login_refusal("invalid_request", "Missing grant type")
    ),
    "token: unknown tenant": logged_in(404, HTML, "text/html"),
    "token: a web page": logged_in(200, HTML, "text/html"),
    "token: a web page of somebody else": logged_in(200, b"<html>Welcome</html>", "text/html"),
    "token: too many requests": logged_in(429),
    "token: overload": logged_in(503),
    "token: no such host": broken(
        httpx.ConnectError("[Errno -2] Name or service not known"), setting=LOGIN_SETTING
    ),
    "no such host": broken(httpx.ConnectError("[Errno -2] Name or service not known")),
    "connection refused": broken(
        httpx.ConnectError("failed"), ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    ),
    "no name server": broken(httpx.ConnectError("Temporary failure in name resolution")),
    "no route": broken(httpx.ConnectError("failed"), OSError(errno.ENETUNREACH, "unreachable")),
    "no connection in time": broken(httpx.ConnectTimeout("")),
    "certificate not trusted": broken(httpx.ConnectError(""), untrusted(18)),
    "certificate expired": broken(httpx.ConnectError(""), untrusted(10)),
    "certificate of another host": broken(httpx.ConnectError(""), untrusted(62)),
    "no TLS on this port": broken(httpx.ConnectError(""), no_tls()),
    "TLS wanted on this port": exported(
        400, b"Client sent an HTTP request to an HTTPS server.", "text/plain", PLAIN_URL
    ),
    "broken off": broken(
        httpx.RemoteProtocolError("Server disconnected without sending a response.")
    ),
    "no HTTP": broken(httpx.RemoteProtocolError("illegal status line")),
    "proxy: wants a login": proxied(407),
    "proxy: refused the login": proxied(407, "user:password@"),
    "proxy: refused": proxied(403),
    "proxy: does not reach the tenant": proxied(502),
    "proxy: dead": proxied(None),
    "network: wants a login": exported(511),
    "gateway: wants a login": exported(401, headers={"www-authenticate": "Negotiate"}),
    "no answer in time": broken(httpx.ReadTimeout("")),
    "connection broke": broken(httpx.ReadError("")),
    "wrong coding": broken(httpx.DecodingError("")),
    "still compressed": checked(b"\x1f\x8b"),
    "cut off": checked(b'{"value":['),
    "empty": checked(b""),
    "no JSON": checked(b"hello"),
    "another type": checked(b"{}", "text/plain"),
    "200 with a web page": exported(200, HTML, "text/html"),
    "200 with a web page of somebody else": exported(200, b"<html>Welcome</html>", "text/html"),
    "200 with an error": exported(200, refusal()),
    "200 [3401]": exported(200, refusal(3401)),
    "302 to a login": exported(302, headers={"location": "https://idp.example/saml2/idp/sso"}),
    "302 to another host": exported(302, headers={"location": "https://portal.example/"}),
    "308 to a new address": exported(308, headers={"location": "https://new.example/api"}),
    "304": exported(304),
    "400 [1402]": exported(400, refusal(1402)),
    "400 [3401]": exported(400, refusal(3401)),
    "404 [1305]": exported(404, refusal(1305)),
    "404 [3707]": exported(404, refusal(3707)),
    "500 [1205]": exported(500, refusal(1205)),
    "400": exported(400, refusal()),
    "400 without an error": exported(400, b"Bad request", "text/plain"),
    "401, with a new token as well": exported(401),
    "403": exported(403),
    "403 with a web page": exported(403, b"<html>Blocked</html>", "text/html"),
    "404": exported(404),
    "404 with a web page": exported(404, b"<html>Not found</html>", "text/html"),
    "406": exported(406),
    "408": exported(408),
    "414": exported(414),
    "429": exported(429),
    "500, 502, 503, 504": exported(503),
}


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_the_page_lists_every_error(kind: type[SeriesError]) -> None:
    """The page says what the service's own page says; `python -m tests.errors_page` writes it."""
    assert row_of(kind) in PAGE.splitlines()


def test_the_page_lists_no_other_error() -> None:
    """An error that is gone is gone from the page."""
    assert len(rows("All codes")) == len(leaves())


def test_the_page_says_what_each_answer_of_a_tenant_means() -> None:
    """Every case of the page gives exactly its code, its sentence and its next step."""
    listed = {case: (code, problem, step) for case, code, problem, step in rows("What SAC answers")}
    known = {
        case: (fault.code, fault.problem, fault.next_step.replace("`", ""))
        for case, fault in CASES.items()
        if fault is not None
    }
    assert listed == known


def test_codes_are_unique() -> None:
    """A code names one error alone."""
    codes = [kind.code for kind in leaves()]
    assert len(codes) == len(set(codes))


def test_every_exception_of_ours_descends_from_the_root() -> None:
    """No module defines an exception outside the tree."""
    strays = []
    for module in pkgutil.walk_packages(app.__path__, "app."):
        for _, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            # The client stands alone: its errors are a tree for its callers.
            ours = item.__module__.startswith("app.") and "client" not in item.__module__
            ours = ours and issubclass(item, BaseException)
            if ours and not issubclass(item, SeriesError):
                strays.append(item)
    assert not strays


def test_the_tree_in_the_docstring_names_every_error() -> None:
    """The picture of the tree is whole."""
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in leaves()}


@pytest.mark.parametrize("fault", CASES.values(), ids=CASES.keys())
def test_every_case_says_what_to_do(fault: SourceError | None) -> None:
    """Each has a sentence and a next step, both whole, and both short enough for a UI."""
    assert fault is not None
    for text in (fault.problem, fault.next_step):
        assert text.endswith(".")
        assert len(text) < 200
    assert str(fault) == fault.sentence == f"{fault.problem} {fault.next_step}"


def test_a_configuration_error_is_short_in_a_warning_and_whole_in_a_log() -> None:
    """The sentence names the variables; the text adds what was found and what is expected."""
    problem = ConfigProblem(
        variable=SECRET_VARIABLE, found="nothing", expected="the secret", example="(as shown)"
    )
    error = ConfigError((problem,))
    assert SECRET_VARIABLE in error.sentence
    assert "nothing" not in error.sentence
    assert "found nothing, expected the secret, for example (as shown)" in str(error)
