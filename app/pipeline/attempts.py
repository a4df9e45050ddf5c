"""Keeps how the last refresh of each dataset ended, in a small file beside its table.

The file is no part of the Delta log: readers of the table do not see it, and writing it never moves
the time of the data. If it cannot be written, the attempt is remembered by this process alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from app.errors import CacheCorruptError, CacheError, CacheMissingError
from app.pipeline.delta_log import translated
from app.pipeline.place import cache_root
from app.pipeline.side_files import FOLDER, SideFiles
from app.pipeline.turns import OncePerTurn
from app.places import local_folder
from app.reports import Attempt, AttemptOutcome

ATTEMPT_PATH: Final = f"{FOLDER}/attempt.json"
UNREADABLE_CODE: Final = "attempt_unreadable"
_UNREADABLE: Final = (
    "How the last refresh ended cannot be read, so there may be newer data. Refresh the dataset."
)

_Sign = tuple[int, int, int]
_ABSENT: Final[_Sign] = (0, 0, 0)
_LOOK: Final = "attempt"

log = structlog.get_logger(__name__)


class StoredAttempts:
    """An `AttemptStore` in the folders of the cache.

    Args:
        uri: Root of the cache.
        storage_options: Passed through to the object store.
        looks: What was looked at in this turn of the event loop; None to share it with nobody.
    """

    def __init__(
        self,
        uri: str | Path,
        storage_options: Mapping[str, str] | None = None,
        *,
        looks: OncePerTurn[Any] | None = None,
    ) -> None:
        self._files = SideFiles(uri, "attempt.json", storage_options)
        self._unwritten: dict[str, Attempt] = {}
        self._seen: dict[str, tuple[_Sign, Attempt]] = {}
        self._local = local_folder(cache_root(uri))
        self._looks: OncePerTurn[tuple[Attempt | None] | None] = looks or OncePerTurn()

    def keep(self, attempt: Attempt) -> None:
        """Write an attempt; remember it if that fails."""
        try:
            with translated("write the last attempt", self._files.place(attempt.dataset)):
                self._files.write(attempt.dataset, msgspec.json.encode(attempt))
        except CacheError as error:
            self._unwritten[attempt.dataset] = attempt
            # Without data there is nothing to keep it beside, and nobody whom it could mislead.
            if not isinstance(error, CacheMissingError):
                log.warning("attempt_not_kept", dataset=attempt.dataset, reason=str(error))
        else:
            self._unwritten.pop(attempt.dataset, None)
        self._looks.forget()

    def last(self, dataset: str) -> Attempt | None:
        """Return what the file says, or what could not be written into it since."""
        # Looked at before it is read, so that a change in between is seen the next time.
        sign = self._sign(dataset)
        kept = self._read(dataset)
        if sign and kept is not None and kept.outcome is not AttemptOutcome.UNKNOWN:
            self._seen[dataset] = sign, kept
        return self._newer(dataset, kept)

    def last_at_hand(self, dataset: str) -> tuple[Attempt | None] | None:
        """Return what `last` would, if the file is on a local disk and was read before.

        A file is another if its inode, size or time is. What is found holds for all who ask in the
        same turn of the event loop.
        """
        return self._looks.get((_LOOK, dataset), self._at_hand, dataset)

    def _at_hand(self, dataset: str) -> tuple[Attempt | None] | None:
        sign = self._sign(dataset)
        if sign is None:
            return None
        if sign == _ABSENT:
            return (self._newer(dataset, None),)
        seen = self._seen.get(dataset)
        return (self._newer(dataset, seen[1]),) if seen and seen[0] == sign else None

    def _newer(self, dataset: str, kept: Attempt | None) -> Attempt | None:
        own = self._unwritten.get(dataset)
        if own is None or own.at is None:
            return kept
        # Another process may have written after our own attempt.
        return kept if kept is not None and kept.at is not None and kept.at > own.at else own

    def _sign(self, dataset: str) -> _Sign | None:
        """Return what tells one state of the file from another; None if that needs a look at it."""
        if self._local is None:
            return None
        try:
            found = os.stat(f"{self._local}/{dataset}/{ATTEMPT_PATH}")  # noqa: PTH116 - a third of the time
        except FileNotFoundError:
            return _ABSENT
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self, dataset: str) -> Attempt | None:
        try:
            with translated("read the last attempt", self._files.place(dataset)):
                return self._found(dataset)
        except CacheMissingError:
            return None
        except CacheError as error:
            log.warning("attempt_not_read", dataset=dataset, reason=str(error))
            return Attempt(
                dataset=dataset,
                outcome=AttemptOutcome.UNKNOWN,
                code=UNREADABLE_CODE,
                sentence=_UNREADABLE,
            )

    def _found(self, dataset: str) -> Attempt | None:
        if (text := self._files.read(dataset)) is None:
            return None
        attempt = msgspec.json.decode(text, type=Attempt)
        if attempt.dataset != dataset or attempt.at is None or attempt.at.tzinfo is None:
            raise CacheCorruptError("The last attempt is not of this dataset, or has no time.")
        return attempt
