"""Reads `.env` line by line: one that cannot be read is named, and harms no other."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from app.errors import ConfigProblem
from app.text_files import NO_UTF8, coding, decoded, is_spoiled, reason, spoiled_line

_NAME: Final = re.compile(r"(?:export\s+)?(\w+)(?=[\s=]|$)", re.ASCII)
_NO_SETTING: Final = "a line that is no NAME=value, or a quote without its end"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of the file that cannot be read, or whose value cannot.

    Attributes:
        line: 1-based number of the line.
        name: Name of the variable in lower case; None if it sets none that is known.
        found: What is wrong, in words that quote nothing.
    """

    line: int
    name: str | None
    found: str


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What `.env` says.

    Attributes:
        file: Its path, for errors.
        values: What the variables are set to, by their names in lower case.
        bad: Lines that set something which cannot be read.
        unreadable: Why nothing of the file can be read; None if that is not so.
        hidden: Names in lower case of the variables that a file may set which cannot be read.
        notes: What is odd about the file, and changes nothing.
    """

    file: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    bad: tuple[BadLine, ...] = ()
    unreadable: str | None = None
    hidden: frozenset[str] = frozenset()
    notes: tuple[ConfigProblem, ...] = ()

    @property
    def problems(self) -> tuple[ConfigProblem, ...]:
        """All that cannot be read of it."""
        if self.unreadable is not None:
            return (_problem(self.file, self.unreadable),)
        return tuple(
            _problem(
                f"{one.name.upper()} in {self.file}, line {one.line}"
                if one.name
                else f"{self.file}, line {one.line}",
                one.found,
            )
            for one in self.bad
        )


def _problem(place: str, found: str) -> ConfigProblem:
    expected = "lines NAME=value in UTF-8"
    return ConfigProblem(variable=place, found=found, expected=expected, example="SAC_GRAIN=month")


def read_env_file(path: Path, known: Collection[str]) -> EnvFile:
    """Read the file as it stands, without expanding `$`: SAC's secrets hold it.

    A blank variable counts as missing. No file, or a folder in its place, sets nothing.

    Args:
        path: The file.
        known: Names of variables in lower case. Others are not told of a line that cannot be
            read: they may be a part of the value of the line above.
    """
    file = str(path)
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "no regular file"
            return EnvFile(file, notes=(_problem(file, f"{kind}, which sets nothing"),))
        raw = path.read_bytes()
    except FileNotFoundError:
        return EnvFile(file)
    except OSError as error:
        return EnvFile(file, unreadable=reason(error), hidden=frozenset(known))
    try:
        text = decoded(raw)
    except ValueError as error:
        letters = raw.replace(b"\0", b"").lower()
        hidden = frozenset(name for name in known if name.encode() in letters)
        return EnvFile(file, unreadable=str(error), hidden=hidden)
    return _parsed(file, text, known, is_utf16=coding(raw).startswith("utf-16"))


def _parsed(file: str, text: str, known: Collection[str], *, is_utf16: bool) -> EnvFile:
    values, bad, notes = dict[str, str](), list[BadLine](), list[ConfigProblem]()
    if is_utf16:
        notes.append(_problem(f"{file}, line 1", "UTF-16 text, which was read as such"))
    for binding in parse_stream(StringIO(text)):
        name, value = (binding.key or "").lower(), binding.value or ""
        if binding.error or is_spoiled(name + value):
            bad.append(_bad(binding, known))
        elif (line := _spoiled_line(binding)) is not None:
            notes.append(_problem(f"{file}, line {line}", f"a comment with {NO_UTF8}"))
        if name and value.strip() and not is_spoiled(name):
            values[name] = value
    return EnvFile(file, values, tuple(bad), notes=tuple(notes))


def _bad(binding: Binding, known: Collection[str]) -> BadLine:
    text = binding.original.string
    # The parser counts blank lines above to what comes after them.
    rest = text.lstrip()
    found = _NAME.match(rest)
    name = found[1].lower() if found and found[1].lower() in known else None
    line = _spoiled_line(binding)
    if line is not None:
        return BadLine(line, name, NO_UTF8)
    above = text.count("\n", 0, len(text) - len(rest))
    return BadLine(binding.original.line + above, name, _NO_SETTING)


def _spoiled_line(binding: Binding) -> int | None:
    line = spoiled_line(binding.original.string)
    return None if line is None else binding.original.line + line - 1
