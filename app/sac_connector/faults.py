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
    GrantRefusedError,
    LoginPageError,
    ModelNotFoundError,
    QueryRefusedError,
    RateLimitedError,
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
CHECK_TENANT_URL: Final = "Check SAC_TENANT_URL and the network."
CHECK_ACCESS: Final = (
    "In System > Administration > App Integration, the OAuth client needs purpose API Access "
    "and access to the Data Export Service."
)
TRY_LATER: Final = "It is tried again at the next refresh."

# The number in brackets at the end of a message is the stable part of an error; `code` is a new
# id in each answer (observed).
_NUMBER: Final = re.compile(r"\[(\d{4})\]")
_NOT_ALLOWED: Final = 3401
_NOT_FOUND: Final = frozenset({1305, 3707})
_KEYS_NOT_SELECTED: Final = 1402
_NOT_PREPARED: Final = 1205
_TRY_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_QUERY_WORDS: Final[Mapping[int, str]] = {
    _KEYS_NOT_SELECTED: "not all key columns were selected; the model has changed since it was "
    "read",
    _NOT_PREPARED: "the filter cannot be prepared; write `in (...)` as a chain of `or`",
}
_MEANT: Final = frozenset({_NOT_ALLOWED, *_NOT_FOUND, *_QUERY_WORDS})
_GRANT_ERRORS: Final = frozenset({"unauthorized_client", "unsupported_grant_type"})
_GRANT_WORDS: Final = re.compile(r"grant.?type", re.IGNORECASE)
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
    meant = number in _MEANT
    if number == _NOT_ALLOWED or (not meant and status == HTTPStatus.FORBIDDEN):
        return AccessDeniedError(
            f"{SAC} does not let this OAuth client export data ({said}).", next_step=CHECK_ACCESS
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return BearerRefusedError(
            f"{SAC} refused a token that was issued a moment ago ({said}).",
            next_step="Check that SAC_TENANT_URL and SAC_TOKEN_URL belong to the same tenant. "
            + CHECK_ACCESS,
        )
    if number in _NOT_FOUND or (not meant and status == HTTPStatus.NOT_FOUND):
        return ModelNotFoundError(
            f"{SAC} knows no such model or address ({said}).",
            next_step="Check SAC_MODEL_ID (case-sensitive) and SAC_TENANT_URL.",
        )
    words = _QUERY_WORDS.get(number or 0, "a column, the filter or an option is wrong")
    return QueryRefusedError(
        f"{SAC} refused the query ({said}): {words}.",
        number=number,
        next_step="Check SAC_FILTER and the columns; docs/access.md lists the numbers.",
    )


def _login_page(answer: Answer) -> LoginPageError:
    what = "a web page" if answer.status == HTTPStatus.OK else f"a redirect ({answer.status})"
    return LoginPageError(
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


def transport_fault(error: ClientError, url: str) -> SourceError:
    """Translate an exception of the HTTP client.

    Args:
        error: What the client raised.
        url: The address that was asked; only its host is shown.
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
        return SourceUnreachableError(
            f"{host} cannot be reached: {_why(error)}.", next_step=CHECK_TENANT_URL
        )
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return SourceAnswerError(
            f"The address at {host} cannot be asked.", next_step=CHECK_TENANT_URL
        )
    if isinstance(error, httpx.TooManyRedirects):
        return LoginPageError(f"{host} redirects without end.", next_step=CHECK_TENANT_URL)
    return SourceUnreachableError(
        f"The connection to {host} broke before the answer was whole.", next_step=TRY_LATER
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the tenant"
    except ValueError:
        return "the tenant"


def _why(error: httpx.ConnectError) -> str:
    """Say in words why a connection failed; the system's texts vary with the platform."""
    causes = list(_causes(error))
    text = " ".join(str(cause) for cause in causes).lower()
    refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
    if any(word in text for word in ("name", "nodename", "getaddrinfo", "resolution")):
        return "the host name is not known"
    return (
        "the connection was refused" if refused or "refused" in text else "there is no connection"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what led to it: the client says only that all attempts failed."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
