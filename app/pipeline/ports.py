"""What the pipeline needs from the outside, as protocols."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, datetime
from typing import Protocol

import pyarrow as pa

from app.catalogue import DimensionLabels, Labels, ModelInfo, ModelSummary
from app.pipeline.history import NEWEST, Pin, VersionInfo
from app.records import (
    AuthStatus,
    CachedSeries,
    DatasetDefinition,
    Page,
    ProgressCallback,
    PullReport,
    SeriesHead,
    SeriesMetadata,
)
from app.reports import Attempt, DatasetPolicy


class Pull(Protocol):
    """One pull of one dataset: pages first, the report after the last page."""

    def pages(self) -> AsyncGenerator[Page]:
        """Yield the pages in order; end normally only when the pull is proved complete.

        Raises:
            SourceError: The pull failed or cannot be proved complete. Pages already yielded
                must then be thrown away.
            DataError: The source does not have what the definition asks for.
        """
        ...

    @property
    def report(self) -> PullReport:
        """What was read and how it was proved complete; valid after the last page."""
        ...


class SeriesSource(Protocol):
    """Where rows come from: definition in, pages out."""

    def pull(
        self,
        definition: DatasetDefinition,
        progress: ProgressCallback | None = None,
        *,
        since: date | None = None,
    ) -> Pull:
        """Prepare a pull; nothing is sent before `pages()` is iterated.

        Args:
            definition: What to pull.
            progress: Called after every page.
            since: Pull only periods from this day on; None for all.

        Raises:
            ConfigError: The source is not configured.
        """
        ...


class CacheRepository(Protocol):
    """Keeps whole versions of series. Calls block; run them in a thread."""

    def check(self, dataset: str) -> None:
        """Raise what would stop a save, as far as that can be told without one.

        Raises:
            CacheError: Nothing could be published.
        """
        ...

    def save(self, rows: pa.Table, metadata: SeriesMetadata) -> CachedSeries:
        """Publish a new version, rows and metadata in one commit.

        Raises:
            CacheError: Nothing was published; what was there before is still served.
        """
        ...

    def touch(self, metadata: SeriesMetadata) -> CachedSeries:
        """Publish new metadata for rows that did not change; writes no data.

        Raises:
            CacheError: Nothing was published.
        """
        ...

    def load(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries:
        """Return the newest version that proves whole, or exactly the version that is pinned.

        Raises:
            CacheMissingError: Nothing was ever saved.
            UnknownVersionError: There is no such version, or was none at that time.
            CacheCorruptError: No version can be read, or not the one asked for.
            CacheUnavailableError: The place itself fails.
        """
        ...

    def at_hand(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries | None:
        """Return what `load` would, if it can be told in microseconds; else None.

        Never blocks and never raises, so that it needs no thread.
        """
        ...

    def glance(self, dataset: str) -> SeriesHead:
        """Return what is known of the version that is served, without proving its rows.

        Raises:
            CacheError: As for `load`.
        """
        ...

    def history(self, dataset: str, limit: int | None = None) -> tuple[VersionInfo, ...]:
        """Return the versions that were published, newest first; at most `limit`.

        Raises:
            CacheError: As for `load`.
        """
        ...

    def roll_back(self, dataset: str, version: int) -> CachedSeries:
        """Publish the rows of an older version again, as a new version; nothing is deleted.

        Raises:
            UnknownVersionError: There is no such version.
            CacheError: Nothing was published.
        """
        ...


class AttemptStore(Protocol):
    """Keeps how the last refresh of each dataset ended. Calls block; run them in a thread."""

    def keep(self, attempt: Attempt) -> None:
        """Keep an attempt in the place of the one before; never raises."""
        ...

    def last(self, dataset: str) -> Attempt | None:
        """Return the last attempt; None if none was kept. Never raises.

        What is there but cannot be read has the outcome `unknown`.
        """
        ...

    def last_at_hand(self, dataset: str) -> tuple[Attempt | None] | None:
        """Return what `last` would, if it can be told in microseconds; else None. Never raises."""
        ...


class LabelSource(Protocol):
    """Tells what people call dimensions and members."""

    async def labels(self, definition: DatasetDefinition) -> dict[str, DimensionLabels]:
        """Return the labels of a dataset's dimensions, by the source's column.

        A dimension whose master cannot be read has the label that the model gives it, and no
        texts of members.

        Raises:
            SourceError: The source refuses or fails.
            ConfigError: The source is not configured.
        """
        ...


class LabelStore(Protocol):
    """Keeps the labels of each dataset. Calls block; run them in a thread."""

    def keep(self, labels: Labels) -> None:
        """Keep labels in the place of those before; never raises."""
        ...

    def last(self, dataset: str) -> Labels | None:
        """Return the labels kept last; None if there are none that can be read. Never raises."""
        ...


class Clock(Protocol):
    """Tells the time; tests tick it by hand."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""
        ...


class DatasetCatalogue(Protocol):
    """Knows which datasets exist and how each is defined."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all datasets, the default one first."""
        ...

    def definition(self, dataset: str, source: str | None = None) -> DatasetDefinition:
        """Return how a dataset is pulled.

        Args:
            dataset: Name of the dataset.
            source: Name of the source to pull from; None for the dataset's own.

        Raises:
            UnknownDatasetError: No dataset, or no source of it, has this name.
            ConfigError: The dataset's settings are missing or malformed.
        """
        ...

    def policy(self, dataset: str) -> DatasetPolicy:
        """Return what a dataset's refreshes and readers must keep to.

        A dataset that is unknown or malformed has the policy that all share.
        """
        ...

    def fingerprint(self, dataset: str) -> str | None:
        """Return the fingerprint of a dataset as it is defined now, at once.

        None if it is unknown or malformed.
        """
        ...


class ModelCatalogue(Protocol):
    """Tells which models a source offers, and what they are made of."""

    async def models(self) -> tuple[ModelSummary, ...]:
        """Return all models, sorted by name, then id.

        Raises:
            SourceError: The source refuses or fails.
            ConfigError: The source is not configured.
        """
        ...

    async def model(self, model_id: str) -> ModelInfo:
        """Return the columns of one model, with a few members of each dimension.

        Raises:
            SourceError: The source refuses or fails.
            UnknownModelError: It has no such model.
            ConfigError: The source is not configured.
        """
        ...


class AuthProbe(Protocol):
    """Tells whether the source lets us in."""

    async def check(self) -> AuthStatus:
        """Report the state of the login; asks the token endpoint rarely, and never raises."""
        ...
