"""Pulls a dataset as a series: anew if the data moved, the last periods alone, or both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from app.errors import (
    DataChangedError,
    EmptyPullError,
    GrainError,
    ModelNotFoundError,
    SourceAnswerError,
)
from app.periods import window_start
from app.pipeline.contract import DATE, date_bounds, sort_series
from app.pipeline.normalize import IDS, NormalizedSeries, Normalizer
from app.pipeline.ports import Clock, SeriesSource
from app.pipeline.verify import compare
from app.records import (
    CachedSeries,
    DatasetDefinition,
    Grain,
    Page,
    ProgressCallback,
    PullMode,
    PullReport,
    RefreshOptions,
    TimeAggregation,
    Verification,
)

# Data that keeps changing is being written to; a few tries tell that from bad luck.
RESTARTS: Final = 2

Found = tuple[NormalizedSeries, PullReport, Verification | None]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A series as it is to be published.

    Attributes:
        series: The rows, older history included; counts are those of this pull.
        report: What the pull cost and how it was proved.
        window_start: First day that was pulled; None if everything was.
        verification: What comparing both ways found; None if they were not compared.
    """

    series: NormalizedSeries
    report: PullReport
    window_start: date | None = None
    verification: Verification | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """One pull.

    Attributes:
        series: Its rows.
        report: What it cost and how it was proved.
        magnitudes: What the absolute values add up to; None if that was not asked.
    """

    series: NormalizedSeries
    report: PullReport
    magnitudes: pa.Table | None

    def held_against(self, other: _Read) -> Verification:
        """Compare it with the sums of the source, or with an earlier reading."""
        rows, tolerance = self.series.rows, self.report.tolerance
        return compare(other.series.rows, rows, self.magnitudes, tolerance)


class Puller:
    """Pulls datasets from their sources.

    Args:
        sources: The sources by name.
        clock: Tells which periods are the last ones.
    """

    def __init__(self, sources: Mapping[str, SeriesSource], clock: Clock) -> None:
        self._sources = sources
        self._clock = clock

    async def pull(
        self,
        definition: DatasetDefinition,
        before: CachedSeries | None,
        options: RefreshOptions,
        progress: ProgressCallback | None,
    ) -> Pulled:
        """Pull a dataset.

        Args:
            definition: What to pull.
            before: The version in the cache; None if there is none that can be read.
            options: Everything, or compared.
            progress: Called after every page.

        Raises:
            SourceError: The pull failed or could not be proved complete.
            DataError: The data break the contract, or there are none.
        """
        since = None if options.full else self._since(definition, before)
        pull = self._compared if options.verify else self._alone
        series, report, verification = await pull(definition, since, progress)
        if before is not None and since is not None and not _same_basis(before, report):
            log.info("window_left_out", dataset=definition.name)
            since = None
            series, report, verification = await pull(definition, since, progress)
        if before is not None and since is not None:
            series = await asyncio.to_thread(_with_history, series, before, since)
        if not series.rows.num_rows:
            raise _empty(series, definition.date_attribute)
        return Pulled(series=series, report=report, window_start=since, verification=verification)

    def _since(self, definition: DatasetDefinition, before: CachedSeries | None) -> date | None:
        """Return the first day to pull; None if everything must be pulled.

        History is kept only if the same definition made it, and only if the source's dates are
        ids that sort as time does.
        """
        if definition.window is None or definition.date_attribute or before is None:
            return None
        meta = before.metadata
        known = meta.date_form == IDS and meta.definition_hash == definition.fingerprint
        if not known or before.warning is not None:
            return None
        return window_start(self._clock.now().date(), definition.window, definition.grain)

    async def _alone(
        self, definition: DatasetDefinition, since: date | None, progress: ProgressCallback | None
    ) -> Found:
        read = await self._steady(definition, since, progress)
        return read.series, read.report, None

    async def _compared(
        self, definition: DatasetDefinition, since: date | None, progress: ProgressCallback | None
    ) -> Found:
        """Pull records, and compare them with the sums of the source, or with a second reading."""
        added_up = replace(definition, mode=PullMode.AGGREGATES)
        facts = replace(definition, mode=PullMode.FACTS)
        try:
            other = await self._steady(added_up, since, progress)
        except ModelNotFoundError:
            if definition.mode is PullMode.AGGREGATES:
                raise
            return await self._reread(facts, since, progress)
        read = await self._steady(facts, since, progress, measured=True)
        verification = await asyncio.to_thread(read.held_against, other)
        if verification.differing:
            # The data may have changed between the two pulls; then they agree now.
            other = await self._steady(added_up, since, progress)
            verification = await asyncio.to_thread(read.held_against, other)
        return read.series, read.report, verification

    async def _reread(
        self, definition: DatasetDefinition, since: date | None, progress: ProgressCallback | None
    ) -> Found:
        """Pull records until two readings say the same; then they held still in between.

        A source that adds nothing up has no sums that could tell of a change, only a count.

        Raises:
            DataChangedError: They never did.
        """
        read = await self._steady(definition, since, progress)
        for _ in range(RESTARTS + 1):
            before, read = read, await self._steady(definition, since, progress, measured=True)
            verification = await asyncio.to_thread(read.held_against, before)
            report = read.report
            if not verification.differing:
                proved = "answer" if report.moment == "answer" else "readings"
                return read.series, replace(report, moment=proved), verification
            log.info("readings_differ", dataset=definition.name, points=verification.differing)
        raise DataChangedError.while_read(report.expected, report.received)

    async def _steady(
        self,
        definition: DatasetDefinition,
        since: date | None,
        progress: ProgressCallback | None,
        *,
        measured: bool = False,
    ) -> _Read:
        """Pull until the data hold still for the length of a pull."""
        for restarts in range(RESTARTS + 1):
            try:
                read = await self._once(definition, since, progress, measured=measured)
            except DataChangedError:
                if restarts == RESTARTS:
                    raise
                log.info("pull_restarted", dataset=definition.name, restarts=restarts + 1)
            else:
                break
        return replace(read, report=replace(read.report, restarts=restarts))

    async def _once(
        self,
        definition: DatasetDefinition,
        since: date | None,
        progress: ProgressCallback | None,
        *,
        measured: bool,
    ) -> _Read:
        pull = self._sources[definition.source].pull(definition, progress, since=since)
        normalizer = Normalizer(definition)
        magnitudes = Normalizer(definition) if measured else None

        def add(page: Page) -> None:
            normalizer.add(page)
            if magnitudes is not None:
                magnitudes.add(_absolute(page, definition.value_column))

        adding: asyncio.Future[None] = asyncio.ensure_future(asyncio.sleep(0))
        # Arrow keeps memory for each thread, and a thread that is new to it makes all of it anew.
        adder, loop = ThreadPoolExecutor(1), asyncio.get_running_loop()
        try:
            async with aclosing(pull.pages()) as pages:
                async for page in pages:
                    # One page is added up while the next is read, and no more are held.
                    await adding
                    adding = loop.run_in_executor(adder, add, page)
            await adding
            series = await loop.run_in_executor(adder, normalizer.finish)
            sizes = magnitudes and (await loop.run_in_executor(adder, magnitudes.finish)).rows
        finally:
            await asyncio.gather(adding, return_exceptions=True)
            adder.shutdown(wait=False)
        _check_days(definition, pull.report, series)
        return _Read(series, pull.report, sizes)


def _absolute(page: Page, column: str) -> Page:
    """Return a page with the absolute values of its numbers."""
    absolute = pc.replace_substring_regex(page.rows[column], "^-", "")
    place = page.rows.schema.get_field_index(column)
    return replace(page, rows=page.rows.set_column(place, column, absolute))


def _same_basis(before: CachedSeries, report: PullReport) -> bool:
    """Whether older rows were made by what makes the new ones: tenant, signs, rule over time."""
    made = before.metadata.report
    return made is not None and made.basis == report.basis


def _check_days(
    definition: DatasetDefinition, report: PullReport, series: NormalizedSeries
) -> None:
    """Refuse to add up several days of one period where values over time are no sum."""
    rule = definition.time_aggregation or report.time_aggregation or TimeAggregation.SUM
    if rule is TimeAggregation.SUM or series.same_period is None:
        return
    first, other = series.same_period
    raise GrainError(
        f"The dates '{first}' and '{other}' lie in one {definition.grain}, and the values of a "
        f"{definition.grain} are not added up but combined by {rule}.",
        next_step="Let the source write one value a day, or set the time_aggregation to sum."
        if definition.grain is Grain.DAY
        else "Set the grain of the dataset to day; questions combine days to longer periods by "
        "themselves.",
    )


def _with_history(series: NormalizedSeries, before: CachedSeries, since: date) -> NormalizedSeries:
    """Replace the cached rows from a day on by those that were pulled."""
    if series.min_date is not None and series.min_date < since:
        raise SourceAnswerError(
            f"The source was asked for periods from {since} on and sent {series.min_date}; "
            "nothing was published.",
            next_step="Refresh with full = true, or leave the window out of the dataset.",
        )
    limit = pa.scalar(since, pa.date32())
    older = before.rows.filter(pc.less(before.rows[DATE], limit))
    if not series.rows.num_rows and older.num_rows < before.rows.num_rows:
        raise EmptyPullError(
            f"The pull succeeded but holds no value from {since} on, where the cache has "
            f"{before.rows.num_rows - older.num_rows}.",
            next_step="If the periods are empty on purpose, refresh with full = true.",
        )
    rows = sort_series(pa.concat_tables([older, series.rows]))
    first, last = date_bounds(rows)
    return replace(series, rows=rows, min_date=first, max_date=last)


def _empty(series: NormalizedSeries, date_attribute: str | None) -> EmptyPullError:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(series.skipped.items()))
    read = f"{series.rows_read} rows were read" + (f" and skipped ({reasons})" if reasons else "")
    dates = (
        f"whether the master has a date in '{date_attribute}', the date_attribute, for each id"
        if date_attribute
        else "the date column of the dataset; dates that the customer manages need a date_attribute"
    )
    return EmptyPullError(
        f"The pull succeeded but holds no value to show: {read}.",
        next_step=f"Check the filter, the version and {dates}.",
    )
