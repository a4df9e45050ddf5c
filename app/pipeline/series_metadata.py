"""The metadata of a version: whether they describe its rows, and how they stand in a commit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC

import msgspec
import pyarrow as pa

from app.errors import CacheCorruptError, DataError
from app.pipeline.contract import (
    check_schema,
    content_hash,
    date_bounds,
    dimensions_of,
    merge_runs,
    sort_series,
    validate,
)
from app.records import CONTRACT_VERSION, SeriesMetadata


def described(rows: pa.Table, metadata: SeriesMetadata) -> SeriesMetadata:
    """Return the metadata, proved to describe these rows.

    An empty `content_hash` or `dimensions` is filled in, and the time is given in UTC.

    Raises:
        DataError: The rows break the contract, or the metadata speak of other rows.
    """
    validate(rows, metadata.grain)
    if metadata.last_refresh_time.tzinfo is None:
        raise DataError(
            "last_refresh_time has no time zone.", next_step="Give an aware datetime, in UTC."
        )
    first, last = date_bounds(rows)
    dimensions = dimensions_of(rows.schema)
    whole = replace(
        metadata,
        last_refresh_time=metadata.last_refresh_time.astimezone(UTC),
        dimensions=metadata.dimensions or {name: name for name in dimensions},
        content_hash=metadata.content_hash or content_hash(rows),
    )
    _check("row_count", whole.row_count, rows.num_rows)
    _check("min_date", whole.min_date, first)
    _check("max_date", whole.max_date, last)
    _check("dimensions", tuple(whole.dimensions), dimensions)
    _check("content_hash", whole.content_hash, content_hash(rows))
    return whole


def proved(rows: pa.Table, metadata: SeriesMetadata, place: str) -> pa.Table:
    """Return rows that were found in a cache in the order of the contract.

    Args:
        rows: What a version shows.
        metadata: What it was saved with.
        place: Where the table is, for messages.

    Raises:
        CacheCorruptError: The metadata do not describe these rows.
    """
    try:
        check_schema(rows)
        # The writer keeps the order of rows within its groups. What a tool has written anew, or
        # split into several files, comes back in any order.
        merged = merge_runs(rows)
        with suppress(DataError):
            described(merged, metadata)
            return merged
        rows = sort_series(rows)
        described(rows, metadata)
    except DataError as error:
        raise CacheCorruptError(
            f"The rows at {place} are not what was saved: {error.problem}"
        ) from error
    return rows


def encode_metadata(metadata: SeriesMetadata) -> str:
    """Return the metadata as one line of JSON."""
    return msgspec.json.encode(metadata).decode()


def decode_metadata(text: str) -> SeriesMetadata:
    """Read metadata; keys that a later release may have added are ignored.

    Raises:
        CacheCorruptError: The text is no metadata, or of a contract newer than this program's.
    """
    try:
        metadata = msgspec.json.decode(text, type=SeriesMetadata)
    except (msgspec.DecodeError, ValueError) as error:
        raise CacheCorruptError(f"The metadata cannot be read: {error}.") from error
    if metadata.contract_version > CONTRACT_VERSION:
        raise CacheCorruptError(
            f"The series follows contract version {metadata.contract_version}, "
            f"and this program knows versions up to {CONTRACT_VERSION}.",
            next_step="Install the release that wrote it.",
        )
    return metadata


def _check(name: str, told: object, found: object) -> None:
    if told != found:
        raise DataError(
            f"The metadata say {name} {told}, but the rows have {found}.",
            next_step="Describe the rows as they are.",
        )
