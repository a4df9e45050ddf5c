"""Look after API keys: `python -m demo.keys make|list|revoke`.

The keys stand in the file that `API_KEYS_FILE` or `--file` names, as hashes alone. A running
service reads it again by itself.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.access.callers import Role
from app.access.keyfile import KeyEntry, changing, read_entries
from app.access.keys import hash_of, id_of, new_key, stored_form
from app.config import load_settings
from app.errors import ConfigError, SeriesError

File = Annotated[Path | None, typer.Option(help="The file of keys; API_KEYS_FILE if absent.")]

app = typer.Typer(add_completion=False, help="Look after API keys.")


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.READ,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Bind it to this dataset; repeat it for several.")
    ] = None,
    *,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="How long it lasts.")] = None,
    file: File = None,
    print_hash: Annotated[
        bool, typer.Option("--print-hash", help="Write no file; print what API_READ_KEYS takes.")
    ] = False,
) -> None:
    """Make a key and print it, this once; only its hash is kept."""
    key = new_key()
    if print_hash:
        if dataset or days:
            _fail("A variable holds neither datasets nor an end: use a file for such a key.")
        print(key)
        print(f"API_{role.upper()}_KEYS={stored_form(key)}", file=sys.stderr)
        return
    now = datetime.now(UTC).replace(microsecond=0)
    entry = KeyEntry(
        id=id_of(key),
        hash=hash_of(key),
        role=role,
        name=name,
        created=now,
        expires=None if days is None else now + timedelta(days=days),
        datasets=sorted(set(dataset)) if dataset else None,
    )
    path = _path(file)
    try:
        with changing(path) as entries:
            entries.append(entry.checked())
    except (SeriesError, ValueError, OSError) as error:
        _fail(f"No key was made. {error}")
    print(key)
    print(f"{_line(entry, now)}\nKept in {path}. It is shown this once.", file=sys.stderr)


@app.command(name="list")
def list_keys(file: File = None) -> None:
    """List all keys: id, role, name, datasets and end."""
    now = datetime.now(UTC)
    for entry in _entries(_path(file)):
        print(_line(entry, now))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `list` shows it.")],
    file: File = None,
) -> None:
    """Make a key invalid from now on."""
    path = _path(file)
    _entries(path)
    with changing(path) as entries:
        kept = [entry for entry in entries if entry.id != key_id]
        found = len(kept) < len(entries)
        entries[:] = kept
    if not found:
        _fail(f"{path} has no key '{key_id}'; `python -m demo.keys list` shows those it has.")
    print(f"{key_id} is revoked; a running service refuses it within a second.")


def _path(file: Path | None) -> Path:
    if file is not None:
        return file
    try:
        settings = load_settings()
    except SeriesError as error:
        _fail(str(error))
    if settings.env.unreadable is not None:
        _fail(str(ConfigError(settings.env.problems)))
    found = settings.api_keys_file
    if found is None:
        _fail("Name the file of keys: --file keys.json, or API_KEYS_FILE=keys.json.")
    return found


def _entries(path: Path) -> tuple[KeyEntry, ...]:
    try:
        return read_entries(path)
    except SeriesError as error:
        _fail(str(error))


def _line(entry: KeyEntry, now: datetime) -> str:
    seen = "all datasets" if entry.datasets is None else ", ".join(entry.datasets)
    if entry.expires is None:
        ends = "never ends"
    else:
        word = "ended" if entry.expires <= now else "ends"
        ends = f"{word} {entry.expires:%Y-%m-%d}"
    return f"{entry.id}  {entry.role:8} {entry.name}  ({seen}; {ends})"


def _fail(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
