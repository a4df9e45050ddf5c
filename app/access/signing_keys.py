"""The keys that an issuer signs with: found through its discovery, kept, and asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from app import forms
from app.errors import IssuerUnavailableError
from app.text_files import without_mark

# Keys are asked for again, without anybody waiting, when they are this old.
FRESH_FOR: Final = timedelta(minutes=10)
# An issuer that is down for longer may have withdrawn them meanwhile.
USABLE_FOR: Final = timedelta(hours=24)
# Neither tokens with made-up key ids nor an issuer that is down cause more requests than this.
ASK_EVERY: Final = timedelta(seconds=10)
_MOST_KEYS: Final = 100

# RFC 7518, section 3.1, and RFC 8037, section 3.1: what kind of key an algorithm needs.
# https://www.rfc-editor.org/rfc/rfc7518#section-3.1
_KINDS: Final[dict[str, tuple[str, str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS: Final = tuple(_KINDS)

log = structlog.get_logger(__name__)

Fetch = Callable[[str], Awaitable[bytes]]
FormT = TypeVar("FormT", bound=msgspec.Struct)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""
        ...


class Discovery(msgspec.Struct):
    """What we read of an issuer's description of itself."""

    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class SigningKeys:
    """The keys of one issuer.

    They are fetched when the first token comes, and anew in the background when they are not
    fresh. A key id that nobody knows is a reason to ask at once, but rarely. While the issuer is
    down the old keys serve on, for a day at most.

    Args:
        issuer: As tokens and the discovery must name it.
        discovery_url: Where the issuer describes itself.
        fetch: Gets a document, or raises `IssuerUnavailableError` with words for the log.
        clock: Tells how old the keys are.
    """

    def __init__(self, issuer: str, discovery_url: str, fetch: Fetch, clock: Clock) -> None:
        self._issuer = issuer
        self._discovery_url = discovery_url
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[dict[str, Any], ...] = ()
        self._fetched: datetime | None = None
        self._asked: datetime | None = None
        self._asked_for_unknown: datetime | None = None
        self._failed = False
        self._asking: asyncio.Task[None] | None = None
        self.generation = 0

    async def key(self, key_id: str | None, algorithm: str) -> PyJWK | None:
        """Return the key that a token says it was signed with; None if the issuer has none such.

        Raises:
            IssuerUnavailableError: It cannot be told, because the issuer does not answer.
        """
        await self._have_keys()
        found = chosen(self._keys, key_id, algorithm)
        if found is not None:
            return found
        if self._asking is not None or self._due(self._asked_for_unknown):
            self._asked_for_unknown = self._clock.now()
            await self._ask()
            found = chosen(self._keys, key_id, algorithm)
        if found is None and self._failed:
            raise _unavailable()
        return found

    async def _have_keys(self) -> None:
        """Make sure that there are keys which may still be used."""
        age = None if self._fetched is None else self._clock.now() - self._fetched
        if age is None or age > USABLE_FOR:
            if self._asking is not None or self._due(self._asked):
                await self._ask()
            if self._failed or self._fetched is None:
                raise _unavailable()
        elif age > FRESH_FOR and self._due(self._asked):
            self._start()

    def _due(self, last: datetime | None) -> bool:
        return last is None or self._clock.now() - last >= ASK_EVERY

    async def _ask(self) -> None:
        # Whoever waits may hang up without stopping it for the others.
        await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[None]:
        if self._asking is None:
            self._asking = asyncio.create_task(self._load())
        return self._asking

    async def _load(self) -> None:
        self._asked = self._clock.now()
        try:
            keys = await self._read()
        except IssuerUnavailableError as error:
            self._failed = True
            log.warning("issuer_unavailable", issuer=self._issuer, reason=str(error))
        else:
            if keys != self._keys:
                self._keys, self.generation = keys, self.generation + 1
                log.info("issuer_keys_read", issuer=self._issuer, signing_count=len(keys))
            self._fetched, self._failed = self._clock.now(), False
        finally:
            self._asking = None

    async def _read(self) -> tuple[dict[str, Any], ...]:
        found = await self._document(self._discovery_url, Discovery)
        if found.issuer != self._issuer:
            raise _unusable(self._discovery_url, f"it is of another issuer, '{found.issuer}'")
        try:
            forms.url(found.jwks_uri)
        except ValueError as error:
            raise _unusable(self._discovery_url, f"its jwks_uri is {error}") from None
        return tuple((await self._document(found.jwks_uri, _KeySet)).keys[:_MOST_KEYS])

    async def _document(self, url: str, form: type[FormT]) -> FormT:
        try:
            return msgspec.json.decode(without_mark(await self._fetch(url)), type=form)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _unusable(url, f"it has another form ({error})") from None


def chosen(keys: Sequence[dict[str, Any]], key_id: str | None, algorithm: str) -> PyJWK | None:
    """Return the one key of a set that fits; None if none does, or without an id several do."""
    fitting = [key for key in keys if _fits(key, algorithm)]
    if key_id is not None:
        fitting = [key for key in fitting if key.get("kid") == key_id][:1]
    if len(fitting) != 1:
        return None
    try:
        return PyJWK(fitting[0], algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None


def _fits(key: dict[str, Any], algorithm: str) -> bool:
    kind, curve = _KINDS[algorithm]
    return (
        key.get("kty") == kind
        and curve in {None, key.get("crv")}
        and key.get("use") in {None, "sig"}
        and key.get("alg") in {None, algorithm}
    )


def _unusable(url: str, why: str) -> IssuerUnavailableError:
    return IssuerUnavailableError(f"{url} cannot be used: {why}")


def _unavailable() -> IssuerUnavailableError:
    return IssuerUnavailableError(
        "The issuer of the token cannot be reached, so the token cannot be checked.",
        next_step="Try again soon; the log of the service tells more.",
    )
