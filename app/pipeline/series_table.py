"""The Delta table of one dataset: versions are written whole, and read only if they prove whole."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from app.errors import (
    CacheCorruptError,
    CacheMissingError,
    CacheUnavailableError,
    DataError,
    UnknownVersionError,
)
from app.pipeline.delta_log import DeltaLog, Stamp, commit_path, translated
from app.pipeline.history import NEWEST, Pin, VersionInfo, version_at
from app.pipeline.series_metadata import decode_metadata, described, encode_metadata, proved
from app.pipeline.table_files import TableFiles, file_sizes, shown_by
from app.pipeline.table_format import confirm_rows, foreign_error, refuse_foreign, write_rows
from app.records import CachedSeries, SeriesHead, SeriesMetadata

REMEDY = "Run `python -m demo.refresh` to fill the cache."

_ATTEMPTS = 32
# Pages of an old version are read one after the other, so the last few are worth their memory.
_PINNED = 2


@dataclass(frozen=True, slots=True)
class _Kept:
    """A series in memory, and the files that it was read from as they were then."""

    series: CachedSeries
    newest: int
    commit: Stamp | None
    files: dict[str, Stamp | None] = field(default_factory=dict)

    @property
    def stamps(self) -> dict[str, Stamp | None]:
        """All files that it depends on."""
        return {commit_path(self.newest): self.commit, **self.files}


class SeriesTable:
    """The table of one dataset.

    Attributes:
        uri: Folder of the table.
        log: Its log.
        files: Its files.

    Args:
        dataset: Name of the dataset, for messages.
        uri: Folder of the table.
        options: Passed through to the object store.
    """

    def __init__(self, dataset: str, uri: str, options: dict[str, str]) -> None:
        self._dataset = dataset
        self.uri = uri
        self._options = options
        self.log = DeltaLog(uri, options)
        self.files = TableFiles(uri, options)
        self._kept: _Kept | None = None
        self._pinned: OrderedDict[int, _Kept] = OrderedDict()
        self._reading = threading.RLock()
        self._writing = threading.Lock()

    def versions(self) -> tuple[int, ...]:
        """Return the numbers of all versions, oldest first."""
        return tuple(self.log.versions())

    def metadata(self) -> SeriesMetadata:
        """Return the newest metadata without reading rows."""
        return decode_metadata(self.log.metadata_at(self._some_versions()[-1]))

    def history(self, limit: int | None) -> tuple[VersionInfo, ...]:
        """Return the versions that we published, newest first."""
        self._some_versions()
        return tuple(islice(self._infos(), limit))

    def save(self, rows: pa.Table, metadata: SeriesMetadata) -> CachedSeries:
        """Publish rows and the metadata that describe them in one commit, and read them back."""

        def write() -> CachedSeries:
            handle = self._writable()
            write_rows(handle if handle is not None else self.uri, rows, metadata, self._options)
            # Another process may have made the table first, and its version is not known then.
            told = encode_metadata(metadata)
            version = self.log.version_of(told) if handle is None else handle.version()
            return self._published(CachedSeries(rows=rows, metadata=metadata, version=version))

        with self._writing:
            return self._retried(write)

    def touch(self, metadata: SeriesMetadata) -> CachedSeries:
        """Publish metadata for the newest rows, provided that they describe these rows."""

        def commit() -> CachedSeries:
            current = self.load()
            told = self._told(current, metadata)
            table = self.open_version(current.version)
            refuse_foreign(table, self._dataset, self.uri, writing=True)
            confirm_rows(table, told)
            # The handle still shows the version that it was opened at.
            version = current.version + 1
            self.files.sync([commit_path(version)])
            self.open_version(version)
            return replace(current, metadata=told, version=version)

        with self._writing, self._reading:
            touched = self._retried(commit)
            if self._kept is not None:
                self._keep(touched, touched.version, self._kept.files)
            return touched

    def check(self) -> None:
        """Raise what would stop a save, as far as that can be told without one."""
        self.files.check_writable()
        self._writable(mend=False)

    def load(self, pin: Pin = NEWEST) -> CachedSeries:
        """Return the version that is meant, or the newest whole one.

        What is in memory is read anew if one of the files that it came from has changed.
        """
        with self._reading:
            if pin:
                return self._load_pinned(self._version_of(pin))
            kept = self._kept
            if kept and self._is_unchanged(kept) and self.log.is_newest(kept.newest):
                return kept.series
            self._kept = None
            versions = self._some_versions()
            files: dict[str, Stamp | None] = {}
            series = self._newest_whole(versions, files)
            self._keep(series, versions[-1], files)
            return series

    def at_hand(self, pin: Pin = NEWEST) -> CachedSeries | None:
        """Return what `load` would, if it is in memory and a few looks prove it; else None.

        Waits for nobody: what is in memory is never changed, only replaced.
        """
        if pin.as_of is not None:
            return None
        kept = self._kept
        if pin.version is not None and (kept is None or kept.series.version != pin.version):
            kept = self._pinned.get(pin.version)
        if kept is None or kept.commit is None:
            return None
        if pin.version is None:
            if not self.log.is_newest_at_once(kept.newest):
                return None
        elif kept.series.warning:
            return None
        stamps = kept.stamps
        is_same = self.log.stamps_at_once(stamps) == tuple(stamps.values())
        return kept.series if is_same else None

    def glance(self) -> SeriesHead:
        """Return what is known of the version that is served; its rows are not read."""
        if (series := self.at_hand()) is not None:
            return series
        version = self._some_versions()[-1]
        try:
            metadata = decode_metadata(self.log.metadata_at(version))
            files = file_sizes(self.open_version(version))
        except CacheCorruptError:
            return self.load()
        found = [stamp and stamp.size_bytes for stamp in self.log.stamps(files)]
        if found != list(files.values()) or self.log.is_foreign(version):
            return self.load()
        return SeriesHead(metadata=metadata, version=version)

    def _published(self, saved: CachedSeries) -> CachedSeries:
        """Bring a commit to the disk, and return it as readers get it: only that counts."""
        self.files.mark_saved()
        table = self.open_version(saved.version)
        self.files.sync([*file_sizes(table), commit_path(saved.version)])
        files: dict[str, Stamp | None] = {}
        found = self._found(table, files)
        # To compare a million rows takes a tenth of the time that their proof takes.
        rows = found
        if not found.equals(saved.rows):
            rows = proved(found, saved.metadata, self.uri)
        series = replace(saved, rows=rows)
        with self._reading:
            self._keep(series, series.version, files)
        return series

    def _infos(self) -> Iterator[VersionInfo]:
        for commit in self.log.newest_first():
            if commit.metadata is None:
                continue
            metadata = decode_metadata(commit.metadata)
            yield VersionInfo(commit.version, commit.time, metadata, commit.changes_data)

    def _version_of(self, pin: Pin) -> int:
        if pin.as_of is not None:
            return version_at(self.history(None), pin.as_of)
        return pin.version or 0

    def _some_versions(self) -> list[int]:
        try:
            versions = self.log.versions()
        except CacheCorruptError as error:
            raise self._lost(error) from error
        if not versions:
            raise CacheMissingError(
                f"The cache holds no data of dataset '{self._dataset}' yet ({self.uri}).",
                next_step=REMEDY,
            )
        return versions

    def _load_pinned(self, version: int) -> CachedSeries:
        kept = self._pinned.pop(version, None)
        if kept is None and self._kept is not None and self._kept.series.version == version:
            kept = self._kept
        if kept is None or kept.series.warning or not self._is_unchanged(kept):
            files: dict[str, Stamp | None] = {}
            series = self.prove(version, files)
            commit = self._stamp(version)
            kept = _Kept(series, version, commit, files)
        self._pinned[version] = kept
        if len(self._pinned) > _PINNED:
            self._pinned.popitem(last=False)
        return kept.series

    def prove(self, version: int, files: dict[str, Stamp | None] | None = None) -> CachedSeries:
        """Read one version from its files, whatever is in memory, and prove it."""
        versions = self._some_versions()
        if version not in versions:
            raise UnknownVersionError(
                f"The cache holds no version {version} of dataset '{self._dataset}'; "
                f"it holds {versions[0]} to {versions[-1]}.",
                next_step="Ask for one of these, or for the newest.",
            )
        try:
            metadata = decode_metadata(self.log.metadata_at(version))
            rows = self._read(self.open_version(version), metadata, {} if files is None else files)
        except (CacheCorruptError, CacheMissingError):
            # What was cleaned away while it was read is gone, not broken.
            if version in self.log.versions():
                raise
            return self.prove(version)
        return CachedSeries(rows=rows, metadata=metadata, version=version)

    def _newest_whole(self, versions: list[int], files: dict[str, Stamp | None]) -> CachedSeries:
        """Walk back to the first version that proves whole."""
        broken: CacheCorruptError | None = None
        failed = set[tuple[str, ...]]()
        for version in reversed(versions):
            try:
                table = self.open_version(version)
                metadata = decode_metadata(self.log.metadata_at(version))
                shown = (metadata.content_hash, *shown_by(table))
            except CacheCorruptError as error:
                broken = broken or error
                continue
            # A touch shows what the version before it does: what failed once fails again.
            if shown in failed:
                continue
            try:
                rows = self._read(table, metadata, files)
            except CacheCorruptError as error:
                broken = broken or error
                failed.add(shown)
                continue
            warning = None if broken is None else self._fallback_warning(broken, metadata, version)
            return CachedSeries(rows=rows, metadata=metadata, version=version, warning=warning)
        raise self._lost(broken) from broken

    def open_version(self, version: int) -> DeltaTable:
        """Return one version as delta-rs shows it; its rows are not proved."""
        with translated("open the cache", self.uri):
            table = DeltaTable(self.uri, version=version, storage_options=self._options)
            refuse_foreign(table, self._dataset, self.uri, writing=False)
            return table

    def _read(
        self, table: DeltaTable, metadata: SeriesMetadata, files: dict[str, Stamp | None]
    ) -> pa.Table:
        """Return the rows that these metadata describe, and note the files they came from."""
        return proved(self._found(table, files), metadata, self.uri)

    def _found(self, table: DeltaTable, files: dict[str, Stamp | None]) -> pa.Table:
        """Return the rows that a version shows, and note the files they came from."""
        with translated("read the cache", self.uri):
            sizes = file_sizes(table)
            # Before they are read, so that a change in between is seen as one.
            stamps = self.log.stamps(sizes)
            files.update(zip(sizes, stamps, strict=True))
            found = table.to_pyarrow_table(filesystem=self.files.file_system(sizes, stamps))
            return found.replace_schema_metadata()

    def _writable(self, *, mend: bool = True) -> DeltaTable | None:
        """Return the newest state to write upon, None if there is no table yet.

        Commits that nobody can read any more are set aside, if they may be mended: they would
        refuse every writer. What another tool has written on purpose is not.
        """
        try:
            table = self._open_newest()
        except CacheMissingError:
            return None
        except CacheCorruptError as error:
            newest = self.newest_open()
            if self.log.is_foreign(newest + 1):
                what = error.problem.rstrip(".")
                raise foreign_error(self._dataset, self.uri, what, "read") from error
            if not mend:
                return None
            self.log.set_aside(newest)
            try:
                table = self._open_newest()
            except CacheMissingError:
                return None
        refuse_foreign(table, self._dataset, self.uri, writing=True)
        return table

    def _open_newest(self) -> DeltaTable:
        with translated("open the cache", self.uri):
            return DeltaTable(self.uri, storage_options=self._options)

    def newest_open(self, *, writing: bool = False) -> int:
        """Return the newest version that can be opened, or be written upon, too; -1 if none."""
        for version in reversed(self.log.versions()):
            with suppress(CacheCorruptError, CacheMissingError):
                table = self.open_version(version)
                refuse_foreign(table, self._dataset, self.uri, writing=writing)
                return version
        return -1

    def _retried(self, write: Callable[[], CachedSeries]) -> CachedSeries:
        with translated("write the cache", self.uri, otherwise=CacheUnavailableError):
            conflict = retry_if_exception_type(CommitFailedError)
            again = Retrying(stop=stop_after_attempt(_ATTEMPTS), retry=conflict, reraise=True)
            return again(write)

    def _told(self, current: CachedSeries, metadata: SeriesMetadata) -> SeriesMetadata:
        """Return the metadata to publish for the current rows."""
        if current.warning is not None:
            raise CacheCorruptError(current.warning, next_step="Save the rows anew.")
        try:
            return described(current.rows, metadata)
        except DataError as error:
            raise CacheUnavailableError(
                f"The cached rows of dataset '{self._dataset}' are no longer those that the new "
                "metadata describe; another process has saved others.",
                next_step="Refresh again.",
            ) from error

    def _keep(self, series: CachedSeries, newest: int, files: dict[str, Stamp | None]) -> None:
        self._kept = _Kept(series, newest, self._stamp(newest), files)

    def _stamp(self, version: int) -> Stamp | None:
        return self.log.stamps([commit_path(version)])[0]

    def _is_unchanged(self, kept: _Kept) -> bool:
        stamps = kept.stamps
        return self.log.stamps(stamps) == tuple(stamps.values()) and kept.commit is not None

    def _lost(self, cause: CacheCorruptError | None) -> CacheCorruptError:
        reason = "" if cause is None else f" {cause.problem}"
        return CacheCorruptError(
            f"No version of dataset '{self._dataset}' in the cache can be read.{reason}",
            next_step=(cause and cause.next_step)
            or f"Restore {self.uri} from a backup or delete that folder, then: {REMEDY}",
        )

    def _fallback_warning(
        self, broken: CacheCorruptError, metadata: SeriesMetadata, version: int
    ) -> str:
        return (
            f"The newest data of dataset '{self._dataset}' cannot be used: {broken.problem} "
            f"Showing version {version} of {metadata.last_refresh_time:%d %b %Y, %H:%M} UTC. "
            f"{broken.next_step or REMEDY}"
        )
