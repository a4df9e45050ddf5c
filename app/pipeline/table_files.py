"""The files of one Delta table as files: listed, deleted, and brought to the disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pa_fs
from deltalake import DeltaTable

from app.errors import CacheUnavailableError
from app.pipeline.delta_log import (
    LOG_FOLDER,
    SAVED_PATH,
    Stamp,
    open_folder,
    translated,
)
from app.pipeline.place import check_writable
from app.places import local_folder

# Within the folder, without an escape, and no name that begins with a dot.
_PLAIN_PATH = re.compile(r"(?:[\w=-][\w=.-]*/)*[\w=-][\w=.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file in the folder of a table or in its log.

    Attributes:
        path: Where it is, within the folder of the table.
        size_bytes: Its size.
        written: When it was last written (UTC); None if the place does not say.
    """

    path: str
    size_bytes: int
    written: datetime | None


class TableFiles:
    """The files in the folder of one table and in its log.

    Args:
        uri: The folder of the table.
        storage_options: Passed through to the object store.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self._uri = uri
        self._options = dict(storage_options)
        self._folder = local_folder(uri)

    def file_system(
        self, sizes: Mapping[str, int], stamps: Iterable[Stamp | None]
    ) -> pa_fs.FileSystem | None:
        """Return the folder as Arrow reads it by itself; None if delta-rs must be between.

        Through delta-rs, Arrow's own threads call Python, some of them when all is read. If that is
        when the process ends, it is aborted, whatever it has done (`terminate called without an
        active exception`). But an object store, and whatever is odd about a file, its path or its
        size, is for delta-rs to judge.

        Args:
            sizes: The data files, with the size that each was written with.
            stamps: How they stand on the disk, in the same order; None for one that is not seen.

        Raises:
            FileNotFoundError: A file is not there.
            ValueError: A file is shorter than it was.
        """
        if self._folder is None or not all(map(_PLAIN_PATH.fullmatch, sizes)):
            return None
        has_grown = False
        for (path, size), stamp in zip(sizes.items(), stamps, strict=True):
            if stamp is None:
                raise FileNotFoundError(f"the file {path} is not there")
            if stamp.size_bytes < size:
                raise ValueError(f"the file {path} has lost {size - stamp.size_bytes:,} bytes")
            has_grown = has_grown or stamp.size_bytes > size
        if has_grown:
            # It is read as far as it was written.
            return None
        return pa_fs.SubTreeFileSystem(str(self._folder), pa_fs.LocalFileSystem())

    def entries(self) -> list[FileEntry]:
        """Return the files of the table and of its log, also those that were never finished.

        Raises:
            CacheUnavailableError: The place cannot be read.
        """
        with translated("list the cache", self._uri):
            if self._folder is not None:
                return [_local_entry(self._folder, path) for path in _local_files(self._folder)]
            infos = [
                info
                for part in ("", LOG_FOLDER)
                for info in open_folder(self._uri, self._options).get_file_info(
                    pa_fs.FileSelector(part, allow_not_found=True)
                )
            ]
        files = [info for info in infos if info.type is pa_fs.FileType.File]
        return [FileEntry(info.path, info.size, info.mtime) for info in files]

    def mark_saved(self) -> None:
        """Note beside the table that it has had a commit; does nothing if that is noted.

        Raises:
            CacheUnavailableError: It cannot be noted.
        """
        with translated("write the cache", self._uri, otherwise=CacheUnavailableError):
            files = open_folder(self._uri, self._options)
            if files.get_file_info(SAVED_PATH).type is not pa_fs.FileType.File:
                files.open_output_stream(SAVED_PATH).close()

    def mark_anew(self) -> None:
        """Note beside the table that what was committed is set aside: it is as if it never was.

        Raises:
            CacheUnavailableError: It cannot be noted.
        """
        with translated("write the cache", self._uri, otherwise=CacheUnavailableError):
            files = open_folder(self._uri, self._options)
            if files.get_file_info(SAVED_PATH).type is pa_fs.FileType.File:
                files.move(SAVED_PATH, f"{SAVED_PATH}.broken")

    def check_writable(self) -> None:
        """Raise what a write would, as far as that can be told of a folder without one.

        Raises:
            CacheUnavailableError: The folder is none, or may not be written to.
        """
        if self._folder is not None:
            with translated("write the cache", self._uri, otherwise=CacheUnavailableError):
                check_writable(self._folder)

    def delete(self, path: str) -> None:
        """Delete a file of the table; one that is gone already is no trouble.

        Raises:
            CacheUnavailableError: It cannot be deleted.
        """
        with translated("clean the cache", self._uri, otherwise=CacheUnavailableError):
            if self._folder is not None:
                (self._folder / path).unlink(missing_ok=True)
                return
            with suppress(FileNotFoundError):
                open_folder(self._uri, self._options).delete_file(path)

    def sync(self, paths: Iterable[str]) -> None:
        """Wait until files are on the disk, so that not even a power cut takes them away.

        An object store answers only when that is so; on a local disk the system must be asked.

        Raises:
            CacheUnavailableError: The disk fails.
        """
        folder = self._folder
        if folder is None:
            return
        with translated("write the cache to the disk", self._uri, otherwise=CacheUnavailableError):
            for path in (*(folder / name for name in paths), folder / LOG_FOLDER, folder):
                _sync(path)


def file_sizes(table: DeltaTable) -> dict[str, int]:
    """Return the data files that a version shows, with the size that each was written with.

    Raises:
        CacheError: The log cannot be read.
    """
    with translated("read the log", table.table_uri):
        found = pa.table(table.get_add_actions())
        return dict(zip(found["path"].to_pylist(), found["size_bytes"].to_pylist(), strict=True))


def shown_by(table: DeltaTable) -> tuple[str, ...]:
    """Return what decides the rows that a version shows: its columns and its data files.

    Raises:
        CacheError: The log cannot be read.
    """
    with translated("read the log", table.table_uri):
        return (table.schema().to_json(), *sorted(file_sizes(table)))


def _local_files(folder: Path) -> list[Path]:
    return [
        path
        for part in (folder, folder / LOG_FOLDER)
        if part.is_dir()
        for path in part.iterdir()
        if path.is_file()
    ]


def _local_entry(folder: Path, path: Path) -> FileEntry:
    found = path.stat()
    written = datetime.fromtimestamp(found.st_mtime, UTC)
    return FileEntry(path.relative_to(folder).as_posix(), found.st_size, written)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
