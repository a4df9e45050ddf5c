"""The log of a table, and what an exception of the storage means."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
    TableNotFoundError,
)

from app.errors import CacheCorruptError, CacheError, CacheMissingError, CacheUnavailableError
from app.pipeline.cache import DeltaCache
from app.pipeline.delta_log import DeltaLog, cache_error, commit_path, translated
from tests.pipeline.samples import metadata_of, three_months

BACKTRACE = "Kernel error: cut record\n   0: <unknown>\n   1: start_thread"
COLOURED = "Generic LocalFileSystem error\n   \x1b[31m↳\x1b[0m Requested range was invalid"
SIGNED = "Generic S3 error: GET https://host/key?X-Amz-Signature=abc&X-Amz-Token=def 403"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TableNotFoundError("gone"), CacheMissingError),
        (
            TableNotFoundError("you don't have access! kind: PermissionDenied"),
            CacheUnavailableError,
        ),
        (CommitFailedError("conflict"), CacheUnavailableError),
        (DeltaProtocolError("reader version 9"), CacheCorruptError),
        (SchemaMismatchError("no such column"), CacheCorruptError),
        (DeltaError(BACKTRACE), CacheCorruptError),
        (DeltaError("Permission denied (os error 13)"), CacheUnavailableError),
        (DeltaError("Invalid table location: x is a file"), CacheUnavailableError),
        (FileNotFoundError(errno.ENOENT, "no such file"), CacheCorruptError),
        (FileNotFoundError("Object at location x not found"), CacheCorruptError),
        (PermissionError(errno.EACCES, "denied"), CacheUnavailableError),
        (OSError(errno.ENOSPC, "No space left on device"), CacheUnavailableError),
        (OSError(errno.EROFS, "Read-only file system"), CacheUnavailableError),
        (OSError("No space left on device (os error 28)"), CacheUnavailableError),
        (OSError(COLOURED), CacheCorruptError),
        (OSError(SIGNED), CacheUnavailableError),
        (OSError("Couldn't deserialize thrift"), CacheCorruptError),
        (pa.ArrowInvalid("Parquet magic bytes not found"), CacheCorruptError),
        (pa.ArrowNotImplementedError("encoding"), CacheCorruptError),
        (pa.ArrowMemoryError("malloc of size 9 failed"), CacheUnavailableError),
        (ValueError(""), CacheCorruptError),
    ],
    ids=lambda value: f"{type(value).__name__} {value!r}"[:60],
)
def test_every_exception_has_a_meaning(error: Exception, kind: type[CacheError]) -> None:
    """Each exception of storage and format becomes one cache error, in one line of plain words."""
    with pytest.raises(CacheError) as caught, translated("read the cache", "/data/x"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    text = str(caught.value)
    assert "/data/x" in text
    if "PermissionDenied" in str(error):
        assert "PermissionDenied" in text
    for trace in ("\n", "\x1b", "<unknown>", "Signature"):
        assert trace not in text


def test_an_error_of_ours_passes_as_it_is() -> None:
    """What is already a cache error is not wrapped again."""
    ours = CacheMissingError("nothing")
    with pytest.raises(CacheMissingError) as caught, translated("read", "here"):
        raise ours
    assert caught.value is ours


def test_a_failed_write_is_not_called_corrupt() -> None:
    """The caller says what an exception without a known trouble means."""
    error = cache_error(DeltaError("odd"), "write", "here", CacheUnavailableError)
    assert isinstance(error, CacheUnavailableError)


def test_a_stamp_tells_one_state_from_another(tmp_path: Path) -> None:
    """A commit is the newest until it is rewritten, or another one follows."""
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows))
    log = DeltaLog(str(tmp_path / "sales"))
    first, second = log.stamps([commit_path(0), commit_path(1)])
    assert first is not None
    assert first.size_bytes == (tmp_path / "sales" / commit_path(0)).stat().st_size
    assert second is None
    assert log.is_newest(0)
    DeltaCache(tmp_path).save(rows, metadata_of(rows))
    assert not log.is_newest(0)


def test_a_version_is_found_by_its_metadata(tmp_path: Path) -> None:
    """The version that carries exactly this metadata is found; where none does, it is trouble."""
    cache = DeltaCache(tmp_path)
    for first in (1.0, 2.0, 3.0):
        rows = three_months(first)
        cache.save(rows, metadata_of(rows))
    log = DeltaLog(str(tmp_path / "sales"))
    assert [log.version_of(log.metadata_at(version)) for version in (0, 1, 2)] == [0, 1, 2]
    with pytest.raises(CacheUnavailableError, match="is not there"):
        log.version_of("{}")


def test_a_commit_that_cannot_be_understood_has_no_metadata(tmp_path: Path) -> None:
    """Commits of any content are read without an error; a missing one is None."""
    folder = tmp_path / "_delta_log"
    folder.mkdir()
    log = DeltaLog(str(tmp_path))
    contents = ["", "{}", "[1]", "7", "{", '{"commitInfo": 1}', '{"commitInfo": {"sac_series": 1}}']
    for version, content in enumerate(contents):
        (folder / f"{version:020}.json").write_text(content)
        commit = log.commit(version)
        assert commit is not None
        assert commit.metadata is None
    assert log.commit(len(contents)) is None
    assert log.versions() == list(range(len(contents)))
    with pytest.raises(CacheCorruptError, match=r"Commit 3 .* cannot be read"):
        log.metadata_at(3)
    assert [commit.is_broken for commit in log.newest_first()] == [
        False,
        True,
        True,
        True,
        True,
        False,
        True,
    ]
