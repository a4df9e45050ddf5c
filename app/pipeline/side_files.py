"""Keeps a small file beside each table of the cache, which is no part of its log.

Vacuum and readers of the tables pass over folders whose name begins with an underscore.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.fs as pa_fs
from deltalake.fs import DeltaStorageHandler
from typing_extensions import override

from app.pipeline.place import cache_root, table_place
from app.places import local_folder

FOLDER: Final = "_sac_series"


class SideFiles:
    """The files of one name in the folders of the datasets.

    Attributes:
        path: Path of the file within the folder of a dataset.

    Args:
        uri: Root of the cache.
        name: Name of the file.
        storage_options: Passed through to the object store.
    """

    def __init__(
        self, uri: str | Path, name: str, storage_options: Mapping[str, str] | None = None
    ) -> None:
        self.path = f"{FOLDER}/{name}"
        self._root = cache_root(uri)
        self._local = local_folder(self._root)
        self._options = dict(storage_options or {})
        self._folders: dict[str, pa_fs.PyFileSystem] = {}

    def place(self, dataset: str) -> str:
        """Return the folder of a dataset."""
        return table_place(self._root, dataset)

    def read(self, dataset: str) -> bytes | None:
        """Return what a file holds; None if there is none. What the store raises is not caught."""
        try:
            if self._local is not None:
                # A stream of delta-rs asks for the size first, and would cut off what another
                # process has replaced by something longer since.
                return (self._local / dataset / self.path).read_bytes()
            with self._folder(dataset).open_input_stream(self.path) as stream:
                content: bytes = stream.read()
        except FileNotFoundError:
            return None
        return content

    def write(self, dataset: str, content: bytes) -> None:
        """Write a file; it is shown only once it is whole. What the store raises is not caught."""
        with self._folder(dataset).open_output_stream(self.path) as stream:
            stream.write(content)

    def _folder(self, dataset: str) -> pa_fs.PyFileSystem:
        if dataset not in self._folders:
            handler = _BytesHandler(self.place(dataset), self._options)
            self._folders[dataset] = pa_fs.PyFileSystem(handler)
        return self._folders[dataset]


class _BytesHandler(DeltaStorageHandler):
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
