"""`.env` is read line by line, and what cannot be read is named by its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.env_file import BadLine, EnvFile, read_env_file
from app.text_files import NO_UTF8

KNOWN = {"sac_filter", "sac_grain", "api_keys_file"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / ".env"


def read(path: Path, raw: bytes) -> EnvFile:
    """Write the file and read it."""
    path.write_bytes(raw)
    return read_env_file(path, KNOWN)


def test_lines_are_read_as_they_stand(path: Path) -> None:
    """Nothing is expanded, names are in lower case, and blank values are none."""
    env = read(path, b"# a comment\nSAC_GRAIN=month # b\nexport X='$Y'\n\nZ=\nW\n")
    assert env.values == {"sac_grain": "month", "x": "$Y"}
    assert (env.problems, env.notes) == ((), ())


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_of_a_windows_editor_is_read(path: Path, coding: str) -> None:
    """A byte order mark is no part of the first name; UTF-16 is read, and noted."""
    env = read(path, "SAC_GRAIN=month\r\nSAC_FILTER=ü\r\n".encode(coding))
    assert env.values == {"sac_grain": "month", "sac_filter": "ü"}
    assert env.problems == ()
    assert [note.variable for note in env.notes] == [f"{path}, line 1"] * coding.startswith(
        "utf-16"
    )


def test_a_line_that_cannot_be_read_harms_no_other(path: Path) -> None:
    """Each is told with its number and, if it is one of ours, its variable."""
    env = read(
        path,
        b"\n\nSAC_FILTER=caf\xe9\nSAC_GRAIN=month\n  API_KEYS_FILE='keys\n"
        b"half a se\xe9cret\nno name\n",
    )
    assert env.values["sac_grain"] == "month"
    broken = "a line that is no NAME=value, or a quote without its end"
    assert env.bad == (
        BadLine(3, "sac_filter", NO_UTF8),
        BadLine(5, "api_keys_file", broken),
        BadLine(6, None, NO_UTF8),
        BadLine(7, None, broken),
    )
    places = ["SAC_FILTER in {}, line 3", "API_KEYS_FILE in {}, line 5", "{}, line 6", "{}, line 7"]
    assert [one.variable for one in env.problems] == [place.format(path) for place in places]
    assert "half" not in "".join(map(str, env.problems))


def test_a_comment_may_hold_anything(path: Path) -> None:
    """It sets nothing, and is noted with its line."""
    env = read(path, b"# f\xfcr\nSAC_GRAIN=month # \xfc\n")
    assert (env.values, env.problems) == ({"sac_grain": "month"}, ())
    assert [note.variable for note in env.notes] == [f"{path}, line 1", f"{path}, line 2"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [("SAC_GRAIN=x", {"sac_grain"}), ("X=1", set())],
    ids=["one of ours", "none"],
)
def test_of_a_file_that_is_no_text_it_is_told_what_it_may_set(
    path: Path, text: str, hidden: set[str]
) -> None:
    """Nothing is read of it, and the names that show through are known."""
    env = read(path, text.encode("utf-32"))
    assert not env.values
    assert env.hidden == hidden
    assert env.unreadable == "line 1: a null character, no text"
    assert [(one.variable, one.found) for one in env.problems] == [(str(path), env.unreadable)]


def test_a_file_that_the_system_does_not_give_may_set_anything(path: Path) -> None:
    """Nobody knows what stands there."""
    path.symlink_to(path)
    env = read_env_file(path, KNOWN)
    assert env.unreadable == "too many levels of symbolic links"
    assert env.hidden == KNOWN


@pytest.mark.parametrize(("kind", "words"), [("folder", "a folder"), ("pipe", "no regular file")])
def test_what_is_no_file_sets_nothing(path: Path, kind: str, words: str) -> None:
    """Docker makes a folder where a file was to be; it is noted."""
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    env = read_env_file(path, KNOWN)
    assert (env.values, env.problems) == ({}, ())
    assert [note.found for note in env.notes] == [f"{words}, which sets nothing"]


def test_no_file_is_no_matter(path: Path) -> None:
    """All settings may be in the environment."""
    assert read_env_file(path, KNOWN) == EnvFile(str(path))


@given(st.binary(max_size=60))
def test_any_file_can_be_told_of(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever bytes it holds, reading it never fails, and every problem has its place."""
    path = tmp_path_factory.mktemp("env") / ".env"
    env = read(path, raw)
    assert all(str(path) in one.variable for one in (*env.problems, *env.notes))
