"""Turns what goes wrong on the wire into the errors of `app.errors`, once, at the boundary.

Each sentence says what the answer means and which step in SAC or in the settings mends it.
Bodies are never quoted: they may hold a token, or a page of somebody else's making.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from app.errors import (
    CLIENT_ID_VARIABLE,
    SECRET_VARIABLE,
    AccessDeniedError,
    BearerRefusedError,
    CertificateError,
    CredentialsRefusedError,
    EndpointNotValidError,
    EntitySetMissingError,
    ExportNotAllowedError,
    FilterNotPreparedError,
    GrantMissingError,
    GrantRefusedError,
    HostNotFoundError,
    IdentityZoneError,
    KeysNotSelectedError,
    LoginPageError,
    ModelNotFoundError,
    NotAcceptableError,
    QueryRefusedError,
    RateLimitedError,
    RedirectedError,
    SourceAnswerError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
    TokenEndpointError,
)

SAC: Final = "SAP Analytics Cloud"
CHECK_CREDENTIALS: Final = f"Check {CLIENT_ID_VARIABLE} and {SECRET_VARIABLE}."
COPY_LOGIN_URL: Final = (
    "Copy the Token URL from System > Administration > App Integration into SAC_TOKEN_URL."
)
CHECK_LOGIN_URL: Final = "Check SAC_TOKEN_URL and the network."
CHECK_TENANT_URL: Final = "Check SAC_TENANT_URL and the network."
CHECK_ACCESS: Final = (
    "In System > Administration > App Integration, the OAuth client needs purpose API Access "
    "and access to the Data Export Service."
)
CHECK_MODEL: Final = (
    "Check the model id of the dataset (case-sensitive) and SAC_TENANT_URL; "
    "`python -m demo.discover` lists the models."
)
CHECK_QUERY: Final = "Check the filter and the columns of the dataset."
TRY_LATER: Final = "It is tried again at the next refresh."

# The number in brackets at the end of a message is the stable part of an error; `code` is a new
# id in each answer (observed).
_NUMBER: Final = re.compile(r"\[(\d{4})\]")
_TRY_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_GRANT_ERRORS: Final = frozenset({"unauthorized_client", "unsupported_grant_type"})
_GRANT_WORDS: Final = re.compile(r"grant.?type", re.IGNORECASE)
_MISSING: Final = re.compile(r"missing|required|must be|not (?:given|present)", re.IGNORECASE)
# The text of SAP's page for a subdomain that it does not know; its status is not documented.
_NO_ZONE: Final = b"identity zone"
_LONGEST_MESSAGE: Final = 200

# All that the HTTP client raises; `httpx.HTTPError` alone is not the root of its tree.
ClientError = httpx.HTTPError | httpx.InvalidURL | httpx.StreamError | httpx.CookieConflict
CLIENT_ERRORS: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    kind: type[SourceError]
    problem: str
    next_step: str


_BY_NUMBER: Final[Mapping[int, _Refusal]] = {
    1205: _Refusal(
        FilterNotPreparedError,
        "cannot prepare the filter",
        "Write `in (...)` in the filter of the dataset as a chain of `or`.",
    ),
    1305: _Refusal(
        EndpointNotValidError,
        "has no export service at this address",
        "Check that SAC_TENANT_URL names the tenant's own host, without a path.",
    ),
    1402: _Refusal(
        KeysNotSelectedError,
        "refused a query without all key columns; the model has changed since it was read",
        "Refresh again: the columns are then read anew.",
    ),
    3401: _Refusal(
        ExportNotAllowedError, "does not let this OAuth client use the export API", CHECK_ACCESS
    ),
    3707: _Refusal(
        EntitySetMissingError,
        "has no such entity set for this model",
        "Check that the model is an acquired one; `python -m demo.discover` lists its sets.",
    ),
}
_BY_STATUS: Final[Mapping[int, _Refusal]] = {
    HTTPStatus.UNAUTHORIZED: _Refusal(
        BearerRefusedError,
        "refused a token that was issued a moment ago",
        f"Check that SAC_TENANT_URL and SAC_TOKEN_URL belong to the same tenant. {CHECK_ACCESS}",
    ),
    HTTPStatus.FORBIDDEN: _Refusal(
        AccessDeniedError, "does not let this OAuth client export data", CHECK_ACCESS
    ),
    HTTPStatus.NOT_FOUND: _Refusal(
        ModelNotFoundError, "knows no such model or address", CHECK_MODEL
    ),
    HTTPStatus.NOT_ACCEPTABLE: _Refusal(
        NotAcceptableError,
        "does not serve this form of answer",
        "Check for a proxy that changes the Accept header.",
    ),
}
_OTHERWISE: Final = _Refusal(
    QueryRefusedError, "refused the query: a column, the filter or an option is wrong", CHECK_QUERY
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer without its client library.

    Attributes:
        status: The status code.
        headers: Names in lower case.
        body: The whole body, decompressed; never shown.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def looks_like_html(self) -> bool:
        """Whether the body is a web page, whatever its declared type."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or (self.body.lstrip()[:1] == b"<" and "xml" not in kind)

    @property
    def retry_after(self) -> str | None:
        """The header that asks to wait; None if there is none."""
        return self.headers.get("retry-after")


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Read `Retry-After` as seconds from now; None if it is absent or unreadable.

    >>> retry_after_s("7", datetime(2026, 11, 22, tzinfo=UTC))
    7.0
    >>> retry_after_s("Sun, 22 Nov 2026 00:00:09 GMT", datetime(2026, 11, 22, tzinfo=UTC))
    9.0
    """
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}", header.strip(), re.ASCII):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def token_fault(answer: Answer, now: datetime) -> SourceError | None:
    """Name what is wrong with an answer of the token endpoint; None if it is a 200 with JSON."""
    status = answer.status
    if status == HTTPStatus.OK and not answer.looks_like_html:
        return None
    if status in _TRY_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _overload(answer, "The token endpoint", now)
    unknown = status == HTTPStatus.NOT_FOUND or _NO_ZONE in answer.body.lower()
    if unknown and answer.looks_like_html:
        return IdentityZoneError(
            f"SAC_TOKEN_URL names a tenant that SAP does not know ({status} with a web page).",
            next_step=COPY_LOGIN_URL,
        )
    if answer.looks_like_html or status not in {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
    }:
        return TokenEndpointError(
            f"SAC_TOKEN_URL does not lead to the token endpoint of a tenant (it answered "
            f"{status}{' with a web page' if answer.looks_like_html else ''}).",
            next_step=COPY_LOGIN_URL,
        )
    return _refused_login(answer)


def _refused_login(answer: Answer) -> SourceError:
    error = _json(answer.body)
    word, description = str(error.get("error", "")), str(error.get("error_description", ""))
    if (
        word not in _GRANT_ERRORS
        and _GRANT_WORDS.search(description)
        and _MISSING.search(description)
    ):
        return GrantMissingError(
            f"{SAC} saw no grant type in the login: what was sent did not arrive whole.",
            next_step="Check that SAC_TOKEN_URL is the exact Token URL, without a redirect, and "
            "any proxy between here and SAP.",
        )
    if word in _GRANT_ERRORS or _GRANT_WORDS.search(description):
        return GrantRefusedError(
            f"{SAC} does not allow this OAuth client the client-credentials grant.",
            next_step="Create an OAuth client with purpose API Access and authorization grant "
            "Client Credentials.",
        )
    return CredentialsRefusedError(
        f"{SAC} refused the client credentials.", next_step=CHECK_CREDENTIALS
    )


def export_fault(answer: Answer, now: datetime) -> SourceError | None:
    """Name what is wrong with an answer of the export service; None if it is a 200 with data."""
    status = answer.status
    if status == HTTPStatus.OK:
        return _login_page(answer) if answer.looks_like_html else None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _login_page(answer)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return SourceAnswerError(
            f"{SAC} answered with the status {status} instead of data.", next_step=CHECK_TENANT_URL
        )
    number = error_number(answer.body)
    broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR and number is None
    if broken or status in _TRY_AGAIN:
        return _overload(answer, SAC, now)
    return _refused_request(status, number)


def _refused_request(status: int, number: int | None) -> SourceError:
    said = f"{status}" if number is None else f"{status} [{number:04}]"
    # A number that we know says more than the status, and the status more than an unknown number.
    refusal = _BY_NUMBER.get(number or 0) or _BY_STATUS.get(status) or _OTHERWISE
    return refusal.kind(f"{SAC} {refusal.problem} ({said}).", next_step=refusal.next_step)


def _login_page(answer: Answer) -> LoginPageError:
    page = answer.status == HTTPStatus.OK
    what = "a web page" if page else f"a redirect ({answer.status})"
    kind = LoginPageError if page else RedirectedError
    return kind(
        f"{SAC} answered with {what} instead of data: it wants a login in a browser.",
        next_step=f"Check SAC_TENANT_URL. {CHECK_ACCESS}",
    )


def _overload(answer: Answer, who: str, now: datetime) -> SourceError:
    wait = retry_after_s(answer.retry_after, now)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError(
            f"{who} asks for fewer requests (429).", retry_after_s=wait, next_step=TRY_LATER
        )
    if answer.status == HTTPStatus.REQUEST_TIMEOUT:
        return SourceTimeoutError(f"{who} gave up waiting (408).", next_step=TRY_LATER)
    return SourceUnavailableError(
        f"{who} is not available ({answer.status}).",
        status=answer.status,
        retry_after_s=wait,
        next_step=TRY_LATER,
    )


def error_number(body: bytes) -> int | None:
    """Return the export service's number of an error body; None if it has none."""
    message = _json(body).get("error")
    if isinstance(message, dict):
        message = message.get("message")
    if isinstance(message, dict):
        message = message.get("value")
    found = _NUMBER.findall(str(message or "")[-_LONGEST_MESSAGE:])
    return int(found[-1]) if found else None


def _json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def transport_fault(error: ClientError, url: str, check: str = CHECK_TENANT_URL) -> SourceError:
    """Translate an exception of the HTTP client.

    Args:
        error: What the client raised.
        url: The address that was asked; only its host is shown.
        check: What to check if the address is wrong.
    """
    host = _host(url)
    if isinstance(error, httpx.TimeoutException):
        phase = "connection" if isinstance(error, httpx.ConnectTimeout) else "answer"
        return SourceTimeoutError(f"No {phase} from {host} in time.", next_step=TRY_LATER)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CertificateError(
            f"The certificate of {host} cannot be trusted.",
            next_step="If a proxy inspects TLS, put its authority into the file that "
            "SSL_CERT_FILE names.",
        )
    if isinstance(error, httpx.ConnectError):
        return _unreachable(error, host, check)
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return SourceAnswerError(f"The address at {host} cannot be asked.", next_step=check)
    if isinstance(error, httpx.TooManyRedirects):
        return LoginPageError(f"{host} redirects without end.", next_step=check)
    return SourceUnreachableError(
        f"The connection to {host} broke before the answer was whole.", next_step=TRY_LATER
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the tenant"
    except ValueError:
        return "the tenant"


def _unreachable(error: httpx.ConnectError, host: str, check: str) -> SourceError:
    """Say in words why a connection failed; the system's texts vary with the platform."""
    causes = list(_causes(error))
    text = " ".join(str(cause) for cause in causes).lower()
    if any(word in text for word in ("name", "nodename", "getaddrinfo", "resolution")):
        return HostNotFoundError(
            f"{host} cannot be reached: the host name is not known.", next_step=check
        )
    refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
    why = "the connection was refused" if refused or "refused" in text else "there is no connection"
    return SourceUnreachableError(f"{host} cannot be reached: {why}.", next_step=check)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what led to it: the client says only that all attempts failed."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
