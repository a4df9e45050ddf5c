"""A small file beside a table is there as a whole, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from app.pipeline.side_files import FOLDER, SideFiles


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """While another writes shorter and longer content in turn, each read is the whole of one."""
    write_deltalake(tmp_path / "a", pa.table({"x": [1]}))
    own, other = SideFiles(tmp_path, "note.json"), SideFiles(tmp_path, "note.json")
    contents = b"short", b"much longer" * 1_000
    other.write("a", contents[0])

    def write() -> None:
        for number in range(300):
            other.write("a", contents[number % 2])

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        while not writing.done():
            assert own.read("a") in contents
        writing.result()


def test_a_file_replaces_the_one_before(tmp_path: Path) -> None:
    """Of each dataset its own, and nothing is left beside it; readers of the table pass over it."""
    for name in ("a", "b"):
        write_deltalake(tmp_path / name, pa.table({"x": [1]}))
    files = SideFiles(tmp_path, "note.json")
    assert (files.read("a"), files.place("a")) == (None, f"{tmp_path}/a")
    for content in (b"one", b"two"):
        files.write("a", content)
    assert (SideFiles(tmp_path, "note.json").read("a"), files.read("b")) == (b"two", None)
    assert [path.name for path in (tmp_path / "a" / FOLDER).iterdir()] == ["note.json"]
    assert DeltaTable(tmp_path / "a").version() == 0
