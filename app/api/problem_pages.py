"""What each kind of problem means and what to do about it: the page that its `type` leads to."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Final

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from app import errors
from app.api.problems import HTTP_CODES, INTERNAL_CODE, INVALID_CODE, PROBLEMS, type_of

_HEADERS: Final = {
    "Cache-Control": "max-age=3600",
    "Vary": "Accept",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}"
)

# A class without a row is advised like its parent, so that a new error has advice from the start.
REMEDIES: Final[Mapping[type[errors.SeriesError], str]] = {
    errors.SeriesError: "Look for the request id in the log of the service, and report it.",
    errors.ConfigError: "Set the variables that `problems` names, in the environment or in .env; "
    "docs/configuration.md explains each.",
    errors.SourceError: "Do what `detail` says; before that, asking again changes nothing.",
    errors.TransientSourceError: "Ask again later; `Retry-After` says when. If it lasts, check "
    "the network and the state of the tenant.",
    errors.ProxyUnavailableError: "Ask again later; `Retry-After` says when. If it lasts, check "
    "the proxy that `detail` names.",
    errors.DataError: "Correct the dataset or the model as `detail` says, and refresh.",
    errors.DriftRejectedError: "Look at what changed; POST /refresh with force publishes it.",
    errors.CacheError: "Do what `detail` says; CACHE_URI names the place of the cache.",
    errors.CacheMissingError: "Call POST /refresh.",
    errors.CacheCorruptError: "Refresh the dataset, or run `python -m demo.cache repair`.",
    errors.CacheUnavailableError: "Check that the place in CACHE_URI can be reached, then ask "
    "again.",
    errors.ExpiredError: "Refresh the dataset, or ask with allow_expired=true.",
    errors.RequestError: "Change the request as `detail` says.",
    errors.CallerError: "Send a key or a token that may do this; docs/security.md tells how.",
    errors.TooManyRequestsError: "Ask again later; `Retry-After` says when.",
    errors.UnknownProblemError: "GET /problems lists those there are.",
    errors.UnknownOperationError: "GET /refreshes lists those there are.",
    errors.OperationEndedError: "GET the refresh; it tells what came of it.",
    errors.RefreshCancelledError: "Refresh again.",
    errors.ServiceStoppingError: "Ask again after `Retry-After`; another replica, or the next "
    "start, will answer.",
    errors.IssuerUnavailableError: "Ask again later. If it lasts, check that OIDC_ISSUER is right "
    "and can be reached.",
}


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """One kind of problem, explained.

    Attributes:
        code: Its code for machines.
        status: The HTTP status.
        title: What all occurrences have in common.
        meaning: What is wrong, a whole sentence.
        remedy: What to do about it, a whole sentence.
    """

    code: str
    status: HTTPStatus
    title: str
    meaning: str
    remedy: str


def problem_pages() -> dict[str, ProblemPage]:
    """Return all kinds by the last part of their `type`."""
    return {type_of(page.code).rpartition("/")[2]: page for page in _pages()}


def problem_page(name: str) -> ProblemPage:
    """Return one kind by the last part of its `type`.

    Raises:
        UnknownProblemError: There is none of this name.
    """
    try:
        return problem_pages()[name]
    except KeyError:
        raise errors.UnknownProblemError(
            f"There is no kind of problem '{name[:80]}'.", next_step="GET /problems lists all."
        ) from None


def page_response(page: ProblemPage, accept: str | None) -> Response:
    """Explain a problem to a browser as a web page, and to others as text."""
    told = f"{page.meaning}\n\nWhat to do: {page.remedy}\n"
    status = f"HTTP status {page.status.value}, code {page.code}"
    if _is_browser(accept):
        return _html(page.title, [status, page.meaning, f"What to do: {page.remedy}"])
    return PlainTextResponse(f"{page.title}\n{status}\n\n{told}", headers=_HEADERS)


def index_response(accept: str | None) -> Response:
    """List all kinds of problems."""
    pages = problem_pages()
    if _is_browser(accept):
        return _html("Problems", [f"/problems/{name}: {pages[name].title}" for name in pages])
    lines = [
        f"/problems/{name}\t{page.status.value}\t{page.title}\n" for name, page in pages.items()
    ]
    return PlainTextResponse("".join(lines), headers=_HEADERS)


def remedy_of(error: type[errors.SeriesError]) -> str:
    """Return what to do about an error: its own advice, or that of its nearest parent."""
    return next(REMEDIES[parent] for parent in error.__mro__ if parent in REMEDIES)


def meaning_of(error: type[errors.SeriesError]) -> str:
    """Return what an error means: the first paragraph of its docstring."""
    return " ".join(inspect.getdoc(error).split("\n\n")[0].split())  # type: ignore[union-attr] # ruff's D demands one


def _pages() -> Iterator[ProblemPage]:
    for error, kind in PROBLEMS.items():
        yield ProblemPage(error.code, kind.status, kind.title, meaning_of(error), remedy_of(error))
    yield ProblemPage(
        INTERNAL_CODE,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The service failed",
        "Something failed inside the service that nobody expected.",
        "Look for the request id in the log of the service, and report it.",
    )
    yield ProblemPage(
        INVALID_CODE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The request is malformed",
        "A parameter or a field has the wrong form; `errors` names each.",
        "Correct what `errors` names; GET /docs shows the forms.",
    )
    for status in HTTPStatus:
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            yield _http_page(status)


def _http_page(status: HTTPStatus) -> ProblemPage:
    meaning, remedy = _HTTP_WORDS.get(status, _OTHER_WORDS)
    code = HTTP_CODES.get(status, f"http_{status.value}")
    return ProblemPage(code, status, status.phrase, meaning, remedy)


_HTTP_WORDS: Final = {
    HTTPStatus.NOT_FOUND: ("Nothing is served at this address.", "GET /docs lists what is."),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        "The address does not take this method.",
        "Use one that the header `Allow` names.",
    ),
}
_OTHER_WORDS: Final = (
    "The request was refused before any part of the service looked at it.",
    "Change the request as `detail` says.",
)


def _is_browser(accept: str | None) -> bool:
    return "text/html" in (accept or "")


def _html(title: str, paragraphs: list[str]) -> Response:
    told = "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{told}</html>",
        headers=_HEADERS,
    )
