"""What is at hand is what a load would give, or nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree

import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from app.errors import CacheError
from app.pipeline.cache import DeltaCache
from app.pipeline.history import Pin
from tests.pipeline.samples import REFRESHED, metadata_of, three_months

Damage = Callable[[Path], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache with two versions."""
    cache = DeltaCache(tmp_path)
    for first in (1.0, 2.0):
        rows = three_months(first)
        cache.save(rows, metadata_of(rows))
    return tmp_path


def data_file(root: Path) -> Path:
    """Return the newest data file."""
    return max((root / "sales").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)


def commits(root: Path) -> Path:
    """Return the folder of the commits."""
    return root / "sales" / "_delta_log"


def longer(root: Path) -> None:
    """Change the data."""
    with data_file(root).open("ab") as file:
        file.write(b"x")


DAMAGES: dict[str, Damage] = {
    "longer": longer,
    "no data": lambda root: data_file(root).unlink(),
    "no commit": lambda root: (commits(root) / f"{1:020}.json").unlink(),
    "no folder": lambda root: rmtree(root / "sales"),
    "new commit": lambda root: (commits(root) / f"{2:020}.json").touch(),
    "odd commit": lambda root: (commits(root) / f"{2:020}.json").mkdir(),
}


def test_what_was_loaded_is_at_hand(root: Path) -> None:
    """The very object, for the newest version and for one that was asked for by number."""
    cache = DeltaCache(root)
    assert cache.at_hand("sales") is None
    newest, older = cache.load("sales"), cache.load("sales", Pin(0))
    assert cache.at_hand("sales") is newest
    assert cache.at_hand("sales", Pin(1)) is newest
    assert cache.at_hand("sales", Pin(0)) is older
    assert cache.at_hand("sales", Pin(7)) is None
    assert cache.at_hand("sales", Pin(as_of=datetime.now(UTC))) is None
    assert cache.at_hand("other") is None


def test_what_another_process_publishes_is_seen(root: Path) -> None:
    """After a save or a touch elsewhere nothing is at hand before it is loaded."""
    cache, other = DeltaCache(root), DeltaCache(root)
    rows = three_months(3)
    for times in range(2):
        loaded = cache.load("sales")
        assert cache.at_hand("sales") is loaded
        refreshed = metadata_of(rows, refreshed=REFRESHED + timedelta(hours=times))
        published = other.touch(refreshed) if times else other.save(rows, refreshed)
        assert cache.at_hand("sales") is None
        assert cache.load("sales").version == published.version


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_file_that_is_not_as_it_was_is_seen(root: Path, damage: Damage) -> None:
    """Whatever changed on the disk, nothing is at hand: a load finds out what it means."""
    cache = DeltaCache(root)
    cache.load("sales")
    damage(root)
    assert cache.at_hand("sales") is None


def test_elsewhere_nothing_is_at_hand(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an object store every look takes its time, and a load takes it."""
    monkeypatch.setattr("app.pipeline.delta_log.local_folder", lambda _: None)
    cache = DeltaCache(root)
    loaded = cache.load("sales")
    assert cache.at_hand("sales") is None
    assert cache.load("sales") is loaded


def test_a_glance_is_at_what_a_load_would_give(root: Path) -> None:
    """Version and metadata without rows; after damage, the version that proves whole."""
    cache = DeltaCache(root)
    head = cache.glance("sales")
    assert (head.version, head.warning) == (1, None)
    whole = data_file(root).read_bytes()
    data_file(root).write_bytes(whole[:-1])
    fallen = cache.glance("sales")
    assert fallen.version == 0
    assert fallen.warning is not None
    (commits(root) / f"{2:020}.json").write_text("nonsense")
    assert DeltaCache(root).glance("sales").version == 0


def cut(file: Path) -> None:
    """Take half of a file away."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def other_rows(file: Path) -> None:
    """Put other rows in the place of those of a file, and keep its size for delta-rs."""
    rows = three_months(7.0)
    content = io.BytesIO()
    pq.write_table(rows, content)
    file.write_bytes(content.getvalue().ljust(file.stat().st_size, b"\0"))


@pytest.mark.parametrize("loses", [cut, Path.unlink, other_rows])
def test_a_save_counts_only_if_it_can_be_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, loses: Damage
) -> None:
    """A disk that answers well and keeps something else is found out before anybody is told."""
    rows = three_months(3.0)

    def written(*arguments: object, **named: object) -> None:
        write_deltalake(*arguments, **named)  # type: ignore[call-overload]
        loses(data_file(root))

    with monkeypatch.context() as patch:
        patch.setattr("app.pipeline.table_format.write_deltalake", written)
        with pytest.raises(CacheError):
            DeltaCache(root).save(rows, metadata_of(rows))
    served = DeltaCache(root).load("sales")
    assert (served.version, served.rows.equals(three_months(2.0))) == (1, True)
    assert served.warning is not None
    saved = DeltaCache(root).save(rows, metadata_of(rows))
    assert DeltaCache(root).load("sales").version == saved.version == 3


def test_what_was_saved_is_at_hand(root: Path) -> None:
    """What was read back need not be read again, and is what another process reads."""
    cache, rows = DeltaCache(root), three_months(3.0)
    saved = cache.save(rows, metadata_of(rows))
    assert cache.at_hand("sales") is cache.load("sales") is saved
    assert DeltaCache(root).load("sales").rows.equals(saved.rows)
