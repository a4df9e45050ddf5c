"""API keys: how they look, and how they are recognised without being kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from app.access.callers import Caller, Role

KEY_PREFIX: Final = "sacs_"
_ID_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_ID_LENGTH: Final = 12
_SECRET_BYTES: Final = 32
_ID: Final = rf"[{_ID_ALPHABET}]{{{_ID_LENGTH}}}"
_HASH: Final = r"[0-9a-f]{64}"
_KEY: Final = re.compile(rf"{KEY_PREFIX}({_ID})_[A-Za-z0-9_-]{{43}}")
ID_PATTERN: Final = rf"\A{_ID}\Z"
HASH_PATTERN: Final = rf"\A{_HASH}\Z"
NAME_PATTERN: Final = r"\A[\w .@/+-]{1,64}\Z"
DATASET_PATTERN: Final = r"\A[a-z0-9_-]{1,64}\Z"
_STORED: Final = re.compile(rf"({_ID}):({_HASH})")
# Compared with when there is no such key, so that an unknown id takes as long as a wrong secret.
_NOBODY: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What is kept of a key.

    Attributes:
        id: Its first part, by which it is found; no secret.
        hash: SHA-256 of the whole key, as hex digits.
        role: What it was made for.
        name: Who uses it, for people.
        datasets: The only ones that it sees; None for all.
        expires: When it ends (UTC); None for never.
    """

    id: str
    hash: str = field(repr=False)
    role: Role
    name: str = ""
    datasets: frozenset[str] | None = None
    expires: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Who calls with it."""
        return Caller(f"key:{self.id}", frozenset({self.role}), self.datasets)


class KeyRing:
    """Recognises keys: one look into a table and one hash for each.

    Args:
        keys: All that are valid, or were until they expired.
    """

    def __init__(self, keys: Iterable[StoredKey] = ()) -> None:
        self._keys = {key.id: (key, key.caller) for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str, now: datetime) -> Caller | None:
        """Return who calls with a key; None if it is not valid, for whatever reason."""
        form = _KEY.fullmatch(text)
        if form is None:
            return None
        found = self._keys.get(form[1])
        same = compare_digest(hash_of(text), found[0].hash if found else _NOBODY)
        if found is None or not same:
            return None
        key, caller = found
        return None if key.expires is not None and key.expires <= now else caller


def new_key() -> str:
    """Return a new key: an id to find it by, and 256 random bits."""
    own_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    return f"{KEY_PREFIX}{own_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def hash_of(key: str) -> str:
    """Return what is kept of a key."""
    return sha256(key.encode()).hexdigest()


def id_of(key: str) -> str:
    """Return the part of a key by which it is found.

    Raises:
        ValueError: The text does not have the form of a key.
    """
    form = _KEY.fullmatch(key)
    if form is None:
        raise ValueError("a text that is no key")
    return form[1]


def stored_form(key: str) -> str:
    """Return a key's id and hash, as variables hold them: `<id>:<hash>`."""
    return f"{id_of(key)}:{hash_of(key)}"


def read_stored(text: str, role: Role) -> StoredKey:
    """Read what `stored_form` wrote.

    Raises:
        ValueError: The text has another form; it is not quoted, because it may be a key.
    """
    form = _STORED.fullmatch(text)
    if form is None:
        what = "a key itself" if _KEY.fullmatch(text) else "a text of another form"
        raise ValueError(f"{what} instead of its id and hash")
    return StoredKey(id=form[1], hash=form[2], role=role)
