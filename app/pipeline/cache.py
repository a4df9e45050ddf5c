"""Keeps series in Delta Lake: one table a dataset, rows and metadata in the same commit.

There is no moment at which rows and metadata disagree, and a reader sees whole versions only. A
version counts if its files can be read and its schema, rows, bounds and hash are what its metadata
say; if the newest does not, the newest that does is served, with a warning.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs
import structlog

from app.errors import (
    CacheCorruptError,
    CacheError,
    CacheMissingError,
    DataError,
    UnknownDatasetError,
)
from app.pipeline import upkeep
from app.pipeline.contract import (
    DATE,
    VALUE,
    date_bounds,
    dimensions_of,
    series_schema,
    sort_series,
)
from app.pipeline.delta_log import open_folder, translated
from app.pipeline.history import NEWEST, Pin, VersionCheck, VersionInfo
from app.pipeline.place import cache_root, table_place
from app.pipeline.retention import Cleaned, Retention
from app.pipeline.series_metadata import described
from app.pipeline.series_table import SeriesTable
from app.pipeline.turns import OncePerTurn
from app.records import DEFAULT_DATASET, CachedSeries, SeriesHead, SeriesMetadata

DEFAULT_URI = "data/cache"

log = structlog.get_logger(__name__)

_LOOK: Final = "version"
_DATASET_NAME = re.compile(r"[a-z0-9_-]{1,64}")


class DeltaCache:
    """A `CacheRepository` on Delta Lake. Safe to share between threads and processes.

    Args:
        uri: Root of the tables: a folder, or `s3://`, `az://`, `gs://` and the like.
        storage_options: Passed through to the object store.
        retention: After every save and touch, versions that these rules do not keep are cleaned
            away; without a rule nothing ever is.
        looks: What was looked at in this turn of the event loop; None to share it with nobody.
    """

    def __init__(
        self,
        uri: str | Path = DEFAULT_URI,
        storage_options: Mapping[str, str] | None = None,
        *,
        retention: Retention | None = None,
        looks: OncePerTurn[Any] | None = None,
    ) -> None:
        self._retention = retention or Retention()
        self._root = cache_root(uri)
        self._options = dict(storage_options or {})
        self._tables: dict[str, SeriesTable] = {}
        self._lock = threading.Lock()
        self._looks: OncePerTurn[CachedSeries | None] = looks or OncePerTurn()

    def save(self, rows: pa.Table, metadata: SeriesMetadata) -> CachedSeries:
        """Publish a new version, rows and metadata in one commit.

        An empty `content_hash` or `dimensions` is filled in.

        Raises:
            DataError: The rows break the contract, or the metadata speak of other rows.
            UnknownDatasetError: The dataset's name is malformed.
            CacheUnavailableError: The place fails, or other writers kept being faster.
        """
        saved = self._table(metadata.dataset).save(rows, described(rows, metadata))
        self._looks.forget()
        self._tidy(metadata.dataset)
        return saved

    def touch(self, metadata: SeriesMetadata) -> CachedSeries:
        """Publish new metadata for rows that did not change; writes no data.

        Raises:
            CacheMissingError: Nothing was ever saved.
            CacheCorruptError: The newest version is broken, so its rows must be saved anew.
            CacheUnavailableError: The place fails, or the rows are no longer those that the
                metadata speak of.
        """
        touched = self._table(metadata.dataset).touch(metadata)
        self._looks.forget()
        self._tidy(metadata.dataset)
        return touched

    def load(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries:
        """Return the newest version that proves whole, or exactly the version that is pinned.

        A series that was loaded before is handed out again as long as no commit came after it
        and its files are those that it was read from.

        Raises:
            CacheMissingError: Nothing was ever saved.
            UnknownVersionError: There is no such version, or was none at that time.
            CacheCorruptError: No version can be read, or not the one asked for.
            CacheUnavailableError: The place itself fails.
            UnknownDatasetError: The dataset's name is malformed.
        """
        return self._table(dataset).load(pin)

    def at_hand(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries | None:
        """Return what `load` would, if that is in memory and provably current; else None.

        On a local disk this takes microseconds; elsewhere nothing is ever at hand. What is found
        holds for all who ask in the same turn of the event loop.
        """
        table = self._tables.get(dataset)
        if table is None:
            return None
        return self._looks.get((_LOOK, dataset, pin), table.at_hand, pin)

    def glance(self, dataset: str) -> SeriesHead:
        """Return what is known of the version that is served, and read no rows for it.

        What is not in memory is not proved: its commit can be read, and its files are there in
        the size that was written. If not so, the version that proves whole is looked for.

        Raises:
            CacheError: As for `load`.
        """
        return self._table(dataset).glance()

    def history(self, dataset: str, limit: int | None = None) -> tuple[VersionInfo, ...]:
        """Return the versions that were published, newest first; their rows are not read.

        Args:
            dataset: Name of the dataset.
            limit: At most this many; None for all.

        Raises:
            CacheError: As for `load`.
        """
        return self._table(dataset).history(limit)

    def roll_back(self, dataset: str, version: int) -> CachedSeries:
        """Publish the rows of an older version again, as a new version; nothing is deleted.

        Its metadata are the old ones, with the time at which the source last confirmed the rows
        and the version they came from. The next refresh publishes on top of it.

        Raises:
            UnknownVersionError: There is no such version.
            CacheError: As for `load` and `save`.
        """
        back = upkeep.roll_back(self._table(dataset), version)
        self._looks.forget()
        return back

    def verify(self, dataset: str) -> tuple[VersionCheck, ...]:
        """Read every version from its files and prove it, oldest first.

        Raises:
            CacheError: There is no version at all, or the place itself fails.
        """
        return tuple(upkeep.check(self._table(dataset)))

    def check(self, dataset: str) -> None:
        """Raise what would stop a save, as far as that can be told without one.

        Raises:
            CacheCorruptError: Another tool has changed the table so that we cannot write upon it.
            CacheUnavailableError: The place fails, or may not be written to.
        """
        self._table(dataset).check()

    def repair(self, dataset: str, *, anew: bool = False) -> CachedSeries | None:
        """Publish the newest whole version again if what came after it cannot be used.

        Nothing is deleted; commits that nobody can read, and those from which on another tool has
        changed the table so that we cannot go on with it, are renamed to `*.broken`.

        Args:
            dataset: Name of the dataset.
            anew: Rename the whole log, and begin a new one.

        Returns:
            The new version; None if there was nothing to repair.

        Raises:
            CacheMissingError: The log was renamed, and no version could be read.
            CacheError: As for `load` and `save`.
        """
        repaired = upkeep.repair(self._table(dataset), anew=anew)
        self._looks.forget()
        return repaired

    def vacuum(self, dataset: str, retention: Retention, *, now: datetime | None = None) -> Cleaned:
        """Take away versions that no rule keeps, and files that broken writers left behind.

        The version that is served stays, and so does what was current or written within the grace
        period. Files that are not the table's own are never touched.

        Args:
            dataset: Name of the dataset.
            retention: Which versions to keep; all of them if it has no rule.
            now: An aware time; the machine's clock if absent.

        Raises:
            CacheCorruptError: The newest version cannot be used, so nothing is cleaned.
            CacheError: As for `load`.
        """
        return upkeep.vacuum(self._table(dataset), retention, now or datetime.now(UTC))

    def metadata(self, dataset: str) -> SeriesMetadata:
        """Return the newest metadata without reading rows; they are not verified.

        Raises:
            CacheError: As for `load`.
        """
        return self._table(dataset).metadata()

    def versions(self, dataset: str) -> tuple[int, ...]:
        """Return the numbers of all versions, oldest first; empty if nothing was ever saved.

        Raises:
            CacheError: As for `load`.
        """
        return self._table(dataset).versions()

    def datasets(self) -> tuple[str, ...]:
        """Return the names of the datasets that have a table, sorted.

        Raises:
            CacheUnavailableError: The root cannot be listed.
        """
        try:
            with translated("list the cache", self._root):
                folder = open_folder(self._root, self._options)
                infos = folder.get_file_info(pa_fs.FileSelector("", allow_not_found=True))
        except CacheMissingError:
            return ()
        names = sorted(i.base_name for i in infos if i.type is pa_fs.FileType.Directory)
        return tuple(n for n in names if _DATASET_NAME.fullmatch(n) and self._has_table(n))

    def _tidy(self, dataset: str) -> None:
        if not self._retention:
            return
        try:
            self.vacuum(dataset, self._retention)
        except CacheError as error:
            # What was published is published; the next cleaning may succeed.
            log.warning("cache_not_cleaned", dataset=dataset, reason=str(error))

    def _has_table(self, dataset: str) -> bool:
        try:
            return bool(self.versions(dataset))
        except CacheCorruptError:
            return True

    def _table(self, dataset: str) -> SeriesTable:
        if not _DATASET_NAME.fullmatch(dataset):
            raise UnknownDatasetError(
                f"'{dataset[:80]}' is no name of a dataset.",
                next_step="Use 1 to 64 lower-case letters, digits, '_' and '-'.",
            )
        with self._lock:
            if dataset not in self._tables:
                uri = table_place(self._root, dataset)
                self._tables[dataset] = SeriesTable(dataset, uri, self._options)
            return self._tables[dataset]


def save_cache(
    df: pd.DataFrame,
    meta: SeriesMetadata | Mapping[str, object],
    *,
    uri: str | Path = DEFAULT_URI,
    dataset: str = DEFAULT_DATASET,
) -> CachedSeries:
    """Save a pandas frame and its metadata as a new version.

    Args:
        df: `date` (timestamps, dates or ISO text), `value` and `dim_<name>` columns, in any order.
        meta: Metadata, or a mapping with at least `source` and `last_refresh_time`. `row_count`,
            `min_date` and `max_date` are computed, and must agree if they are given.
        uri: Root of the cache.
        dataset: Name of the dataset.

    Raises:
        DataError: Frame or metadata break the contract, or do not agree.
        CacheError: Nothing was saved.
    """
    rows = frame_to_rows(df)
    metadata = meta if isinstance(meta, SeriesMetadata) else _metadata(rows, meta, dataset)
    if metadata.dataset != dataset:
        raise DataError(
            f"The metadata belong to dataset '{metadata.dataset}', not to '{dataset}'.",
            next_step="Name the same dataset in both.",
        )
    return DeltaCache(uri).save(rows, metadata)


def load_cache(
    *, uri: str | Path = DEFAULT_URI, dataset: str = DEFAULT_DATASET
) -> tuple[pd.DataFrame, SeriesMetadata]:
    """Load the newest whole version as a pandas frame with its metadata.

    The frame has `date` as `datetime64[us]` (what pandas makes of dates by itself), `value` as
    `float64`, every dimension as `str`, and a plain range as index.

    Raises:
        CacheError: There is no version to load; the message holds the remedy.
    """
    series = DeltaCache(uri).load(dataset)
    return rows_to_frame(series.rows), series.metadata


def frame_to_rows(df: pd.DataFrame) -> pa.Table:
    """Return a pandas frame as sorted rows of the contract.

    Raises:
        DataError: The frame lacks a column, or a column cannot be what the contract asks for.
    """
    for column in (DATE, VALUE):
        if column not in df.columns:
            raise DataError(
                f"The frame has no column '{column}'.",
                next_step="Name the columns as the contract.",
            )
    try:
        table = pa.Table.from_pandas(df, preserve_index=False).replace_schema_metadata()
        schema = series_schema(dimensions_of(table.schema))
        rows = sort_series(table.select(schema.names).cast(schema))
        _check_whole_days(table[DATE])
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            f"The frame does not fit the contract: {error}.",
            next_step="Give dates, finite numbers, and text in every dim_ column.",
        ) from error
    return rows


def rows_to_frame(rows: pa.Table) -> pd.DataFrame:
    """Return rows of the contract as a pandas frame."""
    stamped = rows.set_column(0, DATE, rows[DATE].cast(pa.timestamp("us")))
    frame: pd.DataFrame = stamped.to_pandas()
    return frame


def _check_whole_days(dates: pa.ChunkedArray) -> None:
    # Arrow cuts the time of day off without a word when it makes a date of a timestamp.
    if pa.types.is_timestamp(dates.type):
        whole = pc.equal(dates.cast(pa.date32()).cast(dates.type), dates)
        if not pc.all(whole, min_count=0).as_py():
            raise ValueError("a date has a time of day")


def _metadata(rows: pa.Table, meta: Mapping[str, object], dataset: str) -> SeriesMetadata:
    first, last = date_bounds(rows)
    known = {"dataset": dataset, "row_count": rows.num_rows, "min_date": first, "max_date": last}
    given = {key: _plain(value, key) for key, value in meta.items()}
    unknown = sorted(set(given) - set(SeriesMetadata.__dataclass_fields__))
    if unknown:
        raise DataError(f"The metadata have no field '{unknown[0]}'.", next_step="Leave it out.")
    try:
        return msgspec.convert(known | given, SeriesMetadata)
    except msgspec.ValidationError as error:
        raise DataError(
            f"The metadata are incomplete or malformed: {error}.",
            next_step="Give at least source and last_refresh_time.",
        ) from error


def _plain(value: object, key: str) -> object:
    # A pandas Timestamp is a datetime, and a bound of the series is a date.
    if isinstance(value, datetime):
        return value.date() if key in {"min_date", "max_date"} else value
    return value
