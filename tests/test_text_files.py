"""Text files are read whatever editor wrote them, or refused with the line that is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text_files import decoded, is_spoiled, read_text, spoiled_line, without_mark

PLAIN = st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]))
ASCII = st.characters(min_codepoint=1, max_codepoint=127)
# What we read begins with a letter, a bracket or a hash.
WRITTEN = st.tuples(ASCII, PLAIN).map("".join)


@given(WRITTEN, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
def test_a_text_is_read_in_any_of_its_codings(text: str, coding: str) -> None:
    """With and without a byte order mark, the text is the same and the mark no part of it."""
    found = decoded(text.encode(coding))
    assert found == text
    assert not is_spoiled(found)
    assert spoiled_line(found) is None


@given(st.binary(max_size=40))
def test_any_bytes_are_text_or_refused_in_words(raw: bytes) -> None:
    """Nothing but a `ValueError` that says something comes of them."""
    try:
        text = decoded(raw)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, silence is not
    else:
        assert "\0" not in text


@given(
    st.lists(st.sampled_from(["a", "ü", "# b"])), st.sampled_from([b"\xfc", b"\xff\xff", b"\xc3"])
)
def test_the_line_of_a_byte_that_is_no_text_is_told(above: list[str], spoiled: bytes) -> None:
    """It is the first such line, counted from 1."""
    raw = b"".join(line.encode() + b"\n" for line in above) + b"x" + spoiled + b"\ny\xe4"
    assert spoiled_line(decoded(raw)) == len(above) + 1


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"a\nb\xe9", "line 2: bytes that are no UTF-8 text"),
        (b"ab\n\0", "line 2: a null character, no text"),
        ("ab".encode("utf-32"), "line 1: a null character, no text"),
        ("ab".encode("utf-16")[:-1], "UTF-16 text that is cut off or damaged"),
    ],
    ids=["Latin-1", "null", "UTF-32", "half of UTF-16"],
)
def test_what_is_no_text_is_refused_and_not_quoted(tmp_path: Path, raw: bytes, found: str) -> None:
    """The place is told, and nothing of a file that may hold a secret."""
    path = tmp_path / "file"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=found) as error:
        read_text(path)
    assert str(error.value) == found


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("nothing", "no such file or directory"),
        ("folder", "a folder"),
        ("pipe", "no regular file"),
        ("loop", "too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_told(tmp_path: Path, kind: str, found: str) -> None:
    """A pipe that nobody writes to is not waited for."""
    path = tmp_path / "file"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
    with pytest.raises(ValueError, match=found):
        read_text(path)


def test_one_byte_order_mark_is_cut_off() -> None:
    """JSON has none, though some servers send it."""
    assert without_mark(b"\xef\xbb\xbf{}") == without_mark(b"{}") == b"{}"
