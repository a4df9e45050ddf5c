"""What an operator does to a series: check it, mend it, go back, and clean up behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from app.errors import (
    CacheCorruptError,
    CacheError,
    CacheMissingError,
    CacheUnavailableError,
    UnknownVersionError,
)
from app.pipeline.cleaning import Keep, drop_files, drop_log
from app.pipeline.delta_log import translated
from app.pipeline.history import Pin, VersionCheck
from app.pipeline.retention import Cleaned, Retention, oldest_kept
from app.pipeline.series_table import REMEDY, SeriesTable
from app.pipeline.table_files import file_sizes
from app.records import CachedSeries


def check(table: SeriesTable) -> Iterator[VersionCheck]:
    """Read every version from its files, oldest first, and say what is wrong with it."""
    for version in table.versions():
        try:
            table.prove(version)
        except (CacheError, UnknownVersionError) as error:
            yield VersionCheck(version, error.problem)
        else:
            yield VersionCheck(version, None)


def roll_back(table: SeriesTable, version: int) -> CachedSeries:
    """Publish the rows of an older version again; nothing is taken away."""
    old = table.load(Pin(version))
    metadata = replace(old.metadata, restored_version=version)
    try:
        current = table.load()
    except CacheCorruptError:
        return table.save(old.rows, metadata)
    if current.warning is None and current.metadata.content_hash == metadata.content_hash:
        return table.touch(metadata)
    return table.save(old.rows, metadata)


def repair(table: SeriesTable, *, anew: bool = False) -> CachedSeries | None:
    """Publish the newest whole version again if what came after it cannot be used.

    Args:
        table: The table.
        anew: Begin a new log, whatever is wrong with the old one.
    """
    has_to_go = anew
    try:
        table.check()
    except CacheCorruptError:
        has_to_go = True
    try:
        series = table.load()
    except CacheCorruptError:
        if not has_to_go:
            raise
        table.log.set_aside(-1)
        table.files.mark_anew()
        raise CacheMissingError(
            f"The log of the table at {table.uri} is renamed to *.broken, and none of its versions "
            "could be read.",
            next_step=REMEDY,
        ) from None
    if series.warning is None and not has_to_go:
        return None
    left = series.version
    if has_to_go:
        left = -1 if anew else table.newest_open(writing=True)
    restored = series.metadata.restored_version
    if restored is None and series.version <= left:
        restored = series.version
    moved = table.log.set_aside(left) if has_to_go else ()
    try:
        return table.save(series.rows, replace(series.metadata, restored_version=restored))
    except CacheError:
        # What was served before goes on being served.
        table.log.put_back(moved)
        raise


def vacuum(table: SeriesTable, retention: Retention, now: datetime) -> Cleaned:
    """Take away the versions that no rule keeps, and what broken writers left."""
    current = table.load()
    if current.warning is not None:
        raise CacheCorruptError(
            current.warning, next_step="Refresh or repair the dataset before cleaning it."
        )
    table.check()
    infos = table.history(None)
    oldest = oldest_kept(infos, retention, current=current.version, now=now)
    keep = Keep(oldest, _shown_since(table, oldest), now - retention.grace)
    versions = _drop_log(table, keep)
    gone = drop_files(table.files, keep)
    size = sum(entry.size_bytes for entry in gone)
    return Cleaned(versions=versions, files=len(gone), bytes=size, oldest=oldest)


def _shown_since(table: SeriesTable, oldest: int) -> set[str]:
    """Return the data files that a version or a later one shows; all of them must open."""
    shown = set(file_sizes(table.open_version(oldest)))
    for version in table.versions():
        commit = table.log.commit(version) if version > oldest else None
        if commit is not None and commit.changes_data:
            shown.update(file_sizes(table.open_version(version)))
    return shown


def _drop_log(table: SeriesTable, keep: Keep) -> int:
    if table.versions()[0] == keep.oldest:
        return 0
    with translated("clean the cache", table.uri, otherwise=CacheUnavailableError):
        table.open_version(keep.oldest).create_checkpoint()
    return drop_log(table.files, keep)
