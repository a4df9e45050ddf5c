"""The folder of a cache on this machine: how large it is, what room is left, who may write to it.

Nothing is read but names and sizes. Of an object store nothing is known: it would cost requests.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.pipeline.delta_log import LOG_FOLDER, local_folder

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
    """

    def __init__(self, uri: str) -> None:
        self._root = local_folder(uri)

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
