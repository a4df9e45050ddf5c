"""The tree of errors: one root, one code each, and `docs/errors.md` lists them all."""

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
from app.sac_connector.faults import (
    CHECK_LOGIN_URL,
    CHECK_TENANT_URL,
    Answer,
    export_fault,
    token_fault,
    transport_fault,
)
from tests.errors_page import row_of

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
URL = "https://tenant.example/api"
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


def exported(status: int, body: bytes = b"", kind: str = "application/json") -> SourceError | None:
    """Name the fault of an answer of the export service."""
    return export_fault(Answer(status, {"content-type": kind}, body), NOW)


def logged_in(status: int, body: bytes = b"", kind: str = "application/json") -> SourceError | None:
    """Name the fault of an answer of the token endpoint."""
    return token_fault(Answer(status, {"content-type": kind}, body), NOW)


def broken(
    error: httpx.HTTPError, cause: Exception | None = None, check: str = CHECK_TENANT_URL
) -> SourceError:
    """Name the fault of a request that got no answer."""
    error.__cause__ = cause
    return transport_fault(error, URL, check)


CASES = {
    "token: wrong id or secret": logged_in(401, login_refusal("invalid_client")),
    "token: the same, older wording": logged_in(401, login_refusal("unauthorized")),
    "token: grant not allowed": logged_in(401, login_refusal("unauthorized_client")),
    "token: no grant type arrived": logged_in(
        401, login_refusal("invalid_request", "Missing grant type")
    ),
    "token: unknown tenant": logged_in(404, HTML, "text/html"),
    "token: a web page": logged_in(200, HTML, "text/html"),
    "token: too many requests": logged_in(429),
    "token: overload": logged_in(503),
    "token: no such host": broken(
        httpx.ConnectError("[Errno -2] Name or service not known"), check=CHECK_LOGIN_URL
    ),
    "no such host": broken(httpx.ConnectError("[Errno -2] Name or service not known")),
    "connection refused": broken(httpx.ConnectError("failed"), ConnectionRefusedError()),
    "certificate not trusted": broken(
        httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), ssl.SSLError()
    ),
    "no answer in time": broken(httpx.ReadTimeout("")),
    "connection broke": broken(httpx.RemoteProtocolError("")),
    "200 with a web page": exported(200, HTML, "text/html"),
    "302 to a login": exported(302),
    "400 [1402]": exported(400, refusal(1402)),
    "400 [3401]": exported(400, refusal(3401)),
    "404 [1305]": exported(404, refusal(1305)),
    "404 [3707]": exported(404, refusal(3707)),
    "500 [1205]": exported(500, refusal(1205)),
    "400": exported(400, refusal()),
    "401, with a new token as well": exported(401),
    "403": exported(403),
    "404": exported(404),
    "406": exported(406),
    "408": exported(408),
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
