"""A small file beside a table is there as a whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from app.pipeline.side_files import FOLDER, SideFiles


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
