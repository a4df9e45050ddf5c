"""The files of a table, on this machine and in an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import CacheUnavailableError
from app.pipeline.cache import DeltaCache
from app.pipeline.delta_log import commit_path, local_folder
from app.pipeline.table_files import TableFiles
from tests.pipeline.samples import metadata_of, three_months


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("data/cache", Path("data/cache")),
        ("/data/a%20b", Path("/data/a%20b")),
        ("file:///data/my cache/x", Path("/data/my cache/x")),
        ("file:///data/my%20cache/x", Path("/data/my cache/x")),
        ("s3://bucket/cache", None),
    ],
)
def test_only_a_folder_of_this_machine_is_local(uri: str, folder: Path | None) -> None:
    """Paths and file addresses are folders; object stores are none."""
    assert local_folder(uri) == folder


@pytest.mark.parametrize("local", [True, False], ids=["folder", "store"])
def test_a_folder_and_a_store_are_looked_after_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    """Files are listed with their size and deleted once; deleting them twice is no trouble."""
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows))
    if not local:
        monkeypatch.setattr("app.pipeline.table_files.local_folder", lambda _: None)
    files = TableFiles(str(tmp_path / "sales"), {})
    entries = {entry.path: entry for entry in files.entries()}
    assert len(entries) == 2
    commit = entries[commit_path(0)]
    assert commit.size_bytes == (tmp_path / "sales" / commit.path).stat().st_size
    assert commit.written is not None
    files.sync(entries)
    for path in (*entries, *entries):
        files.delete(path)
    assert files.entries() == []


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_a_folder_is_read_by_arrow_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Threads of Arrow that call Python abort a process that ends meanwhile."""
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows))

    def refused(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("deltalake.fs.DeltaStorageHandler.from_table", refused)
    loaded = DeltaCache(address.format(tmp_path)).load("sales").rows
    assert loaded.num_rows == rows.num_rows


def test_a_store_is_read_through_delta_rs() -> None:
    """Only it knows how to."""
    assert TableFiles("s3://bucket/cache/sales", {}).native is None


def test_a_disk_that_fails_is_told(tmp_path: Path) -> None:
    """What cannot be brought to the disk is not acknowledged."""
    with pytest.raises(CacheUnavailableError, match="to the disk"):
        TableFiles(str(tmp_path), {}).sync(["missing"])
