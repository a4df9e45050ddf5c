"""The login: client-credentials tokens, kept and renewed, and the `Auth` that attaches them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol

import httpx
import msgspec
from typing_extensions import override

from app.errors import ConfigError, SourceError, TokenEndpointError, UnsafeLinkError
from app.records import AuthStatus
from app.sac_connector.clocks import refusal
from app.sac_connector.faults import COPY_LOGIN_URL, token_fault
from app.sac_connector.http_answer import Answer
from app.sac_connector.network import CLIENT_ERRORS, transport_fault
from app.sac_connector.proxies import LOGIN_SETTING
from app.sac_connector.retry import Sleep
from app.sac_connector.wire import origin

# A token is renewed this long before it expires, or a tenth of its life if that is shorter, so
# that a clock that is a little off and a slow request do not meet an expired token.
LONGEST_MARGIN: Final = timedelta(seconds=60)
_MARGIN_SHARE: Final = 0.1
# RFC 6749, section 5.1, lets an answer leave `expires_in` out. Assume little rather than much.
_UNSTATED_LIFETIME_S: Final = 300.0
# RFC 6750, section 2.1. A line break in a token would reach the client library, whose error
# quotes the header that it refuses to send.
_BEARER: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# Each refused login is logged on the tenant; a health check must not turn into hammering.
_PROBE_INTERVAL: Final = timedelta(seconds=30)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the token endpoint wants to know.

    Attributes:
        token_url: The token endpoint.
        client_id: The OAuth client's id.
        secret: Its secret, as it is; never shown.
    """

    token_url: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; its value is never shown.

    Attributes:
        value: The token itself.
        expires_at: When the tenant stops to accept it (UTC).
        renew_at: When a new one is fetched instead (UTC).
    """

    value: str = field(repr=False)
    expires_at: datetime
    renew_at: datetime


class _TokenAnswer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class TokenProvider:
    """Fetches tokens, one request at a time, and keeps the last until shortly before it expires.

    Args:
        client: Sends the requests. Redirects are never followed, whatever it is set to.
        credentials: Tells the OAuth client's credentials, which may change; asked for each token.
        clock: Tells when a token expires.
        on_token: Is told each new token's value, so that logs can mask it.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        credentials: Callable[[], Credentials],
        clock: Clock,
        on_token: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._shown: Credentials | None = None
        self._clock = clock
        self._on_token = on_token
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None
        self.issued = 0

    @property
    def current(self) -> Token | None:
        """The token at hand; None if there is none or it is due for renewal."""
        if self._token is None or self._clock.now() >= self._token.renew_at:
            return None
        return self._token

    async def token(self) -> Token:
        """Return a valid token; callers that come together share one request.

        Raises:
            SourceError: The token endpoint refused, failed, or cannot be reached.
            ConfigError: The credentials cannot be read.
        """
        if (token := self.current) is not None:
            return token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        # Shielded: a caller that gives up must not take the token from the others.
        return await asyncio.shield(self._fetching)

    @property
    def has_new_credentials(self) -> bool:
        """Whether the next login would show others than the last; also if it could show none."""
        try:
            return self._credentials() != self._shown
        except ConfigError:
            return True

    def discard(self, token: Token) -> None:
        """Forget a token that the tenant refused, unless it was replaced meanwhile."""
        if self._token is token:
            self._token = None

    def _fetched(self, task: asyncio.Task[Token]) -> None:
        self._fetching = None
        # Reading the exception marks it as seen when all callers have gone away.
        if not task.cancelled():
            task.exception()

    async def _fetch(self) -> Token:
        shown = self._shown = self._credentials()
        url = shown.token_url
        sent_at = self._clock.now()
        try:
            response = await self._client.post(
                url,
                # Base64 of the raw pair: SAC does not undo percent-encoding here (observed).
                auth=httpx.BasicAuth(shown.client_id, shown.secret),
                data={"grant_type": "client_credentials"},
                headers={"Accept": "application/json"},
                follow_redirects=False,
            )
        except CLIENT_ERRORS as error:
            raise transport_fault(error, url, LOGIN_SETTING) from error
        answer = Answer.of(response, response.content)
        if (fault := token_fault(answer, self._clock.now())) is not None:
            raise fault
        self._token = self._read(answer.data, sent_at)
        self.issued += 1
        self._on_token(self._token.value)
        return self._token

    def _read(self, body: bytes, sent_at: datetime) -> Token:
        try:
            parsed = msgspec.json.decode(body, type=_TokenAnswer, strict=False)
            stated = parsed.expires_in
            lifetime = timedelta(seconds=_UNSTATED_LIFETIME_S if stated is None else stated)
            expires_at = sent_at + lifetime
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
            # Not chained: the decoder's text may quote the body, and the body holds the token.
            parsed, lifetime, expires_at = None, timedelta(), sent_at
        usable = parsed is not None and _BEARER.fullmatch(parsed.access_token)
        if parsed is None or not usable or lifetime <= timedelta():
            raise TokenEndpointError(
                "The token endpoint answered without a usable token.", next_step=COPY_LOGIN_URL
            )
        margin = min(LONGEST_MARGIN, lifetime * _MARGIN_SHARE)
        return Token(parsed.access_token, expires_at, expires_at - margin)


class BearerAuth(httpx.Auth):
    """Attaches a bearer to requests for one origin, and renews it once if it is refused.

    A refusal is a 401 or, as some tenants answer to a token that was revoked, a login page. A new
    token that gets a 401 too is shown once more a little later: it may not be valid yet, as the
    clocks of the login and of the tenant differ.

    Args:
        tokens: Where tokens come from.
        tenant_url: The only origin that may see them.
        clock: Tells how far the clocks of others are off.
        sleep: Waits; tests hand in one that does not.
    """

    def __init__(
        self,
        tokens: TokenProvider,
        tenant_url: str,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._tokens = tokens
        self._origin = origin(tenant_url)
        self._clock = clock
        self._sleep = sleep

    @override
    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send with a token; if it is refused, once more with a new one, which may need a moment.

        Raises:
            UnsafeLinkError: The request is for another origin.
            SourceError: No token can be had.
        """
        if origin(str(request.url)) != self._origin:
            raise UnsafeLinkError(
                "A request to a host other than the tenant was stopped; no token was sent.",
                next_step="Check SAC_TENANT_URL.",
            )
        token = await self._tokens.token()
        response = yield _with_bearer(request, token)
        if _refuses(response):
            self._tokens.discard(token)
            token = await self._tokens.token()
            response = yield _with_bearer(request, token)
            if response.status_code == HTTPStatus.UNAUTHORIZED:
                found = refusal(token.value, response.headers, self._clock.now())
                await self._sleep(found.wait.total_seconds())
                yield _with_bearer(request, token)


def _refuses(response: httpx.Response) -> bool:
    page = response.is_success and "html" in response.headers.get("content-type", "").lower()
    return page or response.is_redirect or response.status_code == HTTPStatus.UNAUTHORIZED


def _with_bearer(request: httpx.Request, token: Token) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token.value}"
    return request


class TokenProbe:
    """Tells whether a token can be had, without asking the tenant each time.

    Args:
        tokens: Where tokens come from.
        clock: Tells when a failure is old enough to ask again.
    """

    def __init__(self, tokens: TokenProvider, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._last: AuthStatus | None = None

    async def check(self) -> AuthStatus:
        """Report a kept token, a recent failure, or the outcome of one new request."""
        kept, last = self._tokens.current, self._last
        recent = last is not None and self._age(last) < _PROBE_INTERVAL
        if last and recent and not (kept or last.ok or self._tokens.has_new_credentials):
            return last
        try:
            token = await self._tokens.token()
        except (SourceError, ConfigError) as error:
            # The time of the answer, not of the question: a time-out is long in coming.
            self._last = AuthStatus(
                ok=False, checked_at=self._clock.now(), detail=error.sentence, code=error.code
            )
        else:
            self._last = AuthStatus(
                ok=True,
                checked_at=last.checked_at if kept and last and last.ok else self._clock.now(),
                expires_at=token.expires_at,
                detail="SAP Analytics Cloud issued a token.",
            )
        return self._last

    def _age(self, status: AuthStatus) -> timedelta:
        return self._clock.now() - status.checked_at
