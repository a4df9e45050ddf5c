"""The file of keys: whole, private, and read again when it changes."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.access.callers import Role
from app.access.keyfile import KeyEntry, WatchedKeys, changing, read_entries
from app.access.keys import hash_of, id_of, new_key
from app.errors import ConfigError
from tests.access.rig import a_key

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY, OTHER = a_key("one"), a_key("two")


def entry(key: str, **more: object) -> KeyEntry:
    """Return a key's entry, changed."""
    usual = {"id": id_of(key), "hash": hash_of(key), "role": Role.READ, "name": "x"}
    return KeyEntry(**{**usual, "created": NOW, **more})  # type: ignore[arg-type]


class Seconds:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one key."""
    path = tmp_path / "keys.json"
    with changing(path) as entries:
        entries.append(entry(KEY))
    return path


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    """Nobody else may read it, also after it was written again."""
    with changing(path) as entries:
        entries.append(entry(OTHER))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.split("_", 2)[2] not in path.read_text(encoding="utf-8")


@given(
    st.lists(
        st.builds(
            lambda name, role, days, datasets: entry(
                new_key(),
                name=name,
                role=role,
                expires=None if days is None else NOW + timedelta(days=days),
                datasets=datasets,
            ),
            st.from_regex(r"\A[\w .@/+-]{1,64}\Z"),
            st.sampled_from(Role),
            st.none() | st.integers(-1_000, 1_000),
            st.none() | st.lists(st.from_regex(r"\A[a-z0-9_-]{1,64}\Z"), min_size=1, max_size=3),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, entries: list[KeyEntry]
) -> None:
    """All that a key has survives the file."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    with changing(path) as kept:
        kept.extend(one.checked() for one in entries)
    assert list(read_entries(path)) == entries


def test_an_error_in_between_changes_nothing(path: Path) -> None:
    """A change that fails leaves the file as it was."""

    def fail() -> None:
        with changing(path) as entries:
            entries.clear()
            raise KeyboardInterrupt

    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == before


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    """Twenty keys made at once are twenty keys."""

    def one() -> None:
        with changing(path) as entries:
            entries.append(entry(new_key()))

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_entries(path)) == 21


def malformed(**changes: object) -> str:
    """Write a file with one key that has other values."""
    one: dict[str, object] = {"id": id_of(KEY), "hash": hash_of(KEY), "role": "read", "name": "x"}
    one |= {"created": "2026-11-22T00:00:00Z", **changes}
    return json.dumps({"keys": [one]})


MALFORMED = {
    "no JSON": "keys",
    "no UTF-8": '{"keys": "\udcff"}',
    "no list": '{"keys": {}}',
    "a typing error": malformed(expire="2026-11-22T00:00:00Z"),
    "another role": malformed(role="root"),
    "no dataset at all": malformed(datasets=[]),
    "a dataset with a slash": malformed(datasets=["../x"]),
    "a time without a zone": malformed(expires="2026-11-22T00:00:00"),
    "brackets without end": "[" * 100_000,
    "half a hash": malformed(hash="abc"),
    "a name of two lines": malformed(name="x\n"),
    "one key twice": malformed()[:-2] + ", " + malformed()[10:],
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_is_refused_with_its_place(tmp_path: Path, kind: str) -> None:
    """The problem names the variable and the file, and quotes no hash."""
    path = tmp_path / "keys.json"
    path.write_bytes(MALFORMED[kind].encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as error:
        read_entries(path)
    (problem,) = error.value.problems
    assert (problem.variable, str(path) in problem.found) == ("API_KEYS_FILE", True)
    assert hash_of(KEY) not in str(error.value)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf%b", "utf-16"], ids=["mark", "UTF-16"])
def test_a_file_of_a_windows_editor_is_read(path: Path, content: bytes | str) -> None:
    """A byte order mark before the keys, or UTF-16, changes nothing."""
    before, text = read_entries(path), path.read_text(encoding="utf-8")
    path.write_bytes(text.encode(content) if isinstance(content, str) else content % text.encode())
    assert read_entries(path) == before


def test_the_line_of_a_mistake_is_told(path: Path) -> None:
    """The library counts bytes; whoever mends the file looks for a line."""
    path.write_text('{\n "keys": [\n  x]}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"keys\.json: line 3: JSON is malformed"):
        read_entries(path)


def test_without_its_file_nobody_s_key_is_known_until_it_comes(path: Path) -> None:
    """It is not that the keys are wrong, and a stranger learns the variable alone."""
    content, seconds = path.read_bytes(), Seconds()
    path.unlink()
    with capture_logs() as lines:
        watched = WatchedKeys(path, seconds)
    assert [(line["event"], line["kept"]) for line in lines] == [("keys_file_unusable", 0)]
    assert "no such file" in lines[0]["reason"]
    with pytest.raises(ConfigError, match="API_KEYS_FILE") as error:
        _ = watched.ring
    assert str(path) not in f"{error.value} {error.value.sentence}"
    path.write_bytes(content)
    seconds.now = 1
    assert watched.ring.find(KEY, NOW)


def test_changes_are_seen_within_a_second(path: Path) -> None:
    """A new key is let in and a revoked one refused, without a restart."""
    seconds = Seconds()
    watched = WatchedKeys(path, seconds)
    assert watched.ring.find(KEY, NOW)
    with changing(path) as entries:
        entries[:] = [entry(OTHER)]
    seconds.now = 0.9
    assert watched.ring.find(KEY, NOW)
    seconds.now = 1.0
    assert watched.ring.find(KEY, NOW) is None
    assert watched.ring.find(OTHER, NOW)


@pytest.mark.parametrize("damage", ["malformed", "gone"])
def test_damage_changes_nothing_and_is_told_once(path: Path, damage: str) -> None:
    """The last good keys stay valid; the log says what is wrong, not at every request."""
    seconds = Seconds()
    watched = WatchedKeys(path, seconds)
    if damage == "gone":
        path.unlink()
    else:
        path.write_text('{"keys": [', encoding="utf-8")
    with capture_logs() as lines:
        for second in range(1, 5):
            seconds.now = second
            assert watched.ring.find(KEY, NOW)
    (line,) = lines
    assert (line["event"], line["log_level"], line["kept"]) == ("keys_file_unusable", "error", 1)
    assert str(path) in line["reason"]
    path.write_text('{"keys": []}', encoding="utf-8")
    seconds.now = 10
    assert watched.ring.find(KEY, NOW) is None


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    """Looking costs no reading: the ring is the same one."""
    seconds = Seconds()
    watched = WatchedKeys(path, seconds)
    ring = watched.ring
    seconds.now = 5
    assert watched.ring is ring
