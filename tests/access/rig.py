"""An issuer in memory, and a guard that trusts it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from limits import RateLimitItem

from app.access.callers import Role
from app.access.guard import Guard
from app.access.keyfile import WatchedKeys
from app.access.keys import KEY_PREFIX, KeyRing, StoredKey, hash_of, id_of
from app.access.limiting import Bucket, Limiter
from app.access.signing_keys import SigningKeys
from app.access.tokens import TokenRules, TokenVerifier
from app.errors import IssuerUnavailableError
from tests.fakes import FakeClock
from tests.oidc_server import Issuer

URL = "https://issuer.example"
RULES = TokenRules(
    issuer=URL,
    audiences=("sac-series",),
    grants={role.value: frozenset({role}) for role in Role},
    datasets_claim=None,
)
NO_LIMITS: Mapping[Bucket, RateLimitItem | None] = {}


def a_key(name: str) -> str:
    """Return a key that is always the same for a name."""
    digest = sha256(name.encode()).hexdigest()
    own_id = digest[:12].translate(str.maketrans("01", "xy"))
    return f"{KEY_PREFIX}{own_id}_{digest[:43]}"


def stored(
    key: str,
    role: Role = Role.READ,
    *,
    datasets: frozenset[str] | None = None,
    expires: datetime | None = None,
) -> StoredKey:
    """Return what is kept of a key."""
    return StoredKey(
        id=id_of(key), hash=hash_of(key), role=role, datasets=datasets, expires=expires
    )


class FakeIssuer:
    """An issuer in memory; its tokens are real.

    Attributes:
        issuer: Signs.
        documents: What is served instead of the truth, by address.
        down: Whether it fails.
        gate: A request waits for it; None for no wait.
        asked: Every address that was asked for.
    """

    def __init__(self) -> None:
        self.issuer = Issuer(URL)
        self.documents: dict[str, bytes] = {}
        self.down = False
        self.gate: asyncio.Event | None = None
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        """Serve a document."""
        self.asked.append(url)
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise IssuerUnavailableError(f"{url} answered 503")
        if url in self.documents:
            return self.documents[url]
        if url.endswith("openid-configuration"):
            return msgspec.json.encode({"issuer": URL, "jwks_uri": f"{URL}/jwks"})
        keys = [key.public for key in self.issuer.keys.values()]
        return msgspec.json.encode({"keys": keys})

    def token(self, scope: str = "read", algorithm: str = "RS256", **claims: Any) -> str:  # noqa: ANN401 - JSON
        """Issue a token."""
        told = {"scope": scope, "claims": msgspec.json.encode(claims).decode()}
        return self.issuer.token({**told, "algorithm": algorithm})


class TokenClock(FakeClock):
    """A clock that begins at the present: what signs and checks tokens has no other."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))


class Rig:
    """What checks tokens, in front of an issuer in memory.

    Args:
        rules: What a token must be like.
    """

    def __init__(self, rules: TokenRules = RULES) -> None:
        self.issuer = FakeIssuer()
        self.clock = TokenClock()
        discovery = f"{URL}/.well-known/openid-configuration"
        self.keys = SigningKeys(URL, discovery, self.issuer.fetch, self.clock)
        self.verifier = TokenVerifier(rules, self.keys, self.clock)

    def guard(
        self,
        *keys: StoredKey,
        paces: Mapping[Bucket, RateLimitItem | None] = NO_LIMITS,
        file: WatchedKeys | None = None,
    ) -> Guard:
        """Return a guard that knows these keys and trusts the issuer."""
        return Guard(KeyRing(keys), file, self.verifier, Limiter(paces), self.clock)


def yesterday(clock: FakeClock) -> datetime:
    """Return a time that has passed."""
    return clock.now() - timedelta(days=1)
