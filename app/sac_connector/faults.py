"""Turns what goes wrong on the wire into the errors of `app.errors`, once, at the boundary.

Each sentence says what the answer means and which step in SAC or in the settings mends it.
Bodies are never quoted: they may hold a token, or a page of somebody else's making.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from app.errors import (
    CLIENT_ID_VARIABLE,
    SECRET_VARIABLE,
    AccessDeniedError,
    BearerRefusedError,
    CredentialsRefusedError,
    EndpointNotValidError,
    EntitySetMissingError,
    ExportNotAllowedError,
    FilterNotPreparedError,
    GrantMissingError,
    GrantRefusedError,
    IdentityZoneError,
    KeysNotSelectedError,
    ModelNotFoundError,
    NotAcceptableError,
    QueryRefusedError,
    RateLimitedError,
    SourceAnswerError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
    TokenEndpointError,
)
from app.sac_connector.http_answer import Answer
from app.sac_connector.network import TRY_LATER
from app.sac_connector.proxies import (
    LOGIN_SETTING,
    TENANT_SETTING,
    host_of,
    intercepted,
    on_the_way,
)
from app.sac_connector.web_pages import (
    CHECK_ACCESS,
    CHECK_HOST,
    SAC,
    SAP_LOGIN,
    foreign_page,
    foreign_refusal,
    redirect,
    redirects_to,
    web_page,
)

CHECK_CREDENTIALS: Final = f"Check {CLIENT_ID_VARIABLE} and {SECRET_VARIABLE}."
COPY_LOGIN_URL: Final = (
    "Copy the Token URL from System > Administration > App Integration into SAC_TOKEN_URL."
)
CHECK_MODEL: Final = (
    "Check the model id of the dataset (case-sensitive) and SAC_TENANT_URL; "
    "`python -m demo.discover` lists the models."
)
CHECK_QUERY: Final = "Check the filter and the columns of the dataset."

_TRY_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_GRANT_ERRORS: Final = frozenset({"unauthorized_client", "unsupported_grant_type"})
_GRANT_WORDS: Final = re.compile(r"grant.?type", re.IGNORECASE)
_MISSING: Final = re.compile(r"missing|required|must be|not (?:given|present)", re.IGNORECASE)
# The text of SAP's page for a subdomain that it does not know; its status is not documented.
_NO_ZONE: Final = b"identity zone"
_TOO_LONG: Final = frozenset(
    {HTTPStatus.REQUEST_URI_TOO_LONG, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE}
)
# What these mean does not depend on who has written the body.
_IN_ANY_FORM: Final = _TOO_LONG | {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_ACCEPTABLE}
# gzip, zstd, compress: how what is still compressed begins.
_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x1f\x9d")
_END_BYTES: Final = 100
_LONGEST_TYPE: Final = 60
JSON: Final = "json"
XML: Final = "xml"
# How what is JSON or XML begins and ends.
_BEGINS: Final = {JSON: ("{", "["), XML: ("<",)}
_ENDS: Final = {JSON: (b"}", b"]"), XML: (b">",)}


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
        CHECK_HOST,
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
    **dict.fromkeys(
        _TOO_LONG,
        _Refusal(
            QueryRefusedError,
            "takes no query of this length",
            "Shorten the filter of the dataset.",
        ),
    ),
}
_KNOWN: Final = frozenset(_BY_NUMBER)
_OTHERWISE: Final = _Refusal(
    QueryRefusedError, "refused the query: a column, the filter or an option is wrong", CHECK_QUERY
)


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
    status, page = answer.status, answer.looks_like_html
    if (fault := intercepted(answer, LOGIN_SETTING)) is not None:
        return fault
    if status in _TRY_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _overload(answer, "The token endpoint", now)
    # Some turn a login away without a word; what else is an answer to one names its error. So does
    # a server that knows no such address.
    elsewhere = status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    named = "error" in answer.json and not elsewhere
    if not page and (status == HTTPStatus.UNAUTHORIZED or named):
        return _refused_login(answer)
    if not page and status == HTTPStatus.OK:
        return _spoiled(answer, JSON)
    return _no_token_endpoint(answer)


def _no_token_endpoint(answer: Answer) -> SourceError:
    status, page = answer.status, answer.looks_like_html
    if page and (status == HTTPStatus.NOT_FOUND or _NO_ZONE in answer.body.lower()):
        return IdentityZoneError(
            f"SAC_TOKEN_URL names a tenant that SAP does not know ({status} with a web page).",
            next_step=COPY_LOGIN_URL,
        )
    if page and not answer.says(SAP_LOGIN):
        return foreign_page(answer, LOGIN_SETTING, TokenEndpointError)
    said = f"{status} with a web page" if page else f"{status}{redirects_to(answer)}"
    return TokenEndpointError(
        f"SAC_TOKEN_URL does not lead to the token endpoint of a tenant (it answered {said}).",
        next_step=COPY_LOGIN_URL,
    )


def _refused_login(answer: Answer) -> SourceError:
    error = answer.json
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
    if (fault := intercepted(answer, TENANT_SETTING)) is not None:
        return fault
    if status == HTTPStatus.OK and not answer.reports_error:
        return web_page(answer) if answer.looks_like_html else None
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return redirect(answer)
    number = answer.number(_KNOWN)
    broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR and number is None
    if broken or status in _TRY_AGAIN:
        return _overload(answer, SAC, now)
    return _refused_request(answer, number)


def _refused_request(answer: Answer, number: int | None) -> SourceError:
    status = answer.status
    said = f"{status}" if number is None else f"{status} [{number:04}]"
    if status < HTTPStatus.MULTIPLE_CHOICES and number not in _KNOWN:
        what = "an error" if answer.reports_error else "no data"
        return SourceAnswerError(
            f"{SAC} answered with {what} under the status {said}.",
            next_step="Refresh again. If it stays, check SAC_TENANT_URL and "
            f"{on_the_way(answer.url)}.",
        )
    # A text under 400 may still be about the query; who falls back on a plainer one must know.
    foreign = answer.looks_like_html or (answer.is_text and status != HTTPStatus.BAD_REQUEST)
    if number is None and foreign and status not in _IN_ANY_FORM:
        return foreign_refusal(answer)
    # A number that we know says more than the status, and the status more than an unknown number.
    refusal = _BY_NUMBER.get(number or 0) or _BY_STATUS.get(status) or _OTHERWISE
    if refusal is _OTHERWISE and not answer.is_structured:
        return QueryRefusedError(
            f"{SAC}, or something before it, refused the query without a reason ({said}).",
            next_step=f"{CHECK_QUERY} If they are right, check {on_the_way(answer.url)}.",
        )
    return refusal.kind(f"{SAC} {refusal.problem} ({said}).", next_step=refusal.next_step)


def data_fault(answer: Answer, kind: str) -> SourceError | None:
    """Name why a good answer holds no data of a kind; None if it may.

    Args:
        answer: The answer.
        kind: What the content type must name, `json` or `xml`.
    """
    if kind not in answer.kind:
        return SourceAnswerError(
            f"{SAC} answered with the content type '{answer.kind[:_LONGEST_TYPE]}' instead of "
            f"{kind}.",
            next_step=f"Check SAC_TENANT_URL and {on_the_way(answer.url)}.",
        )
    fault = _spoiled(answer, kind)
    if fault is None and answer.begin[:1] not in _BEGINS[kind]:
        return SourceAnswerError(
            f"The answer of {host_of(answer.url)} is no {kind.upper()}.",
            next_step=f"Check {on_the_way(answer.url)}: it may change answers.",
        )
    return fault


def _spoiled(answer: Answer, kind: str) -> SourceError | None:
    """Name what happened to a body on its way; None if it looks whole."""
    host, begin = host_of(answer.url), answer.begin[:1]
    # Without zeros UTF-16 ends as UTF-8 does.
    end = answer.body[-_END_BYTES:].replace(b"\0", b"").rstrip()[-1:]
    if answer.body.startswith(_PACKED):
        return SourceAnswerError(
            f"The answer of {host} is still compressed: twice, or it does not say how.",
            next_step=f"Check {on_the_way(answer.url)}: it may change answers.",
        )
    if not begin:
        return SourceUnreachableError(f"The answer of {host} is empty.", next_step=TRY_LATER)
    if begin in _BEGINS[kind] and end not in _ENDS[kind]:
        return SourceUnreachableError(
            f"The answer of {host} does not end as it should: it was cut off.", next_step=TRY_LATER
        )
    return None


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
