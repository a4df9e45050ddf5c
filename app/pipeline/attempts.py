"""Keeps how the last refresh of each dataset ended, in a small file beside its table.

The file is no part of the Delta log: readers of the table do not see it, and writing it never moves
the time of the data. If it cannot be written, the attempt is remembered by this process alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.fs as pa_fs
import structlog
from deltalake.fs import DeltaStorageHandler
from typing_extensions import override

from app.errors import CacheCorruptError, CacheError, CacheMissingError
from app.pipeline.delta_log import translated
from app.reports import Attempt, AttemptOutcome

# Vacuum and table readers pass over folders whose name begins with an underscore.
ATTEMPT_PATH: Final = "_sac_series/attempt.json"
UNREADABLE_CODE: Final = "attempt_unreadable"
_UNREADABLE: Final = (
    "How the last refresh ended cannot be read, so there may be newer data. Refresh the dataset."
)

log = structlog.get_logger(__name__)


class StoredAttempts:
    """An `AttemptStore` in the folders of the cache.

    Args:
        uri: Root of the cache.
        storage_options: Passed through to the object store.
    """

    def __init__(self, uri: str | Path, storage_options: Mapping[str, str] | None = None) -> None:
        self._root = str(uri).rstrip("/")
        self._options = dict(storage_options or {})
        self._folders: dict[str, pa_fs.PyFileSystem] = {}
        self._unwritten: dict[str, Attempt] = {}

    def keep(self, attempt: Attempt) -> None:
        """Write an attempt; remember it if that fails."""
        try:
            with translated("write the last attempt", self._place(attempt.dataset)):
                self._write(attempt)
        except CacheError as error:
            self._unwritten[attempt.dataset] = attempt
            # Without data there is nothing to keep it beside, and nobody whom it could mislead.
            if not isinstance(error, CacheMissingError):
                log.warning("attempt_not_kept", dataset=attempt.dataset, reason=str(error))
        else:
            self._unwritten.pop(attempt.dataset, None)

    def last(self, dataset: str) -> Attempt | None:
        """Return what the file says, or what could not be written into it since."""
        kept, own = self._read(dataset), self._unwritten.get(dataset)
        if own is None or own.at is None:
            return kept
        # Another process may have written after our own attempt.
        return kept if kept is not None and kept.at is not None and kept.at > own.at else own

    def _write(self, attempt: Attempt) -> None:
        # The store shows a file only once it is closed, and then as a whole.
        with self._folder(attempt.dataset).open_output_stream(ATTEMPT_PATH) as stream:
            stream.write(msgspec.json.encode(attempt))

    def _read(self, dataset: str) -> Attempt | None:
        try:
            with translated("read the last attempt", self._place(dataset)):
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
        try:
            with self._folder(dataset).open_input_stream(ATTEMPT_PATH) as stream:
                text = stream.read()
        except FileNotFoundError:
            return None
        attempt = msgspec.json.decode(text, type=Attempt)
        if attempt.dataset != dataset or attempt.at is None or attempt.at.tzinfo is None:
            raise CacheCorruptError("The last attempt is not of this dataset, or has no time.")
        return attempt

    def _folder(self, dataset: str) -> pa_fs.PyFileSystem:
        if dataset not in self._folders:
            handler = BytesHandler(self._place(dataset), self._options)
            self._folders[dataset] = pa_fs.PyFileSystem(handler)
        return self._folders[dataset]

    def _place(self, dataset: str) -> str:
        return f"{self._root}/{dataset}"


class BytesHandler(DeltaStorageHandler):
    """Lets pyarrow write: its streams hand out buffers, and those of delta-rs take bytes alone."""

    @override
    def open_output_stream(
        self, path: str, metadata: dict[str, str] | None = None
    ) -> pa.PythonFile:
        return pa.PythonFile(_BytesStream(self._handler.open_output_stream(path, metadata)), "w")


class _BytesStream:
    def __init__(self, stream: object) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, data: pa.Buffer) -> int:
        written: int = self._stream.write(bytes(data))  # type: ignore[attr-defined]
        return written
