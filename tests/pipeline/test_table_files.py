"""The files of a table, on this machine and in an object store."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.errors import CacheCorruptError, CacheUnavailableError
from app.pipeline.cache import DeltaCache
from app.pipeline.delta_log import Stamp, commit_path
from app.pipeline.table_files import TableFiles
from tests.pipeline.samples import metadata_of, three_months


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
    assert TableFiles("s3://bucket/cache/sales", {}).file_system({}, []) is None


@pytest.mark.parametrize(
    "path",
    [
        "../other/a.parquet",
        "a/../../b",
        "/etc/passwd",
        "file:///etc/passwd",
        "a%20b",
        "",
        "a/",
        ".",
    ],
)
def test_what_is_odd_is_for_delta_rs_to_judge(tmp_path: Path, path: str) -> None:
    """A path that leads out of the folder, or that must be decoded first; a size of another day."""
    files = TableFiles(str(tmp_path), {})
    assert files.file_system({path: 1}, [None]) is None
    assert files.file_system({"a": 1}, [Stamp("a", 2, 0)]) is None
    assert files.file_system({"a": 2}, [Stamp("a", 2, 0)]) is not None
    assert files.file_system({"x=1/a-0.c.parquet": 2}, [Stamp("a", 2, 0)]) is not None


def test_a_file_that_is_gone_or_short_is_told_by_its_name(tmp_path: Path) -> None:
    """In plain words, as a reader may be shown them."""
    with pytest.raises(ValueError, match=r"^the file a\.parquet has lost 1,999 bytes$"):
        TableFiles(str(tmp_path), {}).file_system({"a.parquet": 2_000}, [Stamp("a.parquet", 1, 0)])
    with pytest.raises(FileNotFoundError, match=r"^the file a\.parquet is not there$"):
        TableFiles(str(tmp_path), {}).file_system({"a.parquet": 1}, [None])


def test_a_file_outside_the_folder_is_never_read(tmp_path: Path) -> None:
    """Whoever can write one log cannot have the files of others shown."""
    rows, other = three_months(), three_months(5)
    DeltaCache(tmp_path).save(rows, metadata_of(rows))
    DeltaCache(tmp_path).save(other, metadata_of(other, dataset="secret"))
    secret = next((tmp_path / "secret").glob("*.parquet"))
    commit = tmp_path / "sales" / commit_path(0)
    text = commit.read_text(encoding="utf-8")
    own = re.search(r'"path":"([^"]+)"', text)
    assert own is not None
    commit.write_text(text.replace(own[1], f"../secret/{secret.name}"), encoding="utf-8")
    with pytest.raises(CacheCorruptError):
        DeltaCache(tmp_path).load("sales")


def test_a_file_that_grew_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What some tool has put behind it is no part of it."""
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows))
    with next((tmp_path / "sales").glob("*.parquet")).open("ab") as file:
        file.write(bytes(100))
    loaded = DeltaCache(tmp_path).load("sales")
    assert (loaded.warning, loaded.rows.num_rows) == (None, rows.num_rows)


def test_a_disk_that_fails_is_told(tmp_path: Path) -> None:
    """What cannot be brought to the disk is not acknowledged."""
    with pytest.raises(CacheUnavailableError, match="to the disk"):
        TableFiles(str(tmp_path), {}).sync(["missing"])
