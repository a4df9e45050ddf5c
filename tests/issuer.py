"""Drives the OpenID Connect issuer of the tests, and forges tokens that it never issued."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from demo.processes import ROOT, first_url, python_module
from tests.oidc_server import CLIENT_ID, CLIENT_WORD
from tests.simulated_tenant import PATIENCE_S

Json = dict[str, Any]


class IssuerProcess:
    """The issuer as a process of its own.

    Args:
        url: Where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def token(
        self,
        scope: str = "sac-series.read",
        *,
        algorithm: str = "RS256",
        audience: str = "sac-series",
        **claims: Any,  # noqa: ANN401 - JSON
    ) -> str:
        """Ask for a token as a client does; None takes a claim away."""
        answer = self._client.post(
            "/token",
            auth=(CLIENT_ID, CLIENT_WORD),
            data={
                "grant_type": "client_credentials",
                "scope": scope,
                "audience": audience,
                "algorithm": algorithm,
                "claims": json.dumps(claims),
            },
        ).raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def keys(self) -> list[Json]:
        """Return the public keys."""
        found: list[Json] = self._client.get("/jwks").raise_for_status().json()["keys"]
        return found

    def rotate(self) -> None:
        """Let it sign with new keys."""
        self._client.post("/_admin/rotate").raise_for_status()

    def set(self, **switches: object) -> None:
        """Let it fail (`failing`), or call itself something else (`named`)."""
        self._client.post("/_admin/set", json=switches).raise_for_status()

    def asked(self, what: str) -> int:
        """Return how often `discovery` or `jwks` was asked for."""
        counts: dict[str, int] = self._client.get("/_admin/requests").raise_for_status().json()
        return counts.get(what, 0)


@contextlib.contextmanager
def running_issuer() -> Iterator[IssuerProcess]:
    """Run an issuer while the context lasts."""
    with python_module("tests.oidc_server", folder=ROOT) as process:
        issuer = IssuerProcess(first_url(process))
        try:
            yield issuer
        finally:
            issuer.close()


def bearer(credential: str) -> dict[str, str]:
    """Return the header that shows a key or token."""
    return {"Authorization": f"Bearer {credential}"}


def encoded(part: Json | bytes) -> str:
    """Return a part of a token."""
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def claims_of(issuer: str, **changes: object) -> Json:
    """Return claims that would do, if the signature did."""
    now = int(time.time())
    usual = {"iss": issuer, "aud": "sac-series", "sub": "mallory", "scope": "sac-series.read"}
    return {**usual, "iat": now, "exp": now + 3_600, **changes}


def unsigned(issuer: str) -> str:
    """Forge a token with algorithm `none`."""
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims_of(issuer))}."


def signed_with_public_key(issuer: str, key: Json) -> str:
    """Forge a token with HS256, whose shared secret is the issuer's public key."""
    public: Any = PyJWK(key).key
    shared = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": key["kid"]}
    signed = f"{encoded(header)}.{encoded(claims_of(issuer))}"
    mark = hmac.new(shared, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{encoded(mark)}"


def with_key_id(token: str, key_id: object) -> str:
    """Change the key id of a token; its signature does not fit any more."""
    header, claims, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    return f"{encoded({**told, 'kid': key_id})}.{claims}.{signature}"
