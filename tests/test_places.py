"""What a setting names is one place, however it is written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.places import cache_place, local_folder, local_path

# Each is odd to a shell, an address, a pattern, a storage library, or a file system.
ODD = " %#?{}~'\"*&+:;=@,!$()`<>.-_äöüé\u0308\u0301😀\u200b\u202e"
names = st.text(ODD + "ab2F", min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and not re.search("%[0-9A-Fa-f]{2}", name)
)
unfit = st.sampled_from(["[", "]", "^", "|", "\\", "%20", "%2f", "\x7f", "\t", "\udcff"])


@given(names, st.sampled_from(["", "/", "//"]))
def test_a_path_of_any_name_is_the_folder_of_that_name(name: str, tail: str) -> None:
    """No character means anything; slashes too many change nothing."""
    assert cache_place(f"/data/{name}{tail}") == f"/data/{name}"
    assert cache_place(f"//data//{name}") == f"/data/{name}"


@given(
    names, st.sampled_from(["file:", "FILE:", "file://", "file://localhost", "file://LOCALHOST"])
)
def test_a_file_address_is_the_folder_that_its_escapes_mean(name: str, start: str) -> None:
    """With one slash, with three, and with the name of this machine."""
    assert cache_place(f"{start}/data/{quote(name)}") == f"/data/{name}"
    assert cache_place(Path("/data", name).as_uri()) == f"/data/{name}"


@given(names, unfit, st.integers(0, 12))
def test_what_delta_tables_cannot_be_under_is_named(name: str, sign: str, at: int) -> None:
    """The part of the path that is in the way is quoted, in signs that can be seen."""
    with pytest.raises(
        ValueError, match=r"^the folder .*, where '.+' is what Delta tables"
    ) as told:
        cache_place(f"/data/{name[:at]}{sign}{name[at:]}/cache")
    assert str(told.value).isprintable()


@given(st.text(max_size=40))
def test_any_text_is_a_place_for_good_or_none(text: str) -> None:
    """What a place is stays the same when it is read again; the rest is told in words."""
    try:
        place = cache_place(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, silence is not
    else:
        assert cache_place(place) == place
        assert (local_folder(place) is None) == ("://" in place)


def test_the_home_folder_and_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` is the home folder as in a shell; a folder of that name is `./~`, and `~a` a name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_place("~") == "/home/me"
    assert cache_place("~/my cache") == "/home/me/my cache"
    assert cache_place("./~/x") == f"{tmp_path}/~/x"
    assert cache_place("~a") == f"{tmp_path}/~a"
    assert cache_place("file:///~/x") == "/~/x"
    assert cache_place("data/cache") == f"{tmp_path}/data/cache"
    assert cache_place("a:b") == f"{tmp_path}/a:b"
    monkeypatch.setenv("HOME", "~")
    with pytest.raises(ValueError, match="no home folder"):
        cache_place("~/cache")


def test_a_link_is_followed_to_where_it_leads(tmp_path: Path) -> None:
    """A link keeps its name; `..` behind it is taken as the system does, and not by the text."""
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "deep")
    assert cache_place(f"{tmp_path}/near") == f"{tmp_path}/near"
    assert cache_place(f"{tmp_path}/near/../x") == f"{os.path.realpath(tmp_path)}/far/x"
    (tmp_path / "a[1]").mkdir()
    (tmp_path / "plain").symlink_to(tmp_path / "a[1]")
    with pytest.raises(ValueError, match=r"a\[1\], where '\['"):
        cache_place(str(tmp_path / "plain"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket/cache/", "s3://bucket/cache"),
        ("S3://bucket", "s3://bucket"),
        ("gs://b//c//", "gs://b/c"),
        ("az://b/a b/[1]/ü", "az://b/a%20b/%5B1%5D/ü"),
        ("az://b/a%20b", "az://b/a%20b"),
        ("abfss://c@a.dfs.core.windows.net/p", "abfss://c@a.dfs.core.windows.net/p"),
    ],
)
def test_an_address_has_one_spelling(text: str, place: str) -> None:
    """What would make the library fail is escaped, which means the same in an address."""
    assert cache_place(text) == cache_place(place) == place


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ftp://host/x", "the scheme ftp:"),
        ("s3:/bucket/x", "two slashes"),
        ("s3:bucket", "two slashes"),
        ("s3:///x", "a name behind them"),
        ("C:/data", "the scheme c:"),
        ("file://data/cache", "the machine 'data'; .* three slashes"),
        ("file:data", "without a slash"),
        ("file:///a?b", "%3F"),
        ("file:///a#b", "%23"),
        ("file:///a%ffb", "no UTF-8"),
        ("s3://b/x?y=1", "'[?]' or '#'"),
        ("s3://key:secret@b/x", "credentials"),
        ("gs://b/../x", "'..'"),
        ("/data/" + "ü" * 200, "longer than file systems take"),
        ("/data" + "/x" * 2_000, "longer than file systems take"),
    ],
)
def test_what_can_be_no_place_says_why(text: str, found: str) -> None:
    """In words that lead on."""
    with pytest.raises(ValueError, match=found) as told:
        cache_place(text)
    assert "secret" not in str(told.value)


def test_a_file_of_the_settings_is_named_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a cache's path may be written like; what delta-rs cannot take does not matter."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a[1].toml", "%20.toml", "ü u\u0308.toml"):
        file = tmp_path / name
        assert local_path(f"~/{name}") == local_path(file.as_uri()) == local_path(str(file)) == file
