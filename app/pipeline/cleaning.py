"""Takes versions away that nobody may need any more, and what broken writers left behind.

At any moment, also if it is killed in between, every version that is still listed can be read: the
log goes first, from the newest entry that goes to the oldest, and only then the data.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.pipeline.table_files import FileEntry, TableFiles

_VERSION_FILE = re.compile(r"_delta_log/(\d{20})\.(?:json|checkpoint\..*parquet)")
# What delta-rs calls its files; whatever else lies in the folder is somebody else's.
_DATA_FILE = re.compile(r"part-\d{5}-[0-9a-f-]{36}-c\d{3}(?:\.\w+)*\.parquet")
# The object store writes under a name that ends in `#1` until a file is whole.
_LEFTOVER = re.compile(r"(?:_delta_log/\d{20}\.[\w.]+|part-\d{5}-[0-9a-f-]{36}[-.\w]*)#\d+")


@dataclass(frozen=True, slots=True)
class Keep:
    """What a cleaning must leave.

    Attributes:
        oldest: The oldest version to keep, and all after it.
        files: The data files that these versions show.
        written_after: Whatever was written after this time stays, for it may be in use.
    """

    oldest: int
    files: Collection[str]
    written_after: datetime


def drop_log(table: TableFiles, keep: Keep) -> int:
    """Delete the log before the oldest version, which must have a checkpoint.

    Returns:
        How many versions went.
    """
    found = [(_VERSION_FILE.fullmatch(entry.path), entry) for entry in table.entries()]
    old = [(int(m[1]), e) for m, e in found if m and int(m[1]) < keep.oldest]
    # A gap would hide the versions before it, a missing start those after it.
    for _, entry in sorted(old, key=lambda item: item[0], reverse=True):
        table.delete(entry.path)
    return sum(entry.path.endswith(".json") for _, entry in old)


def drop_files(table: TableFiles, keep: Keep) -> list[FileEntry]:
    """Delete data files that no kept version shows, and files that were never finished.

    Returns:
        What went.
    """
    gone = list(_unused(table, keep))
    for entry in gone:
        table.delete(entry.path)
    return gone


def _unused(table: TableFiles, keep: Keep) -> Iterator[FileEntry]:
    for entry in table.entries():
        if entry.written is None or entry.written > keep.written_after:
            continue
        if _LEFTOVER.fullmatch(entry.path) or (
            _DATA_FILE.fullmatch(entry.path) and entry.path not in keep.files
        ):
            yield entry
