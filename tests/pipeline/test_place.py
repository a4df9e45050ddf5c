"""The folder of a cache is one folder, however it is written, and is looked at without reading."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import CacheUnavailableError
from app.pipeline.attempts import StoredAttempts
from app.pipeline.cache import DeltaCache
from app.pipeline.place import CachePlace, TableSize, cache_root
from app.reports import Attempt, AttemptOutcome
from tests.fakes import START
from tests.pipeline.samples import metadata_of, three_months

ROOT = Path(__file__).resolve().parents[2]
# What is odd to a shell, an address, a pattern, a storage library, or a file system.
SIGNS = " %#?{}[]^|\\~'\"*&+:;=@,!$()`<>.-_äüé\u0308\u0301😀\u200b\u202e\x7f\t\n"
NAMES = st.text(SIGNS + "ab2F5", min_size=1, max_size=12).filter(
    lambda name: name.strip(".") and not name.startswith("~/")
)
UNFIT = re.compile(r"[]|[\\^\x7f\t\n]|%[0-9a-fA-F]{2}")
ATTEMPT = Attempt(dataset="sales", outcome=AttemptOutcome.SUCCEEDED, at=START)


def save(cache: DeltaCache, number: int) -> None:
    """Save one more version."""
    rows = three_months(float(number))
    cache.save(rows, metadata_of(rows))


def forms_of(folder: Path) -> list[str]:
    """Return how one folder may be written in CACHE_URI."""
    return [
        str(folder),
        f"{folder}//",
        f"{folder.parent}/x/../{folder.name}",
        f"./{folder.name}",
        f"~/{folder.name}",
        folder.as_uri(),
        f"file:{quote(str(folder))}/",
        f"FILE://localhost{quote(str(folder))}",
    ]


@settings(max_examples=40)
@given(name=NAMES, data=st.data())
@example(name="~", data=None)
@example(name="u\u0308" * 80, data=None)
@example(name="x" * 200, data=None)
@example(name="pct%2x 100%", data=None)
@example(name="back\\slash", data=None)
@example(name="pct%20x", data=None)
@example(name="a[b]", data=None)
def test_what_was_saved_is_found_again_or_the_place_is_refused(
    name: str, data: st.DataObject | None
) -> None:
    """Rows, side files and sizes are in the folder that is meant and nowhere else, in any form."""
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", base)
        patch.chdir(base)
        folder = Path(base).resolve() / name
        (folder.parent / "x").mkdir(exist_ok=True)
        forms = forms_of(folder)
        chosen = forms if data is None else [data.draw(st.sampled_from(forms)) for _ in range(2)]
        if UNFIT.search(name):
            for form in chosen:
                with pytest.raises(CacheUnavailableError, match="is what Delta tables cannot be"):
                    cache_root(form)
            return
        places = {cache_root(form) for form in chosen}
        assert len(places) == 1
        rows = three_months()
        DeltaCache(chosen[0]).save(rows, metadata_of(rows))
        StoredAttempts(chosen[0]).keep(ATTEMPT)
        assert sorted(os.listdir(base)) == sorted({"x", name})  # noqa: PTH208 - names alone
        assert os.listdir(folder) == ["sales"]  # noqa: PTH208
        for form in chosen:
            cache = DeltaCache(form)
            assert cache.load("sales").rows.equals(rows)
            assert (cache.datasets(), cache.versions("sales")) == (("sales",), (0,))
            assert StoredAttempts(form).last("sales") == ATTEMPT
            assert CachePlace(form).size("sales") is not None


def test_another_process_finds_what_was_saved(tmp_path: Path) -> None:
    """Whatever the folder is called and wherever each process stands; both end as they should."""
    base = tmp_path / "ä u\u0308 {1}#?%&'*+:\"~"
    base.mkdir()
    work = (
        "import sys; from app.pipeline.cache import DeltaCache, load_cache\n"
        "from tests.pipeline.samples import metadata_of, three_months\n"
        "rows = three_months()\n"
        "if sys.argv[2] == 'save': DeltaCache(sys.argv[1]).save(rows, metadata_of(rows))\n"
        "print(len(load_cache(uri=sys.argv[1], dataset='sales')[0]))\n"
    )
    for form, what in ((f"file:{quote(str(base / 'cache'))}", "save"), ("~/cache", "load")):
        done = subprocess.run(
            [sys.executable, "-c", work, form, what],
            cwd=base,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(base)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr
    assert [path.name for path in base.iterdir()] == ["cache"]


def test_a_link_leads_to_the_cache(tmp_path: Path) -> None:
    """A folder and a link to it are one cache, and so is a dataset that is a link."""
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    save(DeltaCache(tmp_path / "near"), 1)
    assert DeltaCache(tmp_path / "far").load("sales").version == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sales").symlink_to(tmp_path / "far" / "sales")
    assert DeltaCache(tmp_path / "other").load("sales").version == 0


def test_a_file_in_the_way_and_a_closed_folder_are_told_before_a_write(tmp_path: Path) -> None:
    """A pull that could not be saved need not begin; a folder that is not there yet is no fault."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnavailableError, match="Not a directory"):
        DeltaCache(tmp_path / "file").check("sales")
    with pytest.raises(CacheUnavailableError, match="Not a directory"):
        DeltaCache(tmp_path / "file" / "below").check("sales")
    DeltaCache(tmp_path / "not" / "yet").check("sales")
    assert not (tmp_path / "not").exists()


def test_size_files_and_versions_are_those_on_the_disk(tmp_path: Path) -> None:
    """All files count, those of older versions and of the log too; each commit is a version."""
    cache, place = DeltaCache(tmp_path), CachePlace(str(tmp_path))
    for number in range(3):
        save(cache, number)
    files = [path for path in (tmp_path / "sales").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert place.size("sales") == TableSize(size, len(files), 3)
    assert place.size("sales") == CachePlace(tmp_path.as_uri()).size("sales")


def test_nothing_saved_has_no_size(tmp_path: Path) -> None:
    """A dataset without a folder, or with an empty one, takes up nothing that could be told."""
    assert CachePlace(str(tmp_path)).size("sales") is None
    (tmp_path / "sales").mkdir()
    assert CachePlace(str(tmp_path)).size("sales") is None


def test_what_cannot_be_looked_at_is_passed_over(tmp_path: Path) -> None:
    """A file that is gone, and a folder that is somebody else's, are no error."""
    cache = DeltaCache(tmp_path)
    save(cache, 0)
    place = CachePlace(str(tmp_path))
    (tmp_path / "sales" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "sales" / "_delta_log" / "away").mkdir(mode=0)
    found = place.size("sales")
    assert found is not None
    assert found.versions == 1


def test_room_and_permission_are_those_of_the_nearest_folder(tmp_path: Path) -> None:
    """Before the first refresh the folder is not there; the one above it is asked."""
    place = CachePlace(str(tmp_path / "not" / "yet"))
    assert place.free_bytes() == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.5)
    assert place.writable()


def test_of_an_object_store_nothing_is_known() -> None:
    """What would cost requests is not asked."""
    place = CachePlace("s3://bucket/cache")
    assert (place.size("sales"), place.free_bytes(), place.writable()) == (None, None, None)
