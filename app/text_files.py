"""Text files that people and their editors write: settings, keys, a secret, lists of datasets."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path
from typing import Final

_UTF8: Final = "utf-8-sig"
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Python decodes a byte that is no UTF-8 as one of these, if told to keep it.
_FIRST_KEPT, _LAST_KEPT = "\udc80", "\udcff"
NO_UTF8: Final = "bytes that are no UTF-8 text"


def read_text(path: Path) -> str:
    """Return the text of a file as `decoded` does.

    Raises:
        ValueError: There is no such file, or it is no text; says what was found and in which line,
            and quotes nothing, for the file may hold a secret.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # A pipe or a device may never end.
            raise ValueError("a folder" if path.is_dir() else "no regular file")
        text = decoded(path.read_bytes())
    except OSError as error:
        raise ValueError(reason(error)) from error
    if (line := spoiled_line(text)) is not None:
        raise ValueError(f"line {line}: {NO_UTF8}")
    return text


def reason(error: OSError) -> str:
    """Return why a file cannot be read, in the words of the system."""
    return (error.strerror or "an error of the system").lower()


def decoded(raw: bytes) -> str:
    """Return the text of bytes in UTF-8, or in UTF-16 as editors of Windows write it.

    A byte order mark is cut off. Bytes that are no UTF-8 stay as they are: `spoiled_line` and
    `is_spoiled` find them.

    Raises:
        ValueError: The bytes are of another coding, or no text at all.
    """
    name = coding(raw)
    try:
        text = raw.decode(name, "surrogateescape" if name == _UTF8 else "strict")
    except UnicodeDecodeError:
        raise ValueError("UTF-16 text that is cut off or damaged") from None
    if "\0" in text:
        raise ValueError(f"line {_line(text, text.index(chr(0)))}: a null character, no text")
    return text


def without_mark(raw: bytes) -> bytes:
    """Return bytes of UTF-8 without the byte order mark that some servers put before them."""
    return raw.removeprefix(codecs.BOM_UTF8)


def coding(raw: bytes) -> str:
    """Return how bytes are to be decoded; nothing that is read here begins with a null."""
    if raw.startswith(_UTF16):
        return "utf-16"
    if raw[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if raw[:1] == b"\0" else _UTF8


def is_spoiled(text: str) -> bool:
    """Tell whether a text holds bytes that are no UTF-8."""
    return any(_FIRST_KEPT <= character <= _LAST_KEPT for character in text)


def spoiled_line(text: str) -> int | None:
    """Return the 1-based line of the first byte that is no UTF-8; None if there is none."""
    places = (i for i, character in enumerate(text) if is_spoiled(character))
    place = next(places, None)
    return None if place is None else _line(text, place)


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
