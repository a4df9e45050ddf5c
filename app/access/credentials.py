"""Finds the key or token in the headers of a request: pure functions over bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from app.errors import BadCredentialError, CredentialConflictError

KEY_HEADER: Final = "X-API-Key"
_KEY_HEADER: Final = KEY_HEADER.lower().encode()
_TOKEN_HEADER: Final = b"authorization"
# RFC 6750, section 2.1: the scheme, one blank or more, and one token.
# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_BEARER: Final = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)
_PLAIN: Final = re.compile(rb" *([\x21-\x7e]+) *")
# Issuers put little more than names of roles into a token; this is plenty.
LONGEST_CREDENTIAL: Final = 16_384


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the one key or token of a request; None if it shows none.

    Another scheme than Bearer is no business of ours: a proxy before us may use it.

    Args:
        headers: Names in lower case, and values.

    Raises:
        BadCredentialError: There is one, and it cannot be read.
        CredentialConflictError: There are several.
    """
    found: list[re.Match[bytes] | None] = []
    for name, value in headers:
        if name == _TOKEN_HEADER and _is_bearer(value):
            found.append(_BEARER.fullmatch(value))
        elif name == _KEY_HEADER:
            found.append(_PLAIN.fullmatch(value))
    if not found:
        return None
    if len(found) > 1:
        raise CredentialConflictError(
            "The request shows more than one key or token.", next_step="Send one of them."
        )
    if found[0] is None or len(found[0][1]) > LONGEST_CREDENTIAL:
        raise refused()
    return found[0][1].decode("ascii")


def _is_bearer(value: bytes) -> bool:
    return value[:6].lower() == b"bearer" and value[6:7] in {b"", b" "}


def refused() -> BadCredentialError:
    """Return the one refusal for whatever is wrong with a key or token."""
    return BadCredentialError(
        "The key or token is not valid.",
        next_step="Send a valid API key, or a fresh token of the issuer.",
    )
