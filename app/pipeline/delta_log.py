"""The log of one Delta table: which versions there are, and what each commit says of itself."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pa_fs
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from app.errors import CacheCorruptError, CacheError, CacheMissingError, CacheUnavailableError
from app.places import local_folder

METADATA_KEY = "sac_series"

# Tells a log that is gone from a first commit that never came. Readers of tables pass over it.
SAVED_PATH = "_sac_series/saved"
LOG_FOLDER = "_delta_log"
_COMMIT_NAME = re.compile(r"(\d{20})\.json")
# Commits, checkpoints, checksums, and commits that another tool has put together.
_VERSIONED_NAME = re.compile(r"(?:\d{20}\.)?(\d{20})\.(?!.*broken)[^#]+")
_BROKEN_SUFFIX = ".broken"
# The storage layers below name these troubles in words only.
_TROUBLE = re.compile(
    r"permission ?denied|access ?denied|forbidden|unauthorized|no space left|file too large|"
    r"read-only file system|quota|timed? ?out|connection|connect error|dns|too many open files|"
    r"input/output error|"
    r"invalid table location|generic (s3|gcs|microsoftazure|http) error|not ?a ?directory|"
    r"credential",
    re.IGNORECASE,
)
# What another tool has made of a table; delta-rs calls it a conflict of writers, too.
_DEMAND = re.compile(
    r"feature.* not supported|unsupported table features|protocol action|append-only", re.IGNORECASE
)
_REASON_LENGTH = 160
# https://pyo3.rs/main/function/error-handling: what a panic of Rust code arrives as.
_PANIC_MODULE = "pyo3_runtime"
_NATIVE = (DeltaError, pa.ArrowException, OSError, ValueError, LookupError, RuntimeError)
_REMEDY = (
    "Run `python -m demo.refresh`; if that fails too, run `python -m demo.cache repair --anew`, "
    "and refresh again."
)
REPAIR = (
    "Run `python -m demo.cache repair`: it renames what another tool wrote to the log, deletes "
    "nothing, and publishes the last whole version again."
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another.

    Attributes:
        path: The file, within the folder of the table.
        size_bytes: Size of the file.
        mtime_ns: When the file was written, in nanoseconds since 1970.
    """

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit says of itself.

    Attributes:
        version: The version that it made.
        metadata: Our metadata as JSON; None if another tool wrote the commit.
        changes_data: Whether it added or removed files; True if it cannot be read.
        time: When it was made, by the clock of the machine that made it; None if it does not say.
        is_broken: Whether it is no commit at all: empty, or not what a log holds.
    """

    version: int
    metadata: str | None
    changes_data: bool
    time: datetime | None = None
    is_broken: bool = False


class DeltaLog:
    """Reads the log of one table, and sets broken commits aside.

    Args:
        uri: The folder of the table.
        storage_options: Passed through to the object store.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._uri = uri
        self._options = dict(storage_options or {})
        self._folder = local_folder(uri)
        self._opened: pa_fs.PyFileSystem | None = None

    def versions(self) -> list[int]:
        """Return the versions that have a commit, oldest first; empty if there is no table.

        Raises:
            CacheCorruptError: There once was a commit, and now there is none.
            CacheUnavailableError: The place cannot be read.
        """
        # Data files alone prove nothing: the first of them come before the first commit, which
        # may come between the first two of these questions, but not between the last two.
        versions = self._listed()
        if versions or not self._was_saved():
            return versions
        if versions := self._listed():
            return versions
        raise CacheCorruptError(f"The log of the table at {self._uri} is gone.")

    def stamps(self, paths: Iterable[str]) -> tuple[Stamp | None, ...]:
        """Return the stamps of files within the table; None for a file that is not there."""
        listed = list(paths)
        if (found := self.stamps_at_once(listed)) is not None:
            return found
        with translated("look at the cache", self._uri):
            infos = self._files().get_file_info(listed)
        return tuple(
            Stamp(path, info.size, info.mtime_ns) if info.type is pa_fs.FileType.File else None
            for path, info in zip(listed, infos, strict=True)
        )

    def stamps_at_once(self, paths: Iterable[str]) -> tuple[Stamp, ...] | None:
        """Return the stamps of files on a local disk, in microseconds each.

        Returns:
            None if the table is elsewhere, or a file is not seen at its plain path: `stamps`
            knows better.
        """
        if self._folder is None:
            return None
        try:
            return tuple(_local_stamp(self._folder, path) for path in paths)
        except OSError:
            return None

    def is_newest(self, version: int) -> bool:
        """Return whether no commit came after this version."""
        return self.stamps([commit_path(version + 1)]) == (None,)

    def is_newest_at_once(self, version: int) -> bool:
        """Return whether it is certain, without waiting, that no commit came after a version."""
        if self._folder is None:
            return False
        try:
            os.stat(f"{self._folder}/{commit_path(version + 1)}")  # noqa: PTH116 - a third of the time
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def commit(self, version: int) -> Commit | None:
        """Read one commit; None if there is no such commit.

        Raises:
            CacheUnavailableError: The place cannot be read.
        """
        with translated("read the log", self._uri):
            try:
                text = self._files().open_input_stream(commit_path(version)).read()
            except FileNotFoundError:
                return None
        return _parse_commit(version, text)

    def metadata_at(self, version: int) -> str:
        """Return the newest metadata at or before a version; other tools' commits have none.

        Raises:
            CacheCorruptError: No commit up to this version holds any.
        """
        for commit in self._back_from(version):
            # delta-rs takes an empty commit, as a power cut leaves it, for one without a change.
            if commit.is_broken:
                raise CacheCorruptError(f"Commit {commit.version} at {self._uri} cannot be read.")
            if commit.metadata is not None:
                return commit.metadata
        raise CacheCorruptError(f"Version {version} at {self._uri} has no metadata of a series.")

    def version_of(self, metadata: str) -> int:
        """Return the newest version that carries exactly this metadata.

        Raises:
            CacheUnavailableError: There is none, or the place cannot be read.
        """
        for commit in self._back_from(self.versions()[-1]):
            if commit.metadata == metadata:
                return commit.version
        raise CacheUnavailableError(
            f"What was written at {self._uri} is not there.", next_step="Refresh again."
        )

    def newest_first(self) -> Iterator[Commit]:
        """Yield what all commits say of themselves, newest first."""
        for version in reversed(self.versions()):
            commit = self.commit(version)
            if commit is not None:
                yield commit

    def is_foreign(self, version: int) -> bool:
        """Return whether another tool made a version, and no damage.

        Raises:
            CacheUnavailableError: The place cannot be read.
        """
        commit = self.commit(version)
        return commit is not None and not commit.is_broken and commit.metadata is None

    def set_aside(self, newest_good: int) -> tuple[tuple[str, str], ...]:
        """Rename the commits and checkpoints after a version, so that a writer can go on from it.

        Args:
            newest_good: The newest version to keep; -1 to keep none.

        Returns:
            The old and the new path of each file.

        Raises:
            CacheUnavailableError: The files cannot be renamed.
        """
        moved: list[tuple[str, str]] = []
        with translated("set broken commits aside", self._uri):
            names = self._names(LOG_FOLDER)
            # The newest first, so that a reader in between finds no gap.
            for name in sorted(names, reverse=True):
                match = _VERSIONED_NAME.fullmatch(name)
                if name == "_last_checkpoint" or (match and int(match[1]) > newest_good):
                    old, new = f"{LOG_FOLDER}/{name}", f"{LOG_FOLDER}/{_unused(name, names)}"
                    self._files().move(old, new)
                    moved.append((old, new))
        return tuple(moved)

    def put_back(self, moved: Sequence[tuple[str, str]]) -> None:
        """Give files that were set aside their names again, unless others have these by now.

        Raises:
            CacheUnavailableError: The files cannot be renamed.
        """
        if any(self.stamps(old for old, _ in moved)):
            return
        with translated("put commits back", self._uri):
            for old, new in reversed(moved):
                self._files().move(new, old)

    def _was_saved(self) -> bool:
        try:
            return self.stamps([SAVED_PATH]) != (None,)
        except CacheMissingError:
            return False

    def _listed(self) -> list[int]:
        names = map(_COMMIT_NAME.fullmatch, self._names(LOG_FOLDER))
        return sorted(int(match[1]) for match in names if match)

    def _back_from(self, version: int) -> Iterator[Commit]:
        while (commit := self.commit(version)) is not None:
            yield commit
            version -= 1

    def _names(self, folder: str) -> list[str]:
        try:
            with translated("list the cache", self._uri):
                selector = pa_fs.FileSelector(folder, allow_not_found=True)
                return [info.base_name for info in self._files().get_file_info(selector)]
        except CacheMissingError:
            return []

    def _files(self) -> pa_fs.PyFileSystem:
        if self._opened is None:
            self._opened = open_folder(self._uri, self._options)
        return self._opened


def open_folder(uri: str, storage_options: Mapping[str, str]) -> pa_fs.PyFileSystem:
    """Return the files under a URI, on whichever store delta-rs knows."""
    return pa_fs.PyFileSystem(DeltaStorageHandler(uri, dict(storage_options)))


@contextmanager
def translated(
    doing: str, place: str, otherwise: type[CacheError] = CacheCorruptError
) -> Iterator[None]:
    """Turn every exception of deltalake, pyarrow and the system into a `CacheError`.

    Args:
        doing: What was tried, as in "could not {doing}".
        place: Where, a path or URI.
        otherwise: What an exception means that names no trouble of the place.

    Raises:
        CacheError: Whatever went wrong within.
    """
    try:
        yield
    except CacheError:
        raise
    except _NATIVE as error:
        raise cache_error(error, doing, place, otherwise) from error
    except BaseException as error:
        # For what it has no class delta-rs raises the bare one.
        if type(error) is Exception:
            raise cache_error(error, doing, place, otherwise) from error
        # A panic of native code is no `Exception`: nobody above would catch it and tell of it.
        if type(error).__module__ != _PANIC_MODULE:
            raise
        raise CacheUnavailableError(
            f"Could not {doing} at {place}: the storage library failed ({_reason(error, None)}).",
            next_step="Try again. If that fails too, name another folder in CACHE_URI, and report "
            "the lines of the log.",
        ) from error


def cache_error(
    error: Exception, doing: str, place: str, otherwise: type[CacheError] = CacheCorruptError
) -> CacheError:
    """Return what an exception of the storage means to us; arguments as for `translated`."""
    trouble = _TROUBLE.search(str(error))
    problem = f"Could not {doing} at {place}: {_reason(error, trouble)}."
    if isinstance(error, DeltaError) and _DEMAND.search(str(error)):
        return CacheCorruptError(problem, next_step=REPAIR)
    if isinstance(error, CommitFailedError):
        return CacheUnavailableError(problem, next_step="Another writer was faster; try again.")
    if trouble is not None or _is_refusal(error):
        return CacheUnavailableError(
            problem, next_step="Check the place: permissions, free space, network, CACHE_URI."
        )
    # delta-rs says that there is no table where it may not look, so this question comes last.
    if isinstance(error, TableNotFoundError):
        return CacheMissingError(f"There is no table at {place}.")
    return otherwise(problem, next_step=_REMEDY)


def _unused(name: str, names: Collection[str]) -> str:
    """Return the name for a file that is set aside, where nothing that was before is lost."""
    broken = name + _BROKEN_SUFFIX
    return next(n for n in chain([broken], (f"{broken}.{i}" for i in count(2))) if n not in names)


def _is_refusal(error: Exception) -> bool:
    """Return whether the system itself refused, for any reason but that a file is not there."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, OSError) and error.errno not in {None, errno.ENOENT}


def _reason(error: BaseException, trouble: re.Match[str] | None) -> str:
    # delta-rs appends a stack trace, object stores append colours and signed query strings.
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    plain = re.sub(r"\?\S+", "?...", re.sub(r"\x1b\[\d*m", "", first))
    reason = plain[:_REASON_LENGTH].rstrip(" .:")
    return reason if trouble is None or trouble[0] in reason else f"{reason} ({trouble[0]})"


def _local_stamp(folder: Path, path: str) -> Stamp:
    # Neither pathlib nor a context manager: this runs before every answer.
    found = os.stat(f"{folder}/{path}")  # noqa: PTH116
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(path)
    return Stamp(path, found.st_size, found.st_mtime_ns)


def _parse_commit(version: int, text: bytes) -> Commit:
    try:
        actions = [json.loads(line) for line in text.splitlines() if line.strip()]
        infos = [action["commitInfo"] for action in actions if "commitInfo" in action]
        found = [info[METADATA_KEY] for info in infos if METADATA_KEY in info]
        time = _time_of(infos)
    except (AttributeError, TypeError, ValueError):
        return Commit(version, None, changes_data=True, is_broken=True)
    metadata = found[0] if found and isinstance(found[0], str) else None
    is_broken = not actions or not all(isinstance(action, dict) for action in actions)
    changes = any("add" in action or "remove" in action for action in actions)
    return Commit(version, metadata, changes, time, is_broken)


def _time_of(infos: list[dict[str, object]]) -> datetime | None:
    told = infos[0].get("timestamp") if infos else None
    try:
        return datetime.fromtimestamp(told / 1000, UTC) if isinstance(told, int) else None
    except (OverflowError, ValueError, OSError):
        return None


def commit_path(version: int) -> str:
    """Return where the commit of a version is, within the folder of the table."""
    return f"{LOG_FOLDER}/{version:020d}.json"
