"""The last attempt is kept beside the data, in its way of nobody."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from structlog.testing import capture_logs

from app.errors import CacheUnavailableError
from app.pipeline import attempts
from app.pipeline.attempts import ATTEMPT_PATH, UNREADABLE_CODE, StoredAttempts
from app.pipeline.side_files import SideFiles
from app.reports import Attempt, AttemptOutcome

AT = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
FAILED = Attempt(
    dataset="default",
    outcome=AttemptOutcome.FAILED,
    at=AT,
    code="source_timeout",
    sentence="Zürich did not answer.",
)
DONE = Attempt(dataset="default", outcome=AttemptOutcome.SUCCEEDED, at=AT + timedelta(hours=1))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The folder of a dataset that holds a table."""
    folder = tmp_path / "default"
    write_deltalake(folder, pa.table({"a": [1]}))
    return folder


def test_an_attempt_survives_a_restart(table: Path) -> None:
    """What one process keeps, the next one reads; the later attempt replaces the earlier."""
    for attempt in (FAILED, DONE):
        StoredAttempts(table.parent).keep(attempt)
        assert StoredAttempts(table.parent).last("default") == attempt
    assert [path.name for path in (table / ATTEMPT_PATH).parent.iterdir()] == ["attempt.json"]


def test_without_a_dataset_there_is_no_attempt(tmp_path: Path) -> None:
    """A folder that does not exist is asked in vain, and not made."""
    store = StoredAttempts(tmp_path)
    with capture_logs() as lines:
        assert store.last("default") is None
        store.keep(FAILED)
        assert store.last("default") == FAILED
    assert (list(tmp_path.iterdir()), lines) == ([], [])


def test_readers_and_cleaners_of_the_table_pass_over_it(table: Path) -> None:
    """Rows, versions and a full vacuum are as if the file were not there, and it stays."""
    store = StoredAttempts(table.parent)
    store.keep(FAILED)
    write_deltalake(table, pa.table({"a": [2]}), mode="overwrite")
    for full in (False, True):
        DeltaTable(table).vacuum(0, dry_run=False, enforce_retention_duration=False, full=full)
    assert DeltaTable(table).to_pyarrow_table()["a"].to_pylist() == [2]
    assert store.last("default") == FAILED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"dataset": "default", "outcome": "failed"}',
        '{"dataset": "x", "outcome": "failed"}',
    ],
)
def test_what_cannot_be_read_is_unknown(table: Path, text: str) -> None:
    """A broken file is neither a success nor a failure, and does not stop a reader."""
    store = StoredAttempts(table.parent)
    store.keep(FAILED)
    (table / ATTEMPT_PATH).write_text(text, encoding="utf-8")
    found = store.last("default")
    assert found is not None
    assert (found.outcome, found.code, found.at) == (AttemptOutcome.UNKNOWN, UNREADABLE_CODE, None)
    store.keep(DONE)
    assert store.last("default") == DONE


def test_an_attempt_that_cannot_be_written_is_remembered(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk fails no refresh; this process knows, and the log says so."""
    store = StoredAttempts(table.parent)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(SideFiles, "write", full)
        store.keep(FAILED)
    assert store.last("default") == FAILED
    assert StoredAttempts(table.parent).last("default") is None
    assert [line["event"] for line in lines] == ["attempt_not_kept"]
    StoredAttempts(table.parent).keep(DONE)
    assert store.last("default") == DONE
    store.keep(FAILED)
    assert store.last("default") == StoredAttempts(table.parent).last("default") == FAILED


def test_a_place_that_fails_is_unknown_too(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the store does not answer, there is no telling how the last refresh ended."""
    store = StoredAttempts(table.parent)

    def down(*_: object) -> None:
        raise CacheUnavailableError("The network is down.")

    monkeypatch.setattr(attempts.StoredAttempts, "_found", down)
    found = store.last("default")
    assert found is not None
    assert found.outcome is AttemptOutcome.UNKNOWN


def test_what_was_read_is_at_hand_until_the_file_changes(table: Path) -> None:
    """Another process's attempt is seen at once: then only a read can tell."""
    store, other = StoredAttempts(table.parent), StoredAttempts(table.parent)
    assert store.last_at_hand("default") == (None,)
    other.keep(FAILED)
    assert store.last_at_hand("default") is None
    assert store.last("default") == FAILED
    assert store.last_at_hand("default") == (FAILED,)
    other.keep(DONE)
    assert store.last_at_hand("default") is None
    store.last("default")
    (table / ATTEMPT_PATH).unlink()
    assert store.last_at_hand("default") == (None,)


def test_an_attempt_that_cannot_be_read_is_never_at_hand(table: Path) -> None:
    """What is unknown is looked at again each time."""
    store = StoredAttempts(table.parent)
    store.keep(FAILED)
    (table / ATTEMPT_PATH).write_text("nonsense", encoding="utf-8")
    assert store.last("default") is not None
    assert store.last_at_hand("default") is None


def test_what_could_not_be_written_is_at_hand(tmp_path: Path) -> None:
    """A process that cannot write remembers, and tells so without a look."""
    store = StoredAttempts(tmp_path)
    store.keep(FAILED)
    assert store.last_at_hand("default") == (FAILED,)


def test_elsewhere_no_attempt_is_at_hand(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an object store, or where a folder is no folder, a read finds out."""
    monkeypatch.setattr(attempts, "local_folder", lambda _: None)
    assert StoredAttempts(table.parent).last_at_hand("default") is None
    monkeypatch.undo()
    (table.parent / "file").write_text("", encoding="utf-8")
    assert StoredAttempts(table.parent).last_at_hand("file") is None
