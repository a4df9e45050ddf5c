"""How our tables are written, and what another tool may have made of one that stops us.

A Delta table demands of its readers and writers what its protocol and its settings name. Ours
demand nothing special. What another tool has added is no matter as long as delta-rs can do it.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    WriterProperties,
    write_deltalake,
)
from deltalake.table import SUPPORTED_READER_FEATURES

from app.errors import CacheCorruptError
from app.pipeline.contract import VALUE
from app.pipeline.delta_log import METADATA_KEY, REPAIR, translated
from app.pipeline.series_metadata import encode_metadata
from app.records import SeriesMetadata

# Measured on a million rows; docs/reliability.md has the table.
_LAYOUT: Final = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    max_row_group_size=131_072,
    column_properties={VALUE: ColumnProperties(dictionary_enabled=False)},
)
# The metadata of a version stand in its commit, so a checkpoint must not clean commits away.
_CONFIGURATION: Final = {"delta.enableExpiredLogCleanup": "false"}
# What the writers of Delta tables up to version 4 know, and a version 5 without mapped columns.
# https://github.com/delta-io/delta/blob/master/PROTOCOL.md#valid-feature-names-in-table-features
_NEWEST_WRITER: Final = 5
_WITH_FEATURES: Final = 7
_WRITER_FEATURES: Final = frozenset(
    {
        "appendOnly",
        "invariants",
        "checkConstraints",
        "changeDataFeed",
        "generatedColumns",
        "columnMapping",
        "timestampNtz",
    }
)
_MAPPING: Final = "delta.columnMapping.mode"
_APPEND_ONLY: Final = "delta.appendOnly"
_CONSTRAINT: Final = "delta.constraints."


def write_rows(
    table: DeltaTable | str, rows: pa.Table, metadata: SeriesMetadata, options: dict[str, str]
) -> None:
    """Commit rows, and the metadata that describe them, in the place of those before.

    Args:
        table: The version to write upon, or the place of a table that is to be made.
        rows: Rows of the contract.
        metadata: What is known of them.
        options: Passed through to the object store.
    """
    write_deltalake(
        table,
        rows,
        mode="overwrite",
        schema_mode="overwrite",
        configuration=_CONFIGURATION,
        writer_properties=_LAYOUT,
        storage_options=options,
        commit_properties=_commit_properties(metadata),
    )


def confirm_rows(table: DeltaTable, metadata: SeriesMetadata) -> None:
    """Commit new metadata for the rows of a version, which stay as they are."""
    table.create_write_transaction(
        [], "append", table.schema(), commit_properties=_commit_properties(metadata)
    )


def refuse_foreign(table: DeltaTable, dataset: str, place: str, *, writing: bool) -> None:
    """Refuse a table of which another tool has made what we cannot go on with.

    Args:
        table: The table as it was opened.
        dataset: Name of the dataset.
        place: Where the table is.
        writing: Whether it is to be written upon; else it need only be readable.

    Raises:
        CacheCorruptError: It demands what we cannot do.
    """
    with translated("open the cache", place):
        unreadable = _beyond_reading(table)
        unwritable = _beyond_writing(table) if writing else None
    if unreadable is not None:
        raise foreign_error(dataset, place, unreadable, "read")
    if unwritable is not None:
        raise foreign_error(dataset, place, unwritable, "write")


def foreign_error(dataset: str, place: str, what: str, doing: str) -> CacheCorruptError:
    """Return the error for a table that another tool has made unusable to us.

    Args:
        dataset: Name of the dataset.
        place: Where the table is.
        what: What is in the way, as a clause, without a full stop.
        doing: What we cannot do: `read` or `write`.
    """
    return CacheCorruptError(
        f"Another tool has changed the table of dataset '{dataset}' so that this service cannot "
        f"{doing} it ({place}): {what}.",
        next_step=REPAIR,
    )


def _beyond_reading(table: DeltaTable) -> str | None:
    features = sorted(set(table.protocol().reader_features or ()) - SUPPORTED_READER_FEATURES)
    return f"it has {' and '.join(features)}" if features else None


def _beyond_writing(table: DeltaTable) -> str | None:
    _, writer, features, _ = table.protocol()
    unknown = sorted(set(features or ()) - _WRITER_FEATURES)
    if unknown:
        return f"it has {' and '.join(unknown)}"
    if writer > _NEWEST_WRITER and writer != _WITH_FEATURES:
        return f"its writer version is {writer}"
    settings = table.metadata().configuration
    if settings.get(_MAPPING, "none") != "none":
        return f"its columns are mapped ({_MAPPING})"
    if settings.get(_APPEND_ONLY) == "true":
        return f"rows may only be added ({_APPEND_ONLY})"
    constraint = next((name for name in settings if name.startswith(_CONSTRAINT)), None)
    return None if constraint is None else f"it has a constraint ({constraint})"


def _commit_properties(metadata: SeriesMetadata) -> CommitProperties:
    # Without retries of its own delta-rs commits upon exactly the version that was read, or not
    # at all; with them it would put metadata on top of rows that another process has just saved.
    return CommitProperties(
        custom_metadata={METADATA_KEY: encode_metadata(metadata)}, max_commit_retries=0
    )
