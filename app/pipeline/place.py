"""The folder of a cache on this machine: how large it is, what room is left, who may write to it.

Nothing is read but names and sizes. Of an object store nothing is known: it would cost requests.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import CacheUnavailableError
from app.pipeline.delta_log import LOG_FOLDER
from app.places import cache_place, local_folder

_COMMIT: Final = re.compile(r"\d{20}\.json")


@dataclass(frozen=True, slots=True)
class TableSize:
    """What a dataset takes up.

    Attributes:
        bytes: Bytes of all its files, older versions included.
        files: How many these are.
        versions: How many versions there are.
    """

    bytes: int
    files: int
    versions: int


class CachePlace:
    """Looks at the folder of a cache. Calls block.

    Args:
        uri: Root of the cache.

    Raises:
        CacheUnavailableError: No cache can be there.
    """

    def __init__(self, uri: str | Path) -> None:
        self._root = local_folder(cache_root(uri))

    def size(self, dataset: str) -> TableSize | None:
        """Return what a dataset takes up; None if that cannot be told, or it has nothing."""
        if self._root is None:
            return None
        found = list(_files(self._root / dataset))
        versions = sum(
            1
            for entry in found
            if _COMMIT.fullmatch(entry.name) and Path(entry.path).parent.name == LOG_FOLDER
        )
        return TableSize(sum(map(_size, found)), len(found), versions) if found else None

    def free_bytes(self) -> int | None:
        """Return how much room is left; None if that cannot be told."""
        if self._root is None:
            return None
        with suppress(OSError):
            return shutil.disk_usage(_existing(self._root)).free
        return None

    def writable(self) -> bool | None:
        """Return whether the folder may be written to; None if that cannot be told.

        What is looked at is the permission: a full disk is told by `free_bytes`.
        """
        if self._root is None:
            return None
        return os.access(_existing(self._root), os.W_OK | os.X_OK)


def cache_root(uri: str | Path) -> str:
    """Return the root of a cache as all who read or write there must call it.

    What comes from the settings has gone through the same function and stays as it is.

    Raises:
        CacheUnavailableError: No cache can be there.
    """
    try:
        return cache_place(str(uri))
    except ValueError as error:
        raise CacheUnavailableError(
            f"No cache can be at '{uri}': found {error}.",
            next_step="Name another place, such as /var/lib/sac-series/cache.",
        ) from error


def table_place(root: str, dataset: str) -> str:
    """Return where the table of a dataset is, and the small files beside it."""
    return f"{root.rstrip('/')}/{dataset}"


def check_writable(folder: Path) -> None:
    """Raise what a write would, as far as that can be told without one.

    Raises:
        OSError: A part of the path is no folder, or may not be written to.
    """
    found = _existing(folder)
    if not found.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(found))
    if not os.access(found, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(found))


def _existing(folder: Path) -> Path:
    # The first refresh makes the folder.
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    # A cleaning may take away what was listed a moment ago.
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry


def _size(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_size
    return 0
