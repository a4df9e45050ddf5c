"""What the claims of a token say about roles and datasets: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from app.access.callers import Role

Claims = Mapping[str, object]
ALL_DATASETS: Final = "*"
# The issuers' names for who holds a token, the plainest first.
_SUBJECTS: Final = ("sub", "client_id", "azp", "cid")
_LONGEST_NAME: Final = 64


def claim(claims: Claims, name: str) -> object:
    """Return a claim; dots lead into nested ones, unless a name holds them itself.

    >>> claim({"realm_access": {"roles": ["read"]}}, "realm_access.roles")
    ['read']
    >>> claim({"xs.user.attributes": {"dataset": ["cash"]}}, "xs.user.attributes.dataset")
    ['cash']
    """
    if name in claims:
        return claims[name]
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        inner = claims.get(".".join(parts[:cut]))
        if isinstance(inner, Mapping):
            found = claim(inner, ".".join(parts[cut:]))
            if found is not None:
                return found
    return None


def words(value: object) -> frozenset[str]:
    """Return what a claim lists, as a text with blanks between or as an array.

    >>> sorted(words("openid app.read"))
    ['app.read', 'openid']
    """
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list | tuple):
        return frozenset(one for one in value if isinstance(one, str))
    return frozenset()


def roles_of(
    claims: Claims, names: Sequence[str], grants: Mapping[str, frozenset[Role]]
) -> frozenset[Role]:
    """Return the roles that a token gives.

    Args:
        claims: What the token says.
        names: The claims that may list scopes, authorities or roles.
        grants: The roles that each of these words gives; others give none.
    """
    found: set[Role] = set()
    for name in names:
        for word in words(claim(claims, name)):
            found |= grants.get(word, frozenset())
    return frozenset(found)


def datasets_of(claims: Claims, name: str | None) -> frozenset[str] | None:
    """Return the datasets that a token is bound to; None for all.

    Args:
        claims: What the token says.
        name: The claim that lists them, or `*`; a token without it sees none. None if tokens
            are not bound at all.
    """
    if name is None:
        return None
    listed = words(claim(claims, name))
    return None if ALL_DATASETS in listed else listed


def name_of(claims: Claims) -> str:
    """Return who holds a token, for the log and for counting requests."""
    for name in _SUBJECTS:
        value = claims.get(name)
        if isinstance(value, str) and value:
            return f"token:{value[:_LONGEST_NAME]}"
    return "token:unnamed"
