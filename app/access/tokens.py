"""Checks tokens of an issuer (JWT), once each: what was checked is remembered until it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import jwt
import structlog
from jwt.exceptions import PyJWTError

from app.access.callers import Caller, Role
from app.access.claims import datasets_of, name_of, roles_of
from app.access.credentials import refused
from app.access.signing_keys import Clock, SigningKeys

TOKENS_KEPT: Final = 4_096
KEPT_FOR: Final = timedelta(hours=1)
_PARTS: Final = 3
# PyJWT's names for what is wrong, as the log and `error_description` write them.
_REASONS: Final[Mapping[type[PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "it expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is of another issuer",
    jwt.MissingRequiredClaimError: "it lacks a claim",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must be like.

    Attributes:
        issuer: Who issued it, exactly as its claim `iss` says.
        audiences: It must be for one of these.
        algorithms: How it may be signed; never with a shared secret.
        leeway: How far the clocks may be apart.
        grants: The roles that each scope gives.
        scope_claims: The claims that may list scopes.
        datasets_claim: The claim that lists datasets; None if tokens are not bound.
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    leeway: timedelta = timedelta(seconds=30)
    grants: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    scope_claims: Sequence[str] = ("scope", "scp", "authorities", "roles")
    datasets_claim: str | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    caller: Caller
    ends: datetime
    generation: int


class TokenVerifier:
    """Tells who calls with a token.

    Args:
        rules: What a token must be like.
        keys: What it must be signed with.
        clock: Tells when a remembered token ends.
    """

    def __init__(self, rules: TokenRules, keys: SigningKeys, clock: Clock) -> None:
        self._rules = rules
        self._keys = keys
        self._clock = clock
        self._checked: dict[bytes, _Checked] = {}
        self.checks = 0

    def known(self, token: str) -> Caller | None:
        """Return who calls with a token that was checked before; None if it must be checked."""
        mark = sha256(token.encode()).digest()
        found = self._checked.get(mark)
        if found is None:
            return None
        if found.ends <= self._clock.now() or found.generation != self._keys.generation:
            del self._checked[mark]
            return None
        return found.caller

    async def check(self, token: str) -> Caller:
        """Check a token, and remember it.

        Raises:
            BadCredentialError: It is not valid.
            IssuerUnavailableError: It cannot be checked.
        """
        self.checks += 1
        header = _header(token)
        algorithm, key_id = header.get("alg"), header.get("kid")
        # Before anything else: the token itself says how it wants to be checked.
        if algorithm not in self._rules.algorithms:
            raise _refused("its algorithm is not allowed")
        key = await self._keys.key(key_id, algorithm)
        if key is None:
            raise _refused("the issuer has no such key")
        claims = self._claims(token, key)
        caller = Caller(
            name_of(claims),
            roles_of(claims, self._rules.scope_claims, self._rules.grants),
            datasets_of(claims, self._rules.datasets_claim),
        )
        self._remember(token, caller, int(claims["exp"]))
        return caller

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=self._rules.algorithms,
                audience=self._rules.audiences,
                issuer=self._rules.issuer,
                leeway=self._rules.leeway,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except (PyJWTError, RecursionError) as error:
            known = (words for kind, words in _REASONS.items() if isinstance(error, kind))
            raise _refused(next(known, "its signature or form is wrong")) from None

    def _remember(self, token: str, caller: Caller, expires: int) -> None:
        while len(self._checked) >= TOKENS_KEPT:
            del self._checked[next(iter(self._checked))]
        longest = self._clock.now() + KEPT_FOR
        # Compared as numbers: a token may name a time that no calendar reaches.
        last = min(expires + self._rules.leeway.total_seconds(), longest.timestamp())
        ends = datetime.fromtimestamp(last, UTC)
        mark = sha256(token.encode()).digest()
        self._checked[mark] = _Checked(caller, ends, self._keys.generation)


def looks_like_token(text: str) -> bool:
    """Tell whether a text may be a JWT."""
    return len(text.split(".", _PARTS)) == _PARTS


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except (PyJWTError, RecursionError):
        raise _refused("its form is wrong") from None


def _refused(reason: str) -> Exception:
    log.info("token_refused", reason=reason)
    return refused()
