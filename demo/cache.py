"""Look after the cache: `python -m demo.cache verify|repair|vacuum|history [--dataset NAME]`.

Without `--dataset` every dataset that the cache holds is taken. Exits with 0 if all is well, with 1
if something is wrong that the lines above say, and with 2 if a dataset has no version to serve.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from app.config import Settings, load_settings
from app.errors import CacheCorruptError, CacheMissingError, ConfigError, SeriesError
from app.pipeline.cache import DeltaCache
from app.pipeline.retention import GRACE, Retention
from app.wiring import retention

WELL, WRONG, NOTHING = 0, 1, 2

Dataset = Annotated[str | None, typer.Option(help="Name of the dataset; all if absent.")]

app = typer.Typer(add_completion=False, help="Look after the cache.")


@app.command()
def verify(dataset: Dataset = None) -> None:
    """Read every version from its files and prove that it is what was saved."""

    def one(cache: DeltaCache, name: str) -> int:
        broken = [check for check in cache.verify(name) if check.problem is not None]
        for check in broken:
            print(f"{name}: version {check.version} is BROKEN: {check.problem}")
        newest = cache.load(name)
        if newest.warning is not None:
            print(f"{name}: {newest.warning}")
            print(f"{name}: or run `python -m demo.cache repair --dataset {name}`.")
        print(
            f"{name}: {len(cache.versions(name)) - len(broken)} whole, {len(broken)} broken; "
            f"version {newest.version} is served"
        )
        return WRONG if broken else WELL

    _each(dataset, one)


@app.command()
def repair(
    dataset: Dataset = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Rename the whole log, and begin a new one.")
    ] = False,
) -> None:
    """Publish the newest whole version again if what came after it is broken.

    Nothing is deleted. What cannot be read, or was made by another tool so that we cannot write
    upon it, is renamed to *.broken.
    """

    def one(cache: DeltaCache, name: str) -> int:
        series = cache.repair(name, anew=anew)
        if series is None:
            print(f"{name}: nothing to repair")
            return WELL
        meta = series.metadata
        restored = meta.restored_version
        came = "the data served" if restored is None else f"version {restored}"
        print(
            f"{name}: {came}, confirmed by the source at "
            f"{meta.last_refresh_time:%Y-%m-%dT%H:%M:%SZ}, is version {series.version} now; "
            "refresh to get the newest data"
        )
        return WELL

    _each(dataset, one)


@app.command()
def vacuum(
    dataset: Dataset = None,
    days: Annotated[
        float | None, typer.Option(min=0, help="Keep versions this long; CACHE_RETENTION_DAYS.")
    ] = None,
    versions: Annotated[
        int | None, typer.Option(min=1, help="Keep so many; CACHE_RETENTION_VERSIONS.")
    ] = None,
    grace_minutes: Annotated[
        float, typer.Option(min=0, help="Whoever began to read has this long.")
    ] = GRACE / timedelta(minutes=1),
) -> None:
    """Delete versions that no rule keeps, and what broken writers left; never the served one."""

    def one(cache: DeltaCache, name: str) -> int:
        cleaned = cache.vacuum(name, rules)
        print(
            f"{name}: {cleaned.versions} versions and {cleaned.files} files "
            f"({cleaned.bytes:,} bytes) deleted; versions {cleaned.oldest} and later are kept"
        )
        return WELL

    rules = replace(_rules(load_or_exit(), days, versions), grace=timedelta(minutes=grace_minutes))
    _each(dataset, one)


@app.command()
def history(
    dataset: Dataset = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many of each dataset.")] = 20,
) -> None:
    """List what was published, newest first."""

    def one(cache: DeltaCache, name: str) -> int:
        for info in cache.history(name, limit):
            meta = info.metadata
            when = "unknown time" if info.time is None else f"{info.time:%Y-%m-%dT%H:%M:%SZ}"
            what = "new rows" if info.changes_data else "confirmed"
            if meta.restored_version is not None:
                what = f"rows of version {meta.restored_version}"
            print(
                f"{name}: version {info.version}, {when}, {what}: {meta.row_count:,} rows, "
                f"{meta.min_date} to {meta.max_date}, from {meta.source}"
            )
        return WELL

    _each(dataset, one)


def load_or_exit() -> Settings:
    """Return the settings; end with their problems if they are malformed."""
    try:
        settings = load_settings()
        if settings.env.unreadable is not None:
            # It may name the place of the cache.
            raise ConfigError(settings.env.problems)
    except SeriesError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(WRONG) from None
    return settings


def _rules(settings: Settings, days: float | None, versions: int | None) -> Retention:
    if days is None and versions is None:
        return retention(settings)
    return Retention(age=None if days is None else timedelta(days=days), versions=versions)


def _each(dataset: str | None, work: Callable[[DeltaCache, str], int]) -> None:
    cache = DeltaCache(load_or_exit().cache_uri)
    worst = WELL
    try:
        for name in (dataset,) if dataset is not None else cache.datasets():
            worst = max(worst, _done(cache, name, work))
    except SeriesError as error:
        print(error, file=sys.stderr)
        worst = NOTHING
    raise typer.Exit(worst)


def _done(cache: DeltaCache, name: str, work: Callable[[DeltaCache, str], int]) -> int:
    try:
        return work(cache, name)
    except (CacheCorruptError, CacheMissingError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return NOTHING if _is_lost(cache, name) else WRONG


def _is_lost(cache: DeltaCache, name: str) -> bool:
    try:
        cache.load(name)
    except (CacheCorruptError, CacheMissingError):
        return True
    return False


if __name__ == "__main__":
    app()
