"""The file of API keys: written by a command, read again by the service when it changes."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta

from app.access.callers import Role
from app.access.keys import (
    DATASET_PATTERN,
    HASH_PATTERN,
    ID_PATTERN,
    NAME_PATTERN,
    KeyRing,
    StoredKey,
)
from app.errors import ConfigError, ConfigProblem
from app.text_files import read_text

VARIABLE: Final = "API_KEYS_FILE"
_OWNER_ONLY: Final = 0o600
# A look at a file costs a few microseconds where it is near, and more where it is not.
_LOOK_EVERY_S: Final = 1.0
_BYTE: Final = re.compile(r"\(byte (\d+)\)")

log = structlog.get_logger(__name__)


class KeyEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key of the file.

    Attributes:
        id: Its first part.
        hash: SHA-256 of the whole key.
        role: What it was made for.
        name: Who uses it.
        created: When it was made.
        expires: When it ends; None for never.
        datasets: The only ones that it sees; None for all.
    """

    id: Annotated[str, Meta(pattern=ID_PATTERN)]
    role: Role
    name: Annotated[str, Meta(pattern=NAME_PATTERN)]
    hash: Annotated[str, Meta(pattern=HASH_PATTERN)]
    created: Annotated[datetime, Meta(tz=True)]
    expires: Annotated[datetime, Meta(tz=True)] | None = None
    datasets: Annotated[list[Annotated[str, Meta(pattern=DATASET_PATTERN)]], Meta(min_length=1)] | (
        None
    ) = None

    def checked(self) -> KeyEntry:
        """Return the entry as it will be read again.

        Raises:
            ValueError: It would not be read; says what has a wrong form.
        """
        return msgspec.convert(msgspec.to_builtins(self), KeyEntry)

    @property
    def stored(self) -> StoredKey:
        """The same for a key ring."""
        return StoredKey(
            id=self.id,
            hash=self.hash,
            role=self.role,
            name=self.name,
            datasets=None if self.datasets is None else frozenset(self.datasets),
            expires=self.expires,
        )


class _File(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[KeyEntry]


def read_entries(path: Path) -> tuple[KeyEntry, ...]:
    """Return all keys of a file.

    Raises:
        ConfigError: It cannot be read, or is malformed.
    """
    try:
        text = read_text(path)
    except ValueError as error:
        raise _wrong(path, str(error)) from error
    try:
        entries = msgspec.json.decode(text, type=_File).keys
    except (msgspec.DecodeError, RecursionError) as error:
        # The library's words tell the place and the form, and quote neither hash nor text.
        raise _wrong(path, _with_line(str(error), text)) from None
    if len({entry.id for entry in entries}) != len(entries):
        raise _wrong(path, "one id twice")
    return tuple(entries)


def _with_line(words: str, text: str) -> str:
    """Name the line, where the library counts bytes."""
    place = _BYTE.search(words)
    if place is None:
        return words
    line = text.encode()[: int(place[1])].count(b"\n") + 1
    return f"line {line}: {words}"


@contextmanager
def changing(path: Path) -> Iterator[list[KeyEntry]]:
    """Give the keys of a file to be changed, and write them back; one writer at a time.

    A file that does not exist yet is made, readable for its owner alone. Readers see the old
    keys or the new ones, never a part.

    Raises:
        ConfigError: The file is there and cannot be read; nothing was changed.
    """
    with _locked(path.with_name(f".{path.name}.lock")):
        entries = list(read_entries(path)) if path.exists() else []
        yield entries
        _write(path, entries)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_CREAT | os.O_RDWR, _OWNER_ONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, entries: Sequence[KeyEntry]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(_File(list(entries)))) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class WatchedKeys:
    """The keys of a file as it is now; if it is malformed or gone, those of before stay valid.

    Args:
        path: The file.
        seconds: Tells how time passes; the file is looked at once a second at most.
    """

    def __init__(self, path: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._seconds = seconds
        self._looked = seconds()
        self._seen: tuple[int, ...] | None = None
        self._ring: KeyRing | None = None
        self._read(_look(path))

    @property
    def ring(self) -> KeyRing:
        """The keys that are valid now.

        Raises:
            ConfigError: The file could not be read yet, so that nobody knows them.
        """
        now = self._seconds()
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            seen = _look(self._path)
            if seen != self._seen:
                self._read(seen)
        if self._ring is None:
            raise unreadable(VARIABLE)
        return self._ring

    def _read(self, seen: tuple[int, ...] | None) -> None:
        self._seen = seen
        try:
            self._ring = _ring(self._path)
        except ConfigError as error:
            kept = 0 if self._ring is None else len(self._ring)
            log.error("keys_file_unusable", reason=str(error.problems[0]), kept=kept)  # noqa: TRY400 - the reason suffices
        else:
            log.info("keys_file_read", keys_valid=len(self._ring))


def unreadable(what: str) -> ConfigError:
    """Return what a caller is told while nobody knows who may call; strangers see no more."""
    error = ConfigError(
        (
            ConfigProblem(
                variable=what,
                found="what cannot be read; the log of the service says why",
                expected="who may call",
                example=f"{VARIABLE}=keys.json",
            ),
        )
    )
    error.next_step = "Ask whoever runs the service."
    return error


def _ring(path: Path) -> KeyRing:
    return KeyRing(entry.stored for entry in read_entries(path))


def _look(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # The last of them changes with the rights, too.
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _wrong(path: Path, found: str) -> ConfigError:
    problem = ConfigProblem(
        variable=VARIABLE,
        found=f"{path}: {found}",
        expected="the path of a file that `python -m demo.keys make` wrote",
        example="keys.json",
    )
    return ConfigError((problem,))
