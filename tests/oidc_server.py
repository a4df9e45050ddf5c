"""An OpenID Connect issuer over a real socket: `python -m tests.oidc_server`.

It issues tokens for client credentials, signed with RS256 or ES256, and does on request what
issuers do in bad moments: rotates its keys, fails, describes itself as another.
"""

from __future__ import annotations

import base64
import json
import socket
import time
from collections import Counter
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT_ID = "dashboard"
CLIENT_WORD = "correct-horse-battery"
WELL_KNOWN = "/.well-known/openid-configuration"
LIFETIME_S = 3_600


class SigningKey:
    """A pair of keys with an id."""

    def __init__(self, algorithm: str, number: int) -> None:
        self.id = f"{algorithm.lower()}-{number}"
        self.algorithm = algorithm
        self.private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        if algorithm == "RS256":
            self.private = rsa.generate_private_key(65_537, 2_048)
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        """The public half, as a JWK."""
        key = self.private
        if isinstance(key, rsa.RSAPrivateKey):
            shown = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        else:
            shown = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {**shown, "kid": self.id, "use": "sig", "alg": self.algorithm}


class Issuer:
    """What the server knows and does.

    Args:
        url: Where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.rotations = 0
        self.requests: Counter[str] = Counter()
        self.failing = False
        self.named = url
        self.keys: dict[str, SigningKey] = {}
        self.rotate()

    def rotate(self) -> None:
        """Sign with new keys, and forget the old ones."""
        self.rotations += 1
        self.keys = {name: SigningKey(name, self.rotations) for name in ("RS256", "ES256")}

    def sign(self, claims: dict[str, Any], algorithm: str) -> str:
        """Return a token with these claims."""
        key = self.keys[algorithm]
        return jwt.encode(claims, key.private, algorithm, headers={"kid": key.id})

    def token(self, asked: dict[str, str]) -> str:
        """Return a token for what the client asks; `claims` change it, null takes one away."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": CLIENT_ID,
            "aud": asked.get("audience", "sac-series"),
            "iat": now,
            "exp": now + LIFETIME_S,
            "scope": asked.get("scope", ""),
            **json.loads(asked.get("claims", "{}")),
        }
        told = {name: value for name, value in claims.items() if value is not None}
        return self.sign(told, asked.get("algorithm", "RS256"))


def build(url: str) -> FastAPI:
    """Return the server's app."""
    issuer = Issuer(url)
    app = FastAPI()

    @app.get(WELL_KNOWN)
    async def discovery() -> Response:
        issuer.requests["discovery"] += 1
        if issuer.failing:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse(
            {"issuer": issuer.named, "jwks_uri": f"{url}/jwks", "token_endpoint": f"{url}/token"}
        )

    @app.get("/jwks")
    async def jwks() -> Response:
        issuer.requests["jwks"] += 1
        if issuer.failing:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"keys": [key.public for key in issuer.keys.values()]})

    @app.post("/token")
    async def token(request: Request) -> Response:
        known = base64.b64encode(f"{CLIENT_ID}:{CLIENT_WORD}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return JSONResponse({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        form = parse_qs((await request.body()).decode())
        asked = {name: values[0] for name, values in form.items()}
        if asked.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)
        body = {
            "access_token": issuer.token(asked),
            "token_type": "bearer",
            "expires_in": LIFETIME_S,
        }
        return JSONResponse(body)

    _administer(app, issuer)
    return app


def _administer(app: FastAPI, issuer: Issuer) -> None:
    @app.post("/_admin/rotate")
    async def rotate() -> dict[str, int]:
        issuer.rotate()
        return {"rotations": issuer.rotations}

    @app.post("/_admin/set")
    async def switch(request: Request) -> dict[str, bool]:
        asked = await request.json()
        issuer.failing = asked.get("failing", False)
        issuer.named = asked.get("named", issuer.url)
        return {"failing": issuer.failing}

    @app.get("/_admin/requests")
    async def requests() -> dict[str, int]:
        return dict(issuer.requests)


def main() -> None:
    """Listen on a free port of loopback, say which, and serve."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(f"Issuer {url}", flush=True)  # noqa: T201 - whoever started it reads it
    uvicorn.Server(uvicorn.Config(build(url), log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
