"""The cache: what is saved, what is loaded, and what is said when it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from app.errors import (
    CacheCorruptError,
    CacheError,
    CacheMissingError,
    CacheUnavailableError,
    DataError,
    UnknownDatasetError,
    UnknownVersionError,
)
from app.pipeline.cache import DeltaCache, frame_to_rows, load_cache, save_cache
from app.pipeline.contract import series_schema
from app.pipeline.delta_log import SAVED_PATH
from app.pipeline.history import Pin
from app.pipeline.ports import CacheRepository
from app.records import Grain
from tests.pipeline.samples import REFRESHED, metadata_of, series, three_months

LATER = REFRESHED + timedelta(hours=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a cache that does not exist yet, with a blank in its name."""
    return tmp_path / "my cache"


@pytest.fixture
def cache(root: Path) -> DeltaCache:
    """Return an empty cache."""
    return DeltaCache(root)


@pytest.fixture
def filled(root: Path) -> DeltaCache:
    """Return a cache that holds version 0 and the newer version 1, and remembers neither."""
    writer = DeltaCache(root)
    for first in (1.0, 2.0):
        rows = three_months(first)
        refreshed = REFRESHED + timedelta(days=first)
        writer.save(rows, metadata_of(rows, refreshed=refreshed))
    return DeltaCache(root)


def commit_file(root: Path, version: int) -> Path:
    """Return the log file of a version of the dataset `sales`."""
    return root / "sales" / "_delta_log" / f"{version:020}.json"


def data_file(root: Path, version: int) -> Path:
    """Return the data file that a version added."""
    lines = map(json.loads, commit_file(root, version).read_text().splitlines())
    path: str = next(line["add"]["path"] for line in lines if "add" in line)
    return root / "sales" / path


def test_a_cache_is_a_repository(cache: DeltaCache) -> None:
    """The cache satisfies the port of the pipeline."""
    repository: CacheRepository = cache
    assert repository is cache


def test_what_is_saved_is_loaded(cache: DeltaCache, root: Path) -> None:
    """Rows, schema and metadata come back equal, in this process and in the next."""
    rows = three_months()
    saved = cache.save(rows, metadata_of(rows))
    for reader in (cache, DeltaCache(root)):
        loaded = reader.load("sales")
        assert loaded.rows.equals(rows, check_metadata=True)
        assert loaded.metadata == saved.metadata
        assert (loaded.version, loaded.warning) == (0, None)
    assert saved.metadata.content_hash
    assert saved.metadata.dimensions == {"dim_region": "dim_region"}


def test_a_root_may_be_a_uri(root: Path) -> None:
    """A `file://` URI, trailing slash or not, is the same cache as the path."""
    rows = three_months()
    DeltaCache(f"file://{root}/").save(rows, metadata_of(rows))
    assert DeltaCache(root).load("sales").rows.equals(rows)
    assert DeltaCache(f"file://{root}").datasets() == ("sales",)


def test_every_save_is_a_new_version_and_old_ones_stay(filled: DeltaCache) -> None:
    """The newest version is loaded; an older one is there for who asks for it."""
    assert filled.versions("sales") == (0, 1)
    assert filled.load("sales").rows.equals(three_months(2.0))
    old = filled.load("sales", Pin(0))
    assert old.rows.equals(three_months(1.0))
    assert old.version == 0
    with pytest.raises(UnknownVersionError, match=r"no version 7 .* holds 0 to 1"):
        filled.load("sales", Pin(7))


def test_the_schema_may_change(filled: DeltaCache) -> None:
    """A version with other dimensions replaces the one before it."""
    schema = series_schema(["dim_product", "dim_region"])
    rows = pa.Table.from_arrays([[date(2024, 1, 1)], [1.0], ["p"], ["r"]], schema=schema)
    filled.save(rows, metadata_of(rows))
    assert filled.load("sales").rows.equals(rows)


def test_an_empty_series_can_be_kept(filled: DeltaCache) -> None:
    """A series without rows is saved and loaded like any other."""
    rows = series([])
    filled.save(rows, metadata_of(rows))
    loaded = filled.load("sales")
    assert loaded.rows.equals(rows)
    assert loaded.metadata.min_date is None


def test_a_touch_changes_the_time_and_writes_no_data(filled: DeltaCache, root: Path) -> None:
    """A touch makes a version with new metadata, the same rows, and no new file."""
    before = filled.load("sales")
    files = set(root.rglob("*.parquet"))
    touched = filled.touch(replace(before.metadata, last_refresh_time=LATER))
    assert touched.version == 2
    assert set(root.rglob("*.parquet")) == files
    for reader in (filled, DeltaCache(root)):
        loaded = reader.load("sales")
        assert loaded.rows.equals(before.rows)
        assert (loaded.metadata.last_refresh_time, loaded.version) == (LATER, 2)
        assert loaded.warning is None


def test_a_touch_needs_the_rows_it_speaks_of(filled: DeltaCache, root: Path) -> None:
    """Metadata of other rows are not put upon what another process has saved meanwhile."""
    mine = filled.load("sales").metadata
    rows = three_months(9.0)
    DeltaCache(root).save(rows, metadata_of(rows))
    with pytest.raises(CacheUnavailableError, match="another process"):
        filled.touch(mine)
    assert filled.load("sales").rows.equals(rows)


def test_a_touch_of_nothing_is_refused(cache: DeltaCache) -> None:
    """Where nothing was saved there is nothing to touch."""
    with pytest.raises(CacheMissingError):
        cache.touch(metadata_of(three_months()))


def test_a_load_notices_other_writers_and_forgets_what_is_deleted(
    filled: DeltaCache, root: Path
) -> None:
    """An unchanged table is handed out as it was; a commit or a deletion is seen at once."""
    first = filled.load("sales")
    assert filled.load("sales") is first
    rows = three_months(5.0)
    DeltaCache(root).save(rows, metadata_of(rows))
    assert filled.load("sales").rows.equals(rows)
    for path in sorted((root / "sales").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(CacheMissingError):
        filled.load("sales")


def test_metadata_can_be_read_alone(filled: DeltaCache) -> None:
    """The newest metadata are those of the newest version."""
    assert filled.metadata("sales") == filled.load("sales").metadata


def test_datasets_are_the_folders_with_a_table(filled: DeltaCache, root: Path) -> None:
    """Only tables are listed: no empty folder, no file, no name that could be no dataset."""
    rows = three_months()
    filled.save(rows, metadata_of(rows, dataset="head-count_2"))
    (root / "empty").mkdir()
    (root / "Other").mkdir()
    (root / "file").write_text("x")
    (root / "lost").mkdir()
    (root / "lost" / "part.parquet").write_bytes(b"x")
    assert filled.datasets() == ("head-count_2", "sales")
    (root / "lost" / "_sac_series").mkdir()
    (root / "lost" / SAVED_PATH).touch()
    assert filled.datasets() == ("head-count_2", "lost", "sales")


def test_a_cache_without_a_root_has_no_datasets(cache: DeltaCache) -> None:
    """Nothing is listed, and nothing is created by looking."""
    assert cache.datasets() == ()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "A", "a b", "ä", "x" * 65, "a\n"])
def test_a_dataset_cannot_leave_the_root(cache: DeltaCache, name: str) -> None:
    """A malformed name is refused before any path is made of it."""
    with pytest.raises(UnknownDatasetError, match="is no name of a dataset"):
        cache.load(name)


def test_the_time_is_kept_in_utc(cache: DeltaCache) -> None:
    """Another time zone is turned into UTC; a time without one is refused."""
    rows = three_months()
    eastern = datetime.fromisoformat("2026-11-21T15:05:00+01:00")
    saved = cache.save(rows, metadata_of(rows, refreshed=eastern))
    assert saved.metadata.last_refresh_time == REFRESHED
    assert saved.metadata.last_refresh_time.tzinfo is UTC
    with pytest.raises(DataError, match="no time zone"):
        cache.save(rows, metadata_of(rows, refreshed=REFRESHED.replace(tzinfo=None)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"row_count": 7},
        {"min_date": None},
        {"max_date": date(2030, 1, 1)},
        {"content_hash": "0"},
        {"dimensions": {"dim_other": "Other"}},
        {"grain": Grain.YEAR},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_metadata_that_do_not_fit_are_not_saved(
    filled: DeltaCache, wrong: dict[str, object]
) -> None:
    """Rows and metadata that disagree are refused, and the old version is still served."""
    rows = three_months(8.0)
    with pytest.raises(DataError):
        filled.save(rows, replace(metadata_of(rows), **wrong))  # type: ignore[arg-type]
    assert filled.load("sales").version == 1


def test_nothing_there_says_how_to_fill_it(cache: DeltaCache, root: Path) -> None:
    """A missing, an empty and a foreign folder all say what to run, and can be saved to."""
    folder = root / "sales"
    prepared: list[Callable[[], None]] = [
        lambda: None,
        lambda: folder.mkdir(parents=True),
        lambda: foreign(folder),
    ]
    for prepare in prepared:
        prepare()
        with pytest.raises(CacheMissingError) as caught:
            cache.load("sales")
        assert "'sales'" in caught.value.problem
        assert "python -m demo.refresh" in caught.value.next_step
    rows = three_months()
    assert cache.save(rows, metadata_of(rows)).version == 0
    assert cache.load("sales").rows.equals(rows)


def foreign(folder: Path) -> None:
    """Put a file of somebody else and an empty log into a folder."""
    (folder / "notes.txt").write_text("mine")
    (folder / "_delta_log").mkdir()


def cut(path: Path) -> None:
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Turn over the bits of one byte of the first data page."""
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    path.write_bytes(content)


def empty(path: Path) -> None:
    """Leave nothing in a file."""
    path.write_bytes(b"")


damages = pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])


@damages
def test_broken_data_give_the_version_before(
    filled: DeltaCache, root: Path, damage: Callable[[Path], None]
) -> None:
    """If the newest data cannot be read, the version before is served with a warning."""
    damage(data_file(root, 1))
    loaded = filled.load("sales")
    assert loaded.rows.equals(three_months(1.0))
    assert loaded.version == 0
    assert loaded.warning is not None
    assert "version 0 of 22 Nov 2026, 14:05 UTC" in loaded.warning
    assert filled.load("sales") is loaded
    with pytest.raises(CacheCorruptError):
        filled.load("sales", Pin(1))


@pytest.mark.parametrize("damage", [cut, empty, lambda path: path.write_text("garbage\n")])
def test_a_broken_log_gives_the_version_before(
    filled: DeltaCache, root: Path, damage: Callable[[Path], None]
) -> None:
    """If the newest commit cannot be read, no version that it made is served."""
    damage(commit_file(root, 1))
    loaded = filled.load("sales")
    assert loaded.rows.equals(three_months(1.0))


@damages
def test_all_broken_says_so(filled: DeltaCache, root: Path, damage: Callable[[Path], None]) -> None:
    """If no version can be read, the error says so in plain words, where, and what to do."""
    for version in (0, 1):
        damage(data_file(root, version))
    with pytest.raises(CacheCorruptError) as caught:
        filled.load("sales")
    assert "No version of dataset 'sales'" in caught.value.problem
    assert str(root) in str(caught.value)
    assert "python -m demo.refresh" in caught.value.next_step
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_log_that_is_gone_is_told_from_an_empty_folder(filled: DeltaCache, root: Path) -> None:
    """A log that is gone is a broken cache, not a missing one."""
    for version in (0, 1):
        commit_file(root, version).unlink()
    with pytest.raises(CacheCorruptError, match="is gone"):
        filled.load("sales")


def test_a_first_save_that_never_ended_is_told_from_a_log_that_is_gone(
    cache: DeltaCache, root: Path
) -> None:
    """The data of a first save come before its commit; until then nothing was ever saved."""
    folder = root / "sales"
    (folder / "_delta_log").mkdir(parents=True)
    (folder / "part-00000-13d6b454-6203-4284-b1e0-cf973646c17e-c000.snappy.parquet").touch()
    with pytest.raises(CacheMissingError):
        cache.load("sales")
    assert cache.datasets() == ()


def test_a_gap_in_the_log_is_survived(filled: DeltaCache, root: Path) -> None:
    """A deleted commit hides the versions after it, not those before."""
    rows = three_months(3.0)
    filled.save(rows, metadata_of(rows))
    commit_file(root, 1).unlink()
    assert DeltaCache(root).load("sales").rows.equals(three_months(1.0))


@pytest.mark.parametrize("version", [0, 1])
def test_a_save_repairs_a_broken_log(filled: DeltaCache, root: Path, version: int) -> None:
    """The remedy works: after a refresh the table is whole, and the broken commits set aside."""
    reader = DeltaCache(root)
    reader.load("sales")
    cut(commit_file(root, version))
    rows = three_months(4.0)
    saved = filled.save(rows, metadata_of(rows))
    assert saved.version == version
    for cache in (filled, reader, DeltaCache(root)):
        loaded = cache.load("sales")
        assert loaded.rows.equals(rows)
        assert loaded.warning is None
    assert list(root.rglob("*.broken"))


def test_a_touch_never_covers_broken_data(filled: DeltaCache, root: Path) -> None:
    """A touch of a version that cannot be read asks for the rows."""
    metadata = filled.load("sales", Pin(0)).metadata
    cut(data_file(root, 1))
    with pytest.raises(CacheCorruptError) as caught:
        filled.touch(metadata)
    assert "Save the rows anew" in caught.value.next_step


def test_touches_of_broken_data_are_passed_over(filled: DeltaCache, root: Path) -> None:
    """However often broken data were touched, the last whole version is found."""
    newest = filled.load("sales").metadata
    for hours in range(1, 6):
        filled.touch(replace(newest, last_refresh_time=LATER + timedelta(hours=hours)))
    cut(data_file(root, 1))
    assert DeltaCache(root).load("sales").version == 0


def test_commits_of_other_tools_are_no_trouble(filled: DeltaCache, root: Path) -> None:
    """OPTIMIZE and VACUUM write commits without our metadata; the rows are still known."""
    table = DeltaTable(root / "sales")
    table.optimize.z_order(["date"])
    table.create_checkpoint()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    loaded = filled.load("sales")
    assert loaded.rows.equals(three_months(2.0))
    assert loaded.version > 1
    assert loaded.warning is None


def test_rows_that_other_tools_changed_are_not_served(filled: DeltaCache, root: Path) -> None:
    """An append or a deletion by hand breaks the hash, and the version before is served."""
    DeltaTable(root / "sales").delete("dim_region = 'APJ'")
    loaded = filled.load("sales")
    assert loaded.rows.equals(three_months(2.0))
    assert loaded.warning is not None
    assert "row_count 6" in loaded.warning


def test_a_table_of_somebody_else_is_no_series(cache: DeltaCache, root: Path) -> None:
    """A Delta table without our metadata is refused, and a save takes it over."""
    write_deltalake(root / "sales", pa.table({"x": [1]}))
    with pytest.raises(CacheCorruptError, match="no metadata of a series"):
        cache.load("sales")
    rows = three_months()
    assert cache.save(rows, metadata_of(rows)).version == 1
    assert cache.load("sales").rows.equals(rows)


def test_a_file_in_the_way_is_trouble_of_the_place(tmp_path: Path) -> None:
    """A root that is a file can be neither read nor written, and the error says where."""
    place = tmp_path / "file"
    place.write_text("x")
    rows = three_months()
    with pytest.raises(CacheUnavailableError) as caught:
        DeltaCache(place).save(rows, metadata_of(rows))
    assert str(place) in caught.value.problem
    assert caught.value.next_step
    with pytest.raises(CacheError):
        DeltaCache(place).load("sales")


def test_writers_that_meet_lose_nothing(root: Path) -> None:
    """Of writers side by side each publishes whole versions, and each reader sees whole ones."""

    def refresh(number: int) -> int:
        cache = DeltaCache(root)
        rows = three_months(float(number))
        version = cache.save(rows, metadata_of(rows)).version
        assert cache.load("sales").warning is None
        return version

    with ThreadPoolExecutor(6) as pool:
        versions = list(pool.map(refresh, range(18)))
    assert sorted(versions) == list(range(18))
    assert DeltaCache(root).versions("sales") == tuple(range(18))


def test_threads_share_one_reading(filled: DeltaCache) -> None:
    """Threads that load together are handed the same table."""
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(filled.load, ["sales"] * 40))
    assert all(series is loaded[0] for series in loaded)


def frame() -> pd.DataFrame:
    """Return a frame as a person makes it."""
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=3, freq="MS").repeat(2),
            "value": [1.0, 2.0, 3.0, 4.0, 5.0, 6.5],
            "dim_region": ["APJ", "EMEA"] * 3,
        }
    ).sort_values(["dim_region", "date"], ignore_index=True)


def test_a_frame_comes_back_equal(root: Path) -> None:
    """A frame is loaded with equal values and types, and with the metadata that were saved."""
    meta = {"source": "fixture", "last_refresh_time": REFRESHED}
    saved = save_cache(frame(), meta, uri=root)
    loaded, metadata = load_cache(uri=root)
    pd.testing.assert_frame_equal(loaded, frame())
    assert metadata == saved.metadata
    assert (metadata.source, metadata.last_refresh_time) == ("fixture", REFRESHED)
    assert (metadata.row_count, metadata.min_date) == (6, date(2024, 1, 1))
    assert metadata.max_date == date(2024, 3, 1)


def test_a_frame_may_come_in_other_forms(root: Path) -> None:
    """Dates may be dates or ISO text, values integers, and rows and columns in any order."""
    for dates in (frame()["date"].dt.date, frame()["date"].dt.strftime("%Y-%m-%d")):
        other = frame().assign(date=dates)[["dim_region", "value", "date"]].iloc[::-1]
        assert frame_to_rows(other).equals(frame_to_rows(frame()))
    whole = frame().assign(value=[1, 2, 3, 4, 5, 6])
    save_cache(whole, metadata_of(frame_to_rows(whole)), uri=root, dataset="sales")
    assert load_cache(uri=root, dataset="sales")[0]["value"].tolist() == [1, 2, 3, 4, 5, 6]


def test_metadata_given_by_hand_must_agree(root: Path) -> None:
    """Facts that are given are checked, unknown fields and missing ones are named."""
    meta = {"source": "fixture", "last_refresh_time": REFRESHED.isoformat()}
    good = {
        **meta,
        "row_count": 6,
        "min_date": pd.Timestamp("2024-01-01"),
        "max_date": "2024-03-01",
    }
    assert save_cache(frame(), good, uri=root).version == 0
    for wrong, words in (
        ({**meta, "row_count": 5}, "row_count 5"),
        ({**meta, "colour": "red"}, "no field 'colour'"),
        ({"source": "fixture"}, "last_refresh_time"),
        ({**meta, "dataset": "other"}, "dataset 'other'"),
    ):
        with pytest.raises(DataError, match=words):
            save_cache(frame(), wrong, uri=root)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (frame().drop(columns="value"), "no column 'value'"),
        (frame().assign(value=float("nan")), "does not fit|has no value"),
        (frame().assign(value="many"), "does not fit"),
        (frame().assign(date=frame()["date"] + pd.Timedelta(hours=5)), "does not fit"),
        (frame().assign(date=frame()["date"] + pd.Timedelta(days=5)), "does not start a month"),
        (frame().assign(dim_region=None), "has no dim_region|does not fit"),
        (frame().assign(dim_region="a", date=frame()["date"].iloc[0]), "repeats the date"),
        (frame().assign(other="x"), "'other' is neither"),
    ],
    ids=["column", "nan", "text", "hour", "day", "member", "double", "extra"],
)
def test_a_frame_that_breaks_the_contract_is_refused(
    root: Path, bad: pd.DataFrame, words: str
) -> None:
    """What breaks the contract is named, and nothing is written."""
    with pytest.raises(DataError, match=words):
        save_cache(bad, {"source": "fixture", "last_refresh_time": REFRESHED}, uri=root)
    assert not root.exists()


def test_a_version_is_found_by_its_time(filled: DeltaCache) -> None:
    """A time between two commits names the first; none before the first commit."""
    newest, oldest = filled.history("sales")
    assert newest.time is not None
    assert oldest.time is not None
    assert filled.load("sales", Pin(as_of=newest.time)).version == 1
    assert filled.load("sales", Pin(as_of=newest.time - timedelta(milliseconds=1))).version == 0
    with pytest.raises(UnknownVersionError, match="no version yet"):
        filled.load("sales", Pin(as_of=oldest.time - timedelta(days=1)))


def test_the_history_tells_new_rows_from_confirmed_ones(filled: DeltaCache, root: Path) -> None:
    """A touch is a version that changed nothing; commits of other tools are none of ours."""
    filled.touch(replace(filled.load("sales").metadata, last_refresh_time=LATER))
    DeltaTable(root / "sales").vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )
    infos = filled.history("sales")
    assert [(info.version, info.changes_data) for info in infos] == [
        (2, False),
        (1, True),
        (0, True),
    ]
    with pytest.raises(CacheMissingError):
        filled.history("other")


def test_a_rollback_to_equal_rows_writes_no_data(filled: DeltaCache, root: Path) -> None:
    """Rows that are shown already are not written again; their metadata say where they are from."""
    files = set(root.rglob("*.parquet"))
    back = filled.roll_back("sales", 1)
    assert (back.version, back.metadata.restored_version) == (2, 1)
    assert set(root.rglob("*.parquet")) == files


def test_a_rollback_survives_what_came_after_it(filled: DeltaCache, root: Path) -> None:
    """The rows of a rollback do not hang on the files of the version they came from."""
    filled.roll_back("sales", 0)
    for version in (0, 1):
        data_file(root, version).unlink()
    loaded = DeltaCache(root).load("sales")
    assert loaded.rows.equals(three_months(1.0))
    assert (loaded.version, loaded.warning) == (2, None)


def test_a_rollback_mends_a_broken_newest_version(filled: DeltaCache, root: Path) -> None:
    """If the newest version cannot be read, an older one can still be put on top of it."""
    cut(data_file(root, 1))
    assert filled.roll_back("sales", 0).version == 2
    assert DeltaCache(root).load("sales").warning is None
    for version in (0, 2):
        cut(data_file(root, version))
    with pytest.raises(CacheCorruptError):
        filled.roll_back("sales", 0)


@damages
def test_damage_is_noticed_while_a_series_is_in_memory(
    filled: DeltaCache, root: Path, damage: Callable[[Path], None]
) -> None:
    """A series that was loaded is proved anew as soon as its file changes, pinned or not."""
    newest, pinned = filled.load("sales"), filled.load("sales", Pin(0))
    assert filled.load("sales", Pin(0)) is pinned
    damage(data_file(root, 1))
    assert filled.load("sales").version == 0
    assert filled.load("sales", Pin(0)).rows.equals(pinned.rows)
    with pytest.raises(CacheCorruptError):
        filled.load("sales", Pin(1))
    damage(data_file(root, 0))
    with pytest.raises(CacheCorruptError):
        filled.load("sales", Pin(0))
    assert newest.rows.equals(three_months(2.0))


def test_a_file_that_is_restored_is_served_again(filled: DeltaCache, root: Path) -> None:
    """The warning ends when the broken file is put back from a backup; no commit is needed."""
    path = data_file(root, 1)
    whole = path.read_bytes()
    cut(path)
    assert filled.load("sales").version == 0
    path.write_bytes(whole)
    assert filled.load("sales").version == 1


def test_only_the_last_pinned_versions_stay_in_memory(filled: DeltaCache) -> None:
    """Reading many old versions does not keep them all."""
    for first in (3.0, 4.0):
        rows = three_months(first)
        filled.save(rows, metadata_of(rows))
    first_read = filled.load("sales", Pin(0))
    filled.load("sales", Pin(1))
    filled.load("sales", Pin(2))
    assert filled.load("sales", Pin(0)) is not first_read


def test_every_version_is_verified(filled: DeltaCache, root: Path) -> None:
    """A check names the versions that are not what was saved, and what is wrong with them."""
    assert [check.problem for check in filled.verify("sales")] == [None, None]
    flip(data_file(root, 0))
    first, second = DeltaCache(root).verify("sales")
    assert first.problem is not None
    assert (first.version, second.problem) == (0, None)


def test_a_repair_puts_the_last_whole_version_on_top(filled: DeltaCache, root: Path) -> None:
    """After a repair the newest version is whole and says which one it is."""
    assert filled.repair("sales") is None
    cut(data_file(root, 1))
    repaired = filled.repair("sales")
    assert repaired is not None
    assert (repaired.version, repaired.metadata.restored_version) == (2, 0)
    loaded = DeltaCache(root).load("sales")
    assert (loaded.version, loaded.warning) == (2, None)
    assert loaded.rows.equals(three_months(1.0))
