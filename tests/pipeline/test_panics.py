"""A panic of native code is no `Exception`; wherever it happens, it ends as an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake
from typer.testing import CliRunner

from app.catalogue import Labels
from app.errors import CacheCorruptError, CacheUnavailableError, SeriesError
from app.pipeline.attempts import StoredAttempts
from app.pipeline.cache import DeltaCache
from app.pipeline.delta_log import translated
from app.pipeline.history import Pin
from app.pipeline.labels import StoredLabels
from app.pipeline.retention import Retention
from app.reports import Attempt, AttemptOutcome
from demo.cache import app
from tests.fakes import START
from tests.pipeline.samples import metadata_of, three_months

ROWS = three_months()
METHODS = (
    *("__init__", "version", "protocol", "schema", "metadata", "get_add_actions"),
    *("to_pyarrow_table", "create_write_transaction", "create_checkpoint"),
)
ACTS: dict[str, Callable[[DeltaCache], object]] = {
    "save": lambda cache: cache.save(three_months(2.0), metadata_of(three_months(2.0))),
    "touch": lambda cache: cache.touch(metadata_of(ROWS)),
    "load": lambda cache: cache.load("sales"),
    "load one": lambda cache: cache.load("sales", Pin(0)),
    "glance": lambda cache: cache.glance("sales"),
    "check": lambda cache: cache.check("sales"),
    "history": lambda cache: cache.history("sales"),
    "metadata": lambda cache: cache.metadata("sales"),
    "datasets": lambda cache: cache.datasets(),
    "roll back": lambda cache: cache.roll_back("sales", 0),
    "verify": lambda cache: cache.verify("sales"),
    "repair": lambda cache: cache.repair("sales"),
    "repair anew": lambda cache: cache.repair("sales", anew=True),
    "vacuum": lambda cache: cache.vacuum("sales", Retention(versions=1)),
}


@pytest.fixture
def panic(tmp_path: Path) -> BaseException:
    """Return a panic as delta-rs raises it."""
    with pytest.raises(BaseException, match="InvalidDomainCharacter") as raised:
        write_deltalake(tmp_path / "a[b]", ROWS)
    assert not isinstance(raised.value, Exception)
    return raised.value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a cache with two versions of `sales`."""
    for number in (1.0, 1.0):
        rows = three_months(number)
        DeltaCache(tmp_path).save(rows, metadata_of(rows))
    return tmp_path


def test_a_panic_is_told_with_what_to_do(panic: BaseException) -> None:
    """It is the place that fails; what stops a program on purpose still does."""
    with pytest.raises(CacheUnavailableError) as told, translated("write the cache", "/data/x"):
        raise panic
    assert "InvalidDomainCharacter" in told.value.problem
    assert "CACHE_URI" in told.value.next_step
    with pytest.raises(KeyboardInterrupt), translated("write the cache", "/data/x"):
        raise KeyboardInterrupt
    for bare in (Exception("External"), RuntimeError("Already borrowed"), KeyError("date")):
        with pytest.raises(CacheCorruptError), translated("read the cache", "/data/x"):
            raise bare


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("method", [*METHODS, "write", "store"])
def test_no_panic_under_the_cache_gets_through(
    root: Path,
    panic: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    act: Callable[[DeltaCache], object],
) -> None:
    """Whatever is done and wherever it fails, the outcome is a result or an error of ours."""

    def panics(*_: object, **__: object) -> None:
        raise panic

    if method == "write":
        monkeypatch.setattr("app.pipeline.table_format.write_deltalake", panics)
    elif method == "store":
        monkeypatch.setattr("app.pipeline.delta_log.DeltaStorageHandler", panics)
    else:
        broken = type("Broken", (DeltaTable,), {method: panics})
        monkeypatch.setattr("app.pipeline.series_table.DeltaTable", broken)
    try:
        act(DeltaCache(root))
    except SeriesError as error:
        assert error.next_step  # noqa: PT017 - either outcome is right, a panic is not


def test_side_files_pass_over_a_panic(
    root: Path, panic: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How a refresh ended is remembered by the process, and labels are left out."""

    def panics(*_: object, **__: object) -> None:
        raise panic

    monkeypatch.setattr("app.pipeline.side_files._BytesHandler", panics)
    attempts, labels = StoredAttempts(root), StoredLabels(root)
    attempt = Attempt(dataset="sales", outcome=AttemptOutcome.SUCCEEDED, at=START)
    attempts.keep(attempt)
    labels.keep(
        Labels(dataset="sales", definition_hash="", content_hash="", read_at=START, dimensions={})
    )
    assert attempts.last("sales") == attempt
    assert labels.last("sales") is None


@pytest.mark.parametrize("word", ["verify", "repair", "vacuum", "history"])
def test_a_command_ends_with_a_line(
    root: Path, panic: BaseException, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """And with the code of a failure, not with a stack trace."""

    def panics(*_: object, **__: object) -> None:
        raise panic

    monkeypatch.setattr("app.pipeline.delta_log.DeltaStorageHandler", panics)
    done = CliRunner().invoke(app, [word], env={"CACHE_URI": str(root)})
    assert done.exit_code == 2
    assert "the storage library failed" in done.output
    assert "Traceback" not in done.output


def test_a_real_panic_ends_a_save(root: Path, tmp_path: Path) -> None:
    """The folder of a dataset may be a link to one that Delta tables cannot be under."""
    (tmp_path / "a[b]").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sales").symlink_to(tmp_path / "a[b]")
    with pytest.raises(CacheUnavailableError, match="the storage library failed"):
        DeltaCache(tmp_path / "other").save(ROWS, metadata_of(ROWS))
