"""The refresh service: pull, normalise, save; or fall back to the last good cache and say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import Final

import structlog

from app.errors import (
    CacheError,
    ConfigError,
    DriftRejectedError,
    RefreshCancelledError,
    RequestError,
    SeriesError,
    ServiceStoppingError,
    SourceConflictError,
    SourcePausedError,
    UnexpectedError,
)
from app.pipeline.breaker import Breaker
from app.pipeline.contract import content_hash, dimension_names
from app.pipeline.drift import drift_of, forced
from app.pipeline.freshness import SAMPLE_SOURCE, Notice, with_losses
from app.pipeline.labels import LabelKeeper
from app.pipeline.operations import Asked, Operation, Operations
from app.pipeline.ports import CacheRepository, Clock, DatasetCatalogue, SeriesSource
from app.pipeline.pulling import Pulled, Puller
from app.pipeline.standing import Standing, Told
from app.records import (
    CachedSeries,
    DatasetDefinition,
    ProgressCallback,
    RefreshOptions,
    RefreshOutcome,
    RefreshStatus,
    SeriesMetadata,
    TimeAggregation,
    Verification,
)
from app.reports import DriftReport
from app.spans import span

DRIFT_CODE: Final = "drift_warning"
_USUAL: Final = RefreshOptions()

log = structlog.get_logger(__name__)


class RefreshService:
    """Refreshes datasets. Calls for one dataset that arrive together share one pull.

    Attributes:
        operations: What is being refreshed, and was of late.

    Args:
        catalogue: Which datasets exist.
        sources: The sources by name.
        cache: Where versions are kept.
        clock: Tells the time of a refresh.
        standing: Judges what is served, and keeps how each refresh ended.
        breakers: What stands before a source that may fail, by the source's name.
        ended: Called with each operation that has ended.
        labels: Keeps what people call the members; None not to ask.
    """

    def __init__(
        self,
        catalogue: DatasetCatalogue,
        sources: Mapping[str, SeriesSource],
        cache: CacheRepository,
        clock: Clock,
        *,
        standing: Standing,
        breakers: Mapping[str, Breaker],
        ended: Callable[[Operation], None] = lambda _: None,
        labels: LabelKeeper | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._puller = Puller(sources, clock)
        self._cache = cache
        self._clock = clock
        self._standing = standing
        self._breakers = breakers
        self._labels = labels
        self._locks: dict[str, asyncio.Lock] = {}
        self.operations = Operations(
            self._refresh,
            self._fall_back,
            clock,
            ended,
            exists=lambda name: name in self._catalogue.names,
        )

    async def refresh(
        self,
        dataset: str,
        *,
        source: str | None = None,
        options: RefreshOptions = _USUAL,
        progress: ProgressCallback | None = None,
    ) -> RefreshOutcome:
        """Pull a dataset and publish it, or fall back to what the cache holds.

        A caller that goes away does not stop the pull: others may wait for it.

        Args:
            dataset: Name of the dataset.
            source: Pull from this source instead of the dataset's own.
            options: Everything instead of a window, or both ways compared.
            progress: Called after every page.

        Raises:
            RequestError: The dataset or source does not exist, or sample data would replace
                data of a tenant.
            ServiceStoppingError: The service begins no more refreshes.
            SeriesError: The pull failed and there is no cache to fall back to.
        """
        operation = self.start(dataset, source=source, options=options)
        if progress is not None:
            operation.listen(progress)
        return await self.operations.result(operation)

    def start(
        self, dataset: str, *, source: str | None = None, options: RefreshOptions = _USUAL
    ) -> Operation:
        """Begin what `refresh` does, and do not wait for it.

        Raises:
            RequestError: The dataset or source does not exist.
            ServiceStoppingError: The service begins no more refreshes.
        """
        # What else is wrong with a definition is the outcome of the operation, as of any refresh.
        with suppress(ConfigError):
            self._catalogue.definition(dataset, source)
        return self.operations.start(Asked(dataset, source, options))

    async def _refresh(self, operation: Operation) -> RefreshOutcome:
        dataset = operation.asked.dataset
        try:
            with span("refresh", {"sac.dataset": dataset}):
                outcome = await self._pull_and_publish(operation)
        except RequestError:
            raise
        except SeriesError as error:
            log.warning("refresh_failed", dataset=dataset, code=error.code, reason=str(error))
            return await self._fall_back(dataset, error)
        except Exception:
            # A fault of ours must not take the cached series away from its readers.
            log.exception("refresh_crashed", dataset=dataset)
            return await self._fall_back(dataset, UnexpectedError())
        log.info(
            "refresh_done",
            dataset=dataset,
            status=outcome.status,
            rows=outcome.metadata.row_count,
            version=outcome.version,
        )
        return outcome

    async def _pull_and_publish(self, operation: Operation) -> RefreshOutcome:
        asked = operation.asked
        definition = self._catalogue.definition(asked.dataset, asked.source)
        # One source at a time: sample data must see what a pull from the tenant publishes.
        async with self._locks.setdefault(asked.dataset, asyncio.Lock()):
            operation.begins()
            # A pull may take an hour, and its end is too late to say that nothing can be saved.
            await asyncio.to_thread(self._cache.check, asked.dataset)
            before = await asyncio.to_thread(self._load, asked.dataset)
            return await self._publish(definition, before, operation)

    async def _publish(
        self, definition: DatasetDefinition, before: CachedSeries | None, operation: Operation
    ) -> RefreshOutcome:
        _refuse_sample_over_tenant(definition, before)
        options = operation.asked.options
        with self._guard(definition.source), span("pull"):
            pulled = await self._puller.pull(definition, before, options, operation.progressed)
        # Hashing a million rows takes long enough to hold up every other request.
        metadata = await asyncio.to_thread(self._metadata, definition, pulled)
        drift = await asyncio.to_thread(self._drift, definition, before, pulled, metadata)
        metadata = replace(metadata, drift=_allowed(drift, options))
        unchanged = before is not None and _same(before, metadata)
        operation.publishes()
        publish = (
            asyncio.to_thread(self._cache.touch, metadata)
            if unchanged
            else asyncio.to_thread(self._cache.save, pulled.series.rows, metadata)
        )
        with span("commit"):
            cached = await publish
        told = await asyncio.to_thread(self._settled, cached)
        if self._labels is not None:
            await self._labels.renew(definition, cached)
        news = _mismatch(pulled.verification) or _warned(metadata.drift)
        notice = told.notice if news is None else with_losses(news, metadata)
        return RefreshOutcome(
            dataset=definition.name,
            status=RefreshStatus.UNCHANGED if unchanged else RefreshStatus.REFRESHED,
            metadata=cached.metadata,
            version=cached.version,
            warning=notice.text,
            warning_code=notice.code,
            freshness=told.freshness,
            report=pulled.report,
            verification=pulled.verification,
            drift=metadata.drift,
        )

    def _guard(self, source: str) -> AbstractContextManager[None]:
        breaker = self._breakers.get(source)
        return nullcontext() if breaker is None else breaker.guard()

    def _drift(
        self,
        definition: DatasetDefinition,
        before: CachedSeries | None,
        pulled: Pulled,
        metadata: SeriesMetadata,
    ) -> DriftReport | None:
        # A tenant's data is no drift of the sample that it replaces.
        if before is None or before.metadata.source != definition.source:
            return None
        policy = self._catalogue.policy(definition.name)
        return drift_of(before, pulled.series.rows, metadata, definition.window, policy)

    def _settled(self, cached: CachedSeries) -> Told:
        """Keep that a refresh ended well, and judge what it left."""
        self._standing.succeeded(cached.metadata.dataset)
        return self._standing.of(cached)

    def _load(self, dataset: str) -> CachedSeries | None:
        """The version in the cache; None if there is none that can be read.

        A broken cache must not stop a refresh: a new version is what mends it.
        """
        try:
            return self._cache.load(dataset)
        except CacheError as error:
            log.info("cache_not_loaded", dataset=dataset, code=error.code)
            return None

    async def _fall_back(self, dataset: str, error: SeriesError) -> RefreshOutcome:
        return await asyncio.to_thread(self._stale, dataset, error)

    def _stale(self, dataset: str, error: SeriesError) -> RefreshOutcome:
        """Keep that a refresh failed, and answer with what the cache holds."""
        cached = self._load(dataset)
        if isinstance(error, ServiceStoppingError):
            self._standing.interrupted(dataset)
        # A source that was not asked has not failed once more, and what a caller stopped may
        # have gone well.
        elif not isinstance(error, SourcePausedError | RefreshCancelledError):
            self._standing.failed(dataset, error, cached)
        if cached is None:
            raise error from None
        notice = self._standing.explained(cached, error)
        return RefreshOutcome(
            dataset=dataset,
            status=RefreshStatus.STALE,
            metadata=cached.metadata,
            version=cached.version,
            warning=notice.text,
            warning_code=notice.code,
            freshness=self._standing.of(cached).freshness,
            drift=error.drift if isinstance(error, DriftRejectedError) else None,
            error=error,
        )

    def _metadata(self, definition: DatasetDefinition, pulled: Pulled) -> SeriesMetadata:
        series, report = pulled.series, pulled.report
        return SeriesMetadata(
            dataset=definition.name,
            source=definition.source,
            model_id=definition.model_id,
            last_refresh_time=self._clock.now(),
            row_count=series.rows.num_rows,
            min_date=series.min_date,
            max_date=series.max_date,
            grain=definition.grain,
            time_aggregation=definition.time_aggregation
            or report.time_aggregation
            or TimeAggregation.SUM,
            value_column=definition.value_column,
            dimensions=dimension_names(definition.dimensions),
            definition_hash=definition.fingerprint,
            content_hash=content_hash(series.rows),
            mode=report.mode,
            sign=definition.sign,
            date_form=series.date_form,
            window_start=pulled.window_start,
            rows_read=series.rows_read,
            skipped=series.skipped,
            report=report,
        )


def _refuse_sample_over_tenant(definition: DatasetDefinition, before: CachedSeries | None) -> None:
    if definition.source != SAMPLE_SOURCE or before is None:
        return
    if before.metadata.source != SAMPLE_SOURCE:
        raise SourceConflictError(
            f"The dataset '{definition.name}' holds data from '{before.metadata.source}'; "
            "sample data will not replace it.",
            next_step="Refresh from its own source, or set CACHE_URI to another folder to try "
            "the sample.",
        )


def _mismatch(verification: Verification | None) -> Notice | None:
    """Say that the two ways of pulling disagree; None if they were not compared or agree."""
    if verification is None or not verification.differing:
        return None
    first = verification.differences[0]
    where = ", ".join(first.key.values())
    return Notice(
        f"The sums of SAP Analytics Cloud differ from the sums of its records in "
        f"{verification.differing} of {verification.points} points, the first at {where}: "
        f"{first.aggregates} against {first.facts}. The sums of the records are shown.",
        "verification_mismatch",
    )


def _allowed(drift: DriftReport | None, options: RefreshOptions) -> DriftReport | None:
    """Return what changed, provided that it may be published."""
    if drift is None or not drift.rejections:
        return drift
    if options.force:
        return forced(drift)
    raise DriftRejectedError(
        f"The new data was not published. {' '.join(drift.rejections)}",
        drift=drift,
        next_step="If this is meant, refresh with force = true.",
    )


def _warned(drift: DriftReport | None) -> Notice | None:
    """Say what changed that the dataset warns of; None if nothing did."""
    if drift is None or not (found := (*drift.rejections, *drift.warnings)):
        return None
    return Notice(" ".join(found), DRIFT_CODE)


def _same(before: CachedSeries, after: SeriesMetadata) -> bool:
    return (before.metadata.content_hash, before.metadata.definition_hash) == (
        after.content_hash,
        after.definition_hash,
    ) and before.warning is None
