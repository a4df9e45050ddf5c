"""Keeps what people call the members of a dataset, in a small file beside its table.

Labels say how to write a member, not what its values are: they belong to the present, not to a
version, and a refresh succeeds without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
import pyarrow.compute as pc
import structlog

from app.catalogue import DimensionLabels, Labels
from app.errors import CacheCorruptError, CacheError, CacheMissingError, SeriesError
from app.pipeline.contract import dimension_names
from app.pipeline.delta_log import translated
from app.pipeline.ports import Clock, LabelSource, LabelStore
from app.pipeline.side_files import FOLDER, SideFiles
from app.records import CachedSeries, DatasetDefinition

LABELS_PATH: Final = f"{FOLDER}/labels.json"
# A master may be renamed while no value changes.
LIFETIME: Final = timedelta(days=1)
# A refresh waits for its labels no longer than this.
PATIENCE_S: Final = 30.0

log = structlog.get_logger(__name__)


class StoredLabels:
    """A `LabelStore` in the folders of the cache.

    Args:
        uri: Root of the cache.
        storage_options: Passed through to the object store.
    """

    def __init__(self, uri: str | Path, storage_options: Mapping[str, str] | None = None) -> None:
        self._files = SideFiles(uri, "labels.json", storage_options)

    def keep(self, labels: Labels) -> None:
        """Write labels; if that fails, those before stay."""
        try:
            with translated("write the labels", self._files.place(labels.dataset)):
                self._files.write(labels.dataset, msgspec.json.encode(labels))
        except CacheError as error:
            log.warning("labels_not_kept", dataset=labels.dataset, reason=str(error))

    def last(self, dataset: str) -> Labels | None:
        """Return what the file says."""
        try:
            with translated("read the labels", self._files.place(dataset)):
                return self._found(dataset)
        except CacheMissingError:
            return None
        except CacheError as error:
            log.warning("labels_not_read", dataset=dataset, reason=str(error))
            return None

    def _found(self, dataset: str) -> Labels | None:
        if (text := self._files.read(dataset)) is None:
            return None
        labels = msgspec.json.decode(text, type=Labels)
        if labels.dataset != dataset or labels.read_at.tzinfo is None:
            raise CacheCorruptError("The labels are not of this dataset, or have no time.")
        return labels


class LabelKeeper:
    """Asks sources for labels after a refresh, as often as they may have changed.

    Args:
        sources: Who tells them, by the source's name; a source that is absent has none.
        store: Where they are kept.
        clock: Tells how old they are.
    """

    def __init__(self, sources: Mapping[str, LabelSource], store: LabelStore, clock: Clock) -> None:
        self._sources = sources
        self._store = store
        self._clock = clock

    async def renew(self, definition: DatasetDefinition, series: CachedSeries) -> None:
        """Keep the labels of a series that was just published; a failure is logged alone.

        Args:
            definition: What was pulled.
            series: What was published; labels of members that it lacks are not kept.
        """
        source = self._sources.get(definition.source)
        if source is None or not definition.dimensions:
            return
        if await asyncio.to_thread(self._are_current, definition, series):
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await source.labels(definition)
        except (SeriesError, TimeoutError) as error:
            reason = str(error) or f"no answer within {PATIENCE_S:g} seconds"
            log.warning("labels_not_read", dataset=definition.name, reason=reason)
            return
        await asyncio.to_thread(self._keep, definition, series, found)

    def _are_current(self, definition: DatasetDefinition, series: CachedSeries) -> bool:
        known = self._store.last(definition.name)
        return (
            known is not None
            and known.definition_hash == definition.fingerprint
            and known.content_hash == series.metadata.content_hash
            and self._clock.now() - known.read_at < LIFETIME
        )

    def _keep(
        self,
        definition: DatasetDefinition,
        series: CachedSeries,
        found: Mapping[str, DimensionLabels],
    ) -> None:
        names = dimension_names(definition.dimensions)
        labels = Labels(
            dataset=definition.name,
            definition_hash=definition.fingerprint,
            content_hash=series.metadata.content_hash,
            read_at=self._clock.now(),
            dimensions={
                name: _shown(found.get(column, DimensionLabels()), series, name)
                for name, column in names.items()
            },
        )
        self._store.keep(labels)


def _shown(labels: DimensionLabels, series: CachedSeries, name: str) -> DimensionLabels:
    """Return labels without those of members that the series does not have."""
    members = pc.unique(series.rows[name]).to_pylist()
    texts = {member: labels.members[member] for member in members if member in labels.members}
    return DimensionLabels(labels.label, texts)
