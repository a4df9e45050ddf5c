"""Every error as an RFC 9457 problem document: one table from errors to statuses.

The `type` of a problem is the relative reference `/problems/<code>`, with hyphens in place of
underscores, below the path that a proxy cuts off if the server was told of one. It names the kind
for good; `app.api.problem_pages` explains it there. `title` is the same for every occurrence of a
kind; `detail` tells this one, in the words that a warning would use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Final, Protocol, get_args
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from app import errors
from app.api.methods import allowed_methods
from app.api.schemas import InvalidInput, Problem, SettingProblem
from app.pipeline.contract import nearest_first

MEDIA_TYPE: Final = "application/problem+json"
INTERNAL_CODE: Final = "internal"
INVALID_CODE: Final = "invalid_request"
REALM: Final = "sac-series"
INTERNAL_DETAIL: Final = (
    "Something failed inside the service. Its log tells more under this request id."
)
# For a caller that is told nothing better: soon enough for a person, rare enough for a tenant.
_SOON_S: Final = 30


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """How one class of errors is answered.

    Attributes:
        status: The HTTP status.
        title: What all occurrences have in common.
        retry_after_s: Seconds for `Retry-After` if the error carries none; None for no header,
            because waiting alone does not help.
    """

    status: HTTPStatus
    title: str
    retry_after_s: int | None = None


_UPSTREAM: Final = HTTPStatus.BAD_GATEWAY
_UNAVAILABLE: Final = HTTPStatus.SERVICE_UNAVAILABLE
# Python 3.13 renamed the member, and the name from before means the same there.
_MALFORMED: Final = HTTPStatus.UNPROCESSABLE_ENTITY

# 502: the tenant, or what it sent, is at fault, and asking again changes nothing. 503: the answer
# may come later, or once the service is set up. 4xx: this caller's request is at fault, so a
# tenant that refuses our credentials is never a 401.
PROBLEMS: Final[Mapping[type[errors.SeriesError], ProblemKind]] = {
    errors.SeriesError: ProblemKind(HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed"),
    errors.ConfigError: ProblemKind(_UNAVAILABLE, "The service is not fully configured"),
    errors.SourceError: ProblemKind(_UPSTREAM, "The data source failed"),
    errors.TransientSourceError: ProblemKind(
        _UNAVAILABLE, "The data source fails for now", _SOON_S
    ),
    errors.SourceUnreachableError: ProblemKind(
        _UNAVAILABLE, "The data source cannot be reached", _SOON_S
    ),
    errors.HostNotFoundError: ProblemKind(
        _UNAVAILABLE, "The data source's host is not known", _SOON_S
    ),
    errors.ProxyUnavailableError: ProblemKind(
        _UNAVAILABLE, "The proxy before the data source fails for now", _SOON_S
    ),
    errors.SourceTimeoutError: ProblemKind(
        _UNAVAILABLE, "The data source did not answer in time", _SOON_S
    ),
    errors.RateLimitedError: ProblemKind(
        _UNAVAILABLE, "The data source asks for fewer requests", _SOON_S
    ),
    errors.SourceUnavailableError: ProblemKind(
        _UNAVAILABLE, "The data source is not available", _SOON_S
    ),
    errors.SourcePausedError: ProblemKind(
        _UNAVAILABLE, "The data source is left alone for a while", _SOON_S
    ),
    errors.ProxyLoginError: ProblemKind(_UPSTREAM, "A proxy before the data source wants a login"),
    errors.ProxyRefusedError: ProblemKind(
        _UPSTREAM, "A proxy before the data source refused the request"
    ),
    errors.TlsError: ProblemKind(_UPSTREAM, "The data source cannot be reached by TLS"),
    errors.CertificateError: ProblemKind(_UPSTREAM, "The data source cannot be trusted"),
    errors.CredentialsRefusedError: ProblemKind(
        _UPSTREAM, "The data source refused the client credentials"
    ),
    errors.GrantRefusedError: ProblemKind(_UPSTREAM, "The data source refused the kind of login"),
    errors.GrantMissingError: ProblemKind(_UPSTREAM, "The login did not arrive whole"),
    errors.TokenEndpointError: ProblemKind(_UPSTREAM, "The token address gives no token"),
    errors.IdentityZoneError: ProblemKind(_UPSTREAM, "The token address names no tenant"),
    errors.BearerRefusedError: ProblemKind(_UPSTREAM, "The data source refused its own token"),
    errors.AccessDeniedError: ProblemKind(_UPSTREAM, "The data source denied access"),
    errors.ExportNotAllowedError: ProblemKind(_UPSTREAM, "The client may not export data"),
    errors.LoginPageError: ProblemKind(_UPSTREAM, "The data source sent a login page"),
    errors.RedirectedError: ProblemKind(_UPSTREAM, "The data source redirects to a login"),
    errors.ModelNotFoundError: ProblemKind(_UPSTREAM, "The data source has no such model"),
    errors.EndpointNotValidError: ProblemKind(_UPSTREAM, "The address is no export service"),
    errors.EntitySetMissingError: ProblemKind(_UPSTREAM, "The model has no such entity set"),
    errors.QueryRefusedError: ProblemKind(_UPSTREAM, "The data source refused the query"),
    errors.KeysNotSelectedError: ProblemKind(_UPSTREAM, "The model has changed"),
    errors.FilterNotPreparedError: ProblemKind(_UPSTREAM, "The filter cannot be prepared"),
    errors.NotAcceptableError: ProblemKind(_UPSTREAM, "The form of answer is not served"),
    errors.SourceAnswerError: ProblemKind(_UPSTREAM, "The data source sent an unusable answer"),
    errors.UnsafeLinkError: ProblemKind(_UPSTREAM, "The data source sent an unsafe link"),
    errors.IncompletePullError: ProblemKind(_UPSTREAM, "The data did not arrive whole"),
    errors.DataChangedError: ProblemKind(_UPSTREAM, "The data changed while it was read"),
    errors.DeadlineExceededError: ProblemKind(_UPSTREAM, "The pull took too long"),
    errors.DataError: ProblemKind(_UPSTREAM, "The data breaks the contract of a series"),
    errors.BadValueError: ProblemKind(_UPSTREAM, "The data holds a value that is no number"),
    errors.GrainError: ProblemKind(_UPSTREAM, "The dates do not fit the grain of the dataset"),
    errors.UnknownColumnError: ProblemKind(_UPSTREAM, "The model lacks a column of the dataset"),
    errors.MixedDataError: ProblemKind(
        _UPSTREAM, "Data that does not belong together would be added up"
    ),
    errors.EmptyPullError: ProblemKind(_UPSTREAM, "The data holds no value to show"),
    errors.DriftRejectedError: ProblemKind(_UPSTREAM, "The data changed more than is allowed"),
    errors.UnexpectedError: ProblemKind(HTTPStatus.INTERNAL_SERVER_ERROR, "The refresh failed"),
    errors.RefreshCancelledError: ProblemKind(_UNAVAILABLE, "The refresh was cancelled"),
    errors.ServiceStoppingError: ProblemKind(_UNAVAILABLE, "The service is stopping", _SOON_S),
    errors.CacheError: ProblemKind(_UNAVAILABLE, "The cache failed"),
    errors.CacheMissingError: ProblemKind(_UNAVAILABLE, "The cache is empty"),
    errors.CacheCorruptError: ProblemKind(_UNAVAILABLE, "The cache is corrupt"),
    errors.CacheUnavailableError: ProblemKind(_UNAVAILABLE, "The cache cannot be reached", _SOON_S),
    errors.ExpiredError: ProblemKind(_UNAVAILABLE, "The data is too old to be shown"),
    errors.RequestError: ProblemKind(HTTPStatus.BAD_REQUEST, "The request cannot be served"),
    errors.UnknownDatasetError: ProblemKind(
        HTTPStatus.NOT_FOUND, "There is no such dataset or source"
    ),
    errors.UnknownVersionError: ProblemKind(HTTPStatus.NOT_FOUND, "There is no such version"),
    errors.UnknownDimensionError: ProblemKind(HTTPStatus.NOT_FOUND, "There is no such dimension"),
    errors.UnknownModelError: ProblemKind(HTTPStatus.NOT_FOUND, "There is no such model"),
    errors.BadQueryError: ProblemKind(_MALFORMED, "A query parameter is not usable"),
    errors.UnknownOperationError: ProblemKind(HTTPStatus.NOT_FOUND, "There is no such operation"),
    errors.OperationEndedError: ProblemKind(
        HTTPStatus.CONFLICT, "The operation cannot be cancelled any more"
    ),
    errors.QueryTooLargeError: ProblemKind(_MALFORMED, "The answer would be too large"),
    # No 503: proxies and clients would send the same again, and it would cost as much again.
    errors.QueryTooSlowError: ProblemKind(_MALFORMED, "The query takes too long"),
    errors.CursorGoneError: ProblemKind(HTTPStatus.GONE, "The version of the pages is gone"),
    errors.UnknownProblemError: ProblemKind(HTTPStatus.NOT_FOUND, "There is no such problem"),
    errors.FormatNotOfferedError: ProblemKind(
        HTTPStatus.NOT_ACCEPTABLE, "No form of answer is acceptable"
    ),
    errors.SourceConflictError: ProblemKind(
        HTTPStatus.CONFLICT, "Sample data would replace real data"
    ),
    errors.CallerError: ProblemKind(HTTPStatus.FORBIDDEN, "The caller may not do this"),
    errors.LoginRequiredError: ProblemKind(HTTPStatus.UNAUTHORIZED, "A key or token is needed"),
    errors.BadCredentialError: ProblemKind(
        HTTPStatus.UNAUTHORIZED, "The key or token is not valid"
    ),
    errors.CredentialConflictError: ProblemKind(
        HTTPStatus.BAD_REQUEST, "The request shows several keys or tokens"
    ),
    errors.ForbiddenError: ProblemKind(HTTPStatus.FORBIDDEN, "The key or token may not do this"),
    errors.TooManyRequestsError: ProblemKind(
        HTTPStatus.TOO_MANY_REQUESTS, "There were too many requests", _SOON_S
    ),
    errors.IssuerUnavailableError: ProblemKind(
        _UNAVAILABLE, "The issuer of the token cannot be reached", _SOON_S
    ),
}

# Not the names of `HTTPStatus`, which differ between versions of Python.
HTTP_CODES: Final = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
}

_UNKNOWN_FIELD: Final = "extra_forbidden"
# Where pydantic speaks of its own insides.
_WORDS: Final = {
    "model_attributes_type": "Send a JSON object with the header Content-Type: application/json.",
    "json_invalid": "The body is not valid JSON.",
    _UNKNOWN_FIELD: "There is no such field.",
}


class _HttpError(Protocol):
    """What the framework raises for requests that reach no route."""

    status_code: int
    detail: str
    headers: Mapping[str, str] | None


def install_problems(app: FastAPI) -> None:
    """Answer every error of the app as a problem document."""
    app.exception_handler(errors.SeriesError)(_answer_series_error)
    app.exception_handler(RequestValidationError)(_answer_invalid_request)
    # By status: the framework's own class of errors is nothing that a module here should name.
    for status in HTTPStatus:
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            app.exception_handler(status)(_answer_http_error)


def kind_of(error: type[errors.SeriesError]) -> ProblemKind:
    """Return how errors of this class are answered; a class without a row has its parent's."""
    return next(PROBLEMS[parent] for parent in error.__mro__ if parent in PROBLEMS)


def problem_of(error: errors.SeriesError) -> Problem:
    """Describe an error that was raised on purpose."""
    kind = kind_of(type(error))
    problem = _problem(kind.status, kind.title, error.code, error.sentence)
    if isinstance(error, errors.ConfigError):
        problem.problems = [SettingProblem.model_validate(one) for one in error.problems]
    if isinstance(error, errors.BadQueryError):
        problem.parameter = error.parameter
    return problem


def internal_problem() -> Problem:
    """Describe an error that nobody expected, without a word of what it says."""
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed", INTERNAL_CODE, INTERNAL_DETAIL
    )


def problem_response(
    request: Request, problem: Problem, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer a request with a problem, and leave its code for the log line."""
    request.state.problem_code = problem.code
    problem.type = base_path(request.scope) + problem.type
    problem.request_id = getattr(request.state, "request_id", None)
    return Response(
        problem.model_dump_json(exclude_none=True),
        problem.status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def base_path(scope: Scope) -> str:
    """Return what a proxy cuts off the path of every address, as the server was told it."""
    root: str = scope.get("root_path", "")
    return quote(root.rstrip("/"))


def type_of(code: str) -> str:
    """Return the `type` of a kind of problem: the address of its page, below the base path.

    >>> type_of("cache_missing")
    '/problems/cache-missing'
    """
    return f"/problems/{code.replace('_', '-')}"


def _problem(status: HTTPStatus, title: str, code: str, detail: str) -> Problem:
    return Problem(type=type_of(code), title=title, status=status.value, detail=detail, code=code)


def error_response(request: Request, error: errors.SeriesError) -> Response:
    """Answer a request with an error that was raised on purpose."""
    return problem_response(request, problem_of(error), _headers(error))


async def _answer_series_error(request: Request, error: errors.SeriesError) -> Response:
    return error_response(request, error)


def _headers(error: errors.SeriesError) -> dict[str, str]:
    return {**_retry_after(error), **_challenge(error)}


def _challenge(error: errors.SeriesError) -> dict[str, str]:
    """Tell the caller's software what kind of login is wanted, or why this one will not do."""
    # RFC 6750, section 3: https://www.rfc-editor.org/rfc/rfc6750#section-3
    parts = [f'realm="{REALM}"']
    if isinstance(error, errors.CallerError) and error.challenge:
        parts.append(f'error="{error.challenge}"')
    elif not isinstance(error, errors.LoginRequiredError):
        return {}
    if isinstance(error, errors.ForbiddenError) and error.roles:
        parts.append(f'scope="{" ".join(error.roles)}"')
    return {"WWW-Authenticate": f"Bearer {', '.join(parts)}"}


def _retry_after(error: errors.SeriesError) -> dict[str, str]:
    wait_s: float | None = kind_of(type(error)).retry_after_s
    if isinstance(
        error,
        errors.RateLimitedError
        | errors.SourceUnavailableError
        | errors.SourcePausedError
        | errors.TooManyRequestsError,
    ):
        wait_s = wait_s if error.retry_after_s is None else error.retry_after_s
    return {} if wait_s is None else {"Retry-After": str(max(1, ceil(wait_s)))}


async def _answer_invalid_request(request: Request, error: RequestValidationError) -> Response:
    fields = _fields(request)
    invalid = [_invalid_input(one, fields) for one in error.errors()]
    listed = " ".join(f"{one.name}: {one.detail}" for one in invalid)
    problem = _problem(_MALFORMED, "The request is malformed", INVALID_CODE, listed)
    problem.errors = invalid
    if error.errors()[0]["loc"][0] == "query":
        problem.parameter = invalid[0].name
    return problem_response(request, problem)


def _fields(request: Request) -> Collection[str]:
    """Return the fields of the body that the route of a request takes; none if it takes none."""
    body = getattr(request.scope.get("route"), "body_field", None)
    if body is None:
        return ()
    kinds = get_args(body.field_info.annotation) or (body.field_info.annotation,)
    return [name for kind in kinds for name in getattr(kind, "model_fields", ())]


def _invalid_input(error: Mapping[str, object], fields: Collection[str]) -> InvalidInput:
    location = error["loc"]
    parts = (
        [part for part in location if isinstance(part, str)] if isinstance(location, tuple) else []
    )
    words = _WORDS.get(str(error["type"]), str(error["msg"]))
    name = ".".join(parts[1:] or parts)
    if error["type"] == _UNKNOWN_FIELD and fields:
        words = f"{words} Use one of: {', '.join(nearest_first(name, fields))}."
    return InvalidInput(name=name, detail=f"{words.rstrip('.')}.")


def http_problem(status: HTTPStatus, detail: str) -> Problem:
    """Describe a request that reached no route."""
    return _problem(status, status.phrase, HTTP_CODES.get(status, f"http_{status.value}"), detail)


async def _answer_http_error(request: Request, error: _HttpError) -> Response:
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        # The framework names the methods of one route; others may share its path.
        headers["Allow"] = allowed_methods(request.scope)
    detail = _http_words(request, status, error.detail, headers)
    return problem_response(request, http_problem(status, detail), headers)


def _http_words(
    request: Request, status: HTTPStatus, detail: str, headers: Mapping[str, str]
) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "Nothing is served at this address. GET /docs lists what is."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = headers.get("Allow", "another method")
        return f"This address does not take {request.method}. Use {allowed}."
    return f"{detail.rstrip('.')}."
