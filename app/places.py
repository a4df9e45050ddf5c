"""Turns the text of a setting into the one place that it means, for all who read or write there.

A path is absolute from here on, and an address of an object store has its final spelling: nobody
below interprets them once more. What a place cannot be is a `ValueError` in words that fit behind
"found".
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

STORES: Final = frozenset({"s3", "az", "abfss", "gs"})

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HERE: Final = frozenset({"", "localhost"})
# delta-rs 1.6 panics where it writes below a folder with one of `[]^|`, and looks for a table in
# another folder where the name has a backslash or what could be an escape.
_UNFIT: Final = re.compile(r"[\[\]^|\\\x00-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")
_QUOTED: Final = re.compile(r"[\[\]^|\\ ]")
# POSIX's NAME_MAX of all usual file systems, and its PATH_MAX less what a table adds below.
_NAME_BYTES: Final = 255
_PATH_BYTES: Final = 3_800


def local_path(text: str) -> Path:
    """Return the absolute path on this machine that a text means.

    Args:
        text: A path from the working directory on, `~/` for the home folder, or a `file:` address
            with its escapes.

    Raises:
        ValueError: It means none.

    >>> local_path("file:/data/my%20cache"), local_path("file://localhost/data/100%")
    (PosixPath('/data/my cache'), PosixPath('/data/100%'))
    """
    if text.lower().startswith("file:"):
        text = _from_address(text[len("file:") :])
    elif text == "~" or text.startswith("~/"):
        text = os.path.expanduser(text)  # noqa: PTH111 - Path's takes `~name` for a user, too
        if text.startswith("~"):
            raise ValueError("'~', while the user of this process has no home folder")
    # Two slashes at the start are one, but not to pathlib.
    path = Path(re.sub(r"^/+", "/", text)).absolute()
    # Who takes `..` off a path by its text alone ends up elsewhere behind a link.
    return Path(os.path.realpath(path)) if ".." in path.parts else path


def cache_place(text: str) -> str:
    """Return the root of a cache: an absolute path, or the address in an object store.

    Args:
        text: As for `local_path`, or an address of an object store.

    Raises:
        ValueError: No cache can be there.

    >>> cache_place("s3://bucket/cache/"), cache_place("/data//cache/")
    ('s3://bucket/cache', '/data/cache')
    """
    scheme, colon, rest = text.partition(":")
    name = scheme.lower()
    if colon and name != "file" and (name in STORES or _is_scheme(scheme, rest)):
        return _store(name, rest)
    folder = local_path(text)
    _check_folder(folder)
    return str(folder)


def local_folder(place: str) -> Path | None:
    """Return the folder that a place of `cache_place` is; None for an object store."""
    return Path(place) if place.startswith("/") else None


def _is_scheme(scheme: str, rest: str) -> bool:
    return bool(_SCHEME.fullmatch(scheme)) and rest.startswith("/")


def _from_address(rest: str) -> str:
    if "?" in rest or "#" in rest:
        raise ValueError("'?' or '#' in a file: address, where they are written %3F and %23")
    if rest.startswith("//"):
        host, _, path = rest[2:].partition("/")
        if host.lower() not in _HERE:
            raise ValueError(
                f"a file: address of the machine '{_shown(host)}'; "
                "the path of a folder of this one follows three slashes"
            )
        rest = f"/{path}"
    if not rest.startswith("/"):
        raise ValueError("a file: address without a slash")
    try:
        return unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("escapes in a file: address that are no UTF-8") from None


def _store(scheme: str, rest: str) -> str:
    if scheme not in STORES:
        raise ValueError(f"the scheme {scheme}:")
    bucket, _, key = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or not bucket:
        raise ValueError(f"{scheme}: without two slashes and a name behind them")
    if "?" in rest or "#" in rest:
        raise ValueError(f"'?' or '#' in an {scheme}:// address")
    if ":" in bucket:
        raise ValueError(f"credentials or a port inside the {scheme}:// address")
    names = [name for name in key.split("/") if name]
    if {".", ".."} & set(names):
        raise ValueError(f"'.' or '..' in an {scheme}:// address")
    escaped = (_QUOTED.sub(lambda sign: quote(sign[0]), name) for name in names)
    return f"{scheme}://{'/'.join([bucket, *escaped])}"


def _check_folder(folder: Path) -> None:
    # What delta-rs works with is where the links lead.
    real = os.path.realpath(folder)
    unfit = _UNFIT.search(real)
    if unfit is not None:
        raise ValueError(
            f"the folder {_shown(real)}, where '{_shown(unfit[0])}' is what Delta tables cannot be "
            "under"
        )
    names = [len(os.fsencode(name)) for name in folder.parts]
    if max(names) > _NAME_BYTES or sum(names) + len(names) > _PATH_BYTES:
        raise ValueError(f"a path of {len(str(folder))} characters, longer than file systems take")


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
