"""Small classes that stand in for the ports of the pipeline; mypy checks that they fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from app.access.callers import sees
from app.catalogue import (
    ColumnInfo,
    DimensionLabels,
    FoundBy,
    Labels,
    Member,
    ModelInfo,
    ModelSummary,
    Role,
)
from app.errors import (
    CacheError,
    CacheMissingError,
    ConfigError,
    SeriesError,
    UnknownDatasetError,
    UnknownVersionError,
)
from app.periods import id_of
from app.pipeline.breaker import Breaker, BreakerLimits
from app.pipeline.history import NEWEST, Pin, VersionInfo, version_at
from app.pipeline.standing import Standing
from app.records import (
    AuthStatus,
    CachedSeries,
    DatasetDefinition,
    Grain,
    Page,
    Progress,
    ProgressCallback,
    PullMode,
    PullReport,
    SeriesMetadata,
    TimeAggregation,
)
from app.reports import Attempt, DatasetPolicy

START = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)


def a_definition(name: str = "default", *, source: str = "sac") -> DatasetDefinition:
    """Return a monthly definition with two dimensions."""
    return DatasetDefinition(
        name=name,
        source=source,
        model_id="C5qd9BA0n1x2",
        date_column="Date",
        value_column="SignedData",
        dimensions=("Region", "Product"),
        grain=Grain.MONTH,
    )


def a_page(
    rows: Sequence[Sequence[str | None]],
    *,
    definition: DatasetDefinition | None = None,
    number: int = 1,
) -> Page:
    """Return a page whose rows are given in the order of the definition's columns."""
    columns = (definition or a_definition()).columns
    values = zip(*rows, strict=True) if rows else [() for _ in columns]
    arrays = [pa.array(column, pa.string()) for column in values]
    return Page(number=number, rows=pa.Table.from_arrays(arrays, names=columns), size_bytes=1_000)


class FakeClock:
    """A clock that stands still until it is ticked."""

    def __init__(self, at: datetime = START) -> None:
        self._now = at

    def now(self) -> datetime:
        """Return the time it was ticked to."""
        return self._now

    def tick(self, by: timedelta = timedelta(hours=1)) -> None:
        """Move time on."""
        self._now += by


class FakePull:
    """Yields the pages of its source, then fails if the source is told to."""

    def __init__(self, source: FakeSource, progress: ProgressCallback | None) -> None:
        self._source = source
        self._progress = progress
        self._read: list[Page] = []

    async def pages(self) -> AsyncGenerator[Page]:
        """Wait for the gate, yield the pages, and end or fail."""
        self._source.started.set()
        try:
            if self._source.gate is not None:
                await self._source.gate.wait()
            for page in self._source.pages:
                self._read.append(page)
                self._tell()
                yield page
            if self._source.error is not None:
                raise self._source.error
        finally:
            self._source.closed += 1

    @property
    def report(self) -> PullReport:
        """Report what was read."""
        return PullReport(
            expected=self._rows,
            received=self._rows,
            pages=len(self._read),
            proof="count",
            mode="FactData",
            bytes=self._bytes,
            seconds=0.5,
            time_aggregation=self._source.rule,
            basis=self._source.basis,
            tolerance=self._source.tolerance,
        )

    @property
    def _rows(self) -> int:
        return sum(page.rows.num_rows for page in self._read)

    @property
    def _bytes(self) -> int:
        return sum(page.size_bytes for page in self._read)

    def _tell(self) -> None:
        if self._progress is not None:
            done = Progress(
                rows=self._rows, pages=len(self._read), bytes=self._bytes, expected_rows=None
            )
            self._progress(done)


class FakeSource:
    """A source that yields given pages, and fails after them if it has an error.

    Args:
        pages: What every pull yields.
        error: Raised after the last page; None for a pull that succeeds.
        gate: A pull waits for it before its first page; None for no wait.

    Attributes:
        pulls: The definition of every pull, in order.
        started: Set as soon as the pages of a pull are asked for.
        closed: How many pulls ended, well or not.
        rule: What the source says of periods; None if it says nothing.
        basis: What else decides its values.
        tolerance: How far apart sums may be to count as the same; None if they must be equal.
    """

    def __init__(
        self,
        pages: Iterable[Page] = (),
        *,
        error: Exception | None = None,
        gate: asyncio.Event | None = None,
    ) -> None:
        self.pages = tuple(pages)
        self.error = error
        self.gate = gate
        self.pulls: list[DatasetDefinition] = []
        self.since: list[date | None] = []
        self.started = asyncio.Event()
        self.closed = 0
        self.rule: TimeAggregation | None = None
        self.basis = ""
        self.tolerance: float | None = None

    def pull(
        self,
        definition: DatasetDefinition,
        progress: ProgressCallback | None = None,
        *,
        since: date | None = None,
    ) -> FakePull:
        """Remember what was asked for and prepare a pull."""
        self.pulls.append(definition)
        self.since.append(since)
        return FakePull(self, progress)


class FakeTable:
    """A source that holds rows, and yields those that a pull asks for.

    Args:
        rows: Date id, region, product and value of every record.

    Attributes:
        rows: May be changed between pulls.
        added_up: The rows that pulls of aggregates see instead; None for the same.
        heedless: Yields all rows, whatever was asked for.
        rule: What it says of periods; None if it says nothing.
        basis: What else decides its values.
        tolerance: How far apart sums may be to count as the same; None if they must be equal.
        errors: One for each pull to come; None for a pull that succeeds.
        asked: Definition and first day of every pull.
    """

    def __init__(self, rows: Iterable[Sequence[str | None]]) -> None:
        self.rows: Sequence[Sequence[str | None]] = list(rows)
        self.added_up: Sequence[Sequence[str | None]] | None = None
        self.heedless = False
        self.rule: TimeAggregation | None = None
        self.basis = ""
        self.tolerance: float | None = None
        self.errors: list[Exception | None] = []
        self.asked: list[tuple[DatasetDefinition, date | None]] = []

    def pull(
        self,
        definition: DatasetDefinition,
        progress: ProgressCallback | None = None,
        *,
        since: date | None = None,
    ) -> FakePull:
        """Prepare a pull of the rows that are there now."""
        self.asked.append((definition, since))
        rows = self.rows
        if definition.mode is PullMode.AGGREGATES and self.added_up is not None:
            rows = self.added_up
        first = "" if since is None or self.heedless else id_of(since, definition.grain)
        wanted = [row for row in rows if str(row[0]) >= first]
        error = self.errors.pop(0) if self.errors else None
        source = FakeSource([a_page(wanted, definition=definition)], error=error)
        source.rule, source.basis, source.tolerance = self.rule, self.basis, self.tolerance
        return source.pull(definition, progress, since=since)


class FakeModels:
    """Offers two models of one name; the second is the one that is described.

    Attributes:
        error: Raised by every call; None for calls that work.
    """

    def __init__(self) -> None:
        self.error: SeriesError | None = None

    async def models(self) -> tuple[ModelSummary, ...]:
        """Return both models."""
        if self.error is not None:
            raise self.error
        return (
            ModelSummary("C1", "Sales plan", "Measures", name_is_unique=False),
            ModelSummary("C2", "Sales plan", "Accounts", name_is_unique=False),
        )

    async def model(self, model_id: str) -> ModelInfo:
        """Return the columns of an account model."""
        if self.error is not None:
            raise self.error
        version = Member("public.Actual", "Actual")
        return ModelInfo(
            id=model_id,
            columns=(
                _dimension("Version", Role.VERSION, version),
                _dimension("Date", Role.DATE, Member("202601", "")),
                _dimension("Account", Role.ACCOUNT, Member("O'NEILL", "")),
                _dimension("Region", Role.DIMENSION),
                ColumnInfo(name="SignedData", role=Role.MEASURE, found_by=FoundBy.KEY),
            ),
            entity_sets=("FactData", "FactDataAggregation"),
        )


def _dimension(name: str, role: Role, *members: Member) -> ColumnInfo:
    return ColumnInfo(name=name, role=role, found_by=FoundBy.MASTER, members=members)


class FakeCache:
    """A cache in memory.

    Attributes:
        versions: Every version of every dataset, oldest first.
        load_error: Raised by every load; None for loads that work.
        save_error: Raised by every save and touch; None for those that work.
        check_error: Raised before every pull; None if a save would work.
    """

    def __init__(self, *series: CachedSeries) -> None:
        self.versions: dict[str, list[CachedSeries]] = {}
        self.load_error: CacheError | None = None
        self.save_error: CacheError | None = None
        self.check_error: CacheError | None = None
        for one in series:
            self.versions.setdefault(one.metadata.dataset, []).append(one)

    def check(self, dataset: str) -> None:
        """Raise what a check is to raise."""
        if self.check_error is not None:
            raise self.check_error

    def save(self, rows: pa.Table, metadata: SeriesMetadata) -> CachedSeries:
        """Add a version."""
        if self.save_error is not None:
            raise self.save_error
        versions = self.versions.setdefault(metadata.dataset, [])
        versions.append(CachedSeries(rows=rows, metadata=metadata, version=len(versions)))
        return versions[-1]

    def touch(self, metadata: SeriesMetadata) -> CachedSeries:
        """Add a version with the rows of the last one."""
        return self.save(self.load(metadata.dataset).rows, metadata)

    def load(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries:
        """Return the last version, or the one that is pinned."""
        if self.load_error is not None:
            raise self.load_error
        if dataset not in self.versions:
            raise CacheMissingError(
                f"Nothing was saved for the dataset '{dataset}' yet.",
                next_step="Call POST /refresh.",
            )
        if pin.as_of is not None:
            pin = Pin(version_at(self.history(dataset), pin.as_of))
        if pin.version is None:
            return self.versions[dataset][-1]
        if pin.version >= len(self.versions[dataset]):
            raise UnknownVersionError(f"There is no version {pin.version}.")
        return self.versions[dataset][pin.version]

    def glance(self, dataset: str) -> CachedSeries:
        """Return the last version."""
        return self.load(dataset)

    def at_hand(self, dataset: str, pin: Pin = NEWEST) -> CachedSeries | None:
        """Return what a load would, or nothing if it would fail."""
        try:
            return self.load(dataset, pin)
        except SeriesError:
            return None

    def history(self, dataset: str, limit: int | None = None) -> tuple[VersionInfo, ...]:
        """Return the versions, newest first; each is as old as its data."""
        self.load(dataset)
        found = [
            VersionInfo(
                one.version, one.metadata.last_refresh_time, one.metadata, changes_data=True
            )
            for one in reversed(self.versions[dataset])
        ]
        return tuple(found[:limit])

    def roll_back(self, dataset: str, version: int) -> CachedSeries:
        """Add a version with the rows of an older one."""
        old = self.load(dataset, Pin(version))
        return self.save(old.rows, replace(old.metadata, restored_version=version))


class FakeCatalogue:
    """Knows the given definitions; every dataset may also be pulled from `fixture`.

    Attributes:
        error: Raised for every definition; None for a catalogue that is well set up.
        rules: The policy of every dataset.
    """

    def __init__(self, *definitions: DatasetDefinition) -> None:
        self._definitions = {one.name: one for one in definitions or (a_definition(),)}
        self.error: ConfigError | None = None
        self.rules = DatasetPolicy()

    def define(self, definition: DatasetDefinition) -> None:
        """Put a definition in place of the one of its name, as a restart would."""
        self._definitions[definition.name] = definition

    def policy(self, dataset: str) -> DatasetPolicy:
        """Return the policy, which is the same for all."""
        del dataset
        return self.rules

    def fingerprint(self, dataset: str) -> str | None:
        """Return that of the definition, whether or not there is an error."""
        found = self._definitions.get(dataset)
        return None if found is None else found.fingerprint

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order given, those that the caller sees."""
        return tuple(filter(sees, self._definitions))

    def definition(self, dataset: str, source: str | None = None) -> DatasetDefinition:
        """Return the definition, from another source if one is named."""
        if dataset not in self.names:
            known = ", ".join(self.names)
            raise UnknownDatasetError(
                f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {known}."
            )
        if self.error is not None and source is None:
            raise self.error
        found = self._definitions[dataset]
        if source not in {None, found.source, "fixture"}:
            raise UnknownDatasetError(f"There is no source '{source}'.")
        return replace(found, source=source or found.source)


class FakeAttempts:
    """Keeps attempts in memory; share one between two services to play a restart.

    Attributes:
        kept: The last attempt of each dataset.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Attempt] = {}

    def keep(self, attempt: Attempt) -> None:
        """Keep an attempt."""
        self.kept[attempt.dataset] = attempt

    def last(self, dataset: str) -> Attempt | None:
        """Return the last attempt."""
        return self.kept.get(dataset)

    def last_at_hand(self, dataset: str) -> tuple[Attempt | None]:
        """Return the last attempt."""
        return (self.kept.get(dataset),)


class FakeLabels:
    """Tells labels, and keeps them in memory.

    Attributes:
        told: What people call the dimensions, by the source's column.
        error: Raised instead; None for labels that can be had.
        asked: The definition of every question.
        kept: The labels of each dataset.
    """

    def __init__(self) -> None:
        self.told = {
            "Region": DimensionLabels("Sales region", {"EMEA": "Europe", "LATAM": "South"})
        }
        self.error: SeriesError | None = None
        self.asked: list[DatasetDefinition] = []
        self.kept: dict[str, Labels] = {}

    async def labels(self, definition: DatasetDefinition) -> dict[str, DimensionLabels]:
        """Return the labels."""
        self.asked.append(definition)
        if self.error is not None:
            raise self.error
        return self.told

    def keep(self, labels: Labels) -> None:
        """Keep labels."""
        self.kept[labels.dataset] = labels

    def last(self, dataset: str) -> Labels | None:
        """Return the labels kept last."""
        return self.kept.get(dataset)


def a_standing(
    catalogue: FakeCatalogue | None = None,
    clock: FakeClock | None = None,
    attempts: FakeAttempts | None = None,
    next_attempt: datetime | None = None,
) -> Standing:
    """Return a judge of series, with attempts in memory."""
    return Standing(
        catalogue or FakeCatalogue(),
        attempts or FakeAttempts(),
        clock or FakeClock(),
        lambda _: next_attempt,
    )


def a_breaker(clock: FakeClock | None = None, limits: BreakerLimits | None = None) -> Breaker:
    """Return a breaker with the usual limits."""
    return Breaker(limits or BreakerLimits(), clock or FakeClock())


class FakeAuthProbe:
    """Reports the status it is given."""

    def __init__(self, status: AuthStatus | None = None) -> None:
        self.status = status or AuthStatus(
            ok=True,
            checked_at=START,
            expires_at=START + timedelta(hours=1),
            detail="A token was issued.",
        )

    @classmethod
    def failing(cls, error: SeriesError) -> FakeAuthProbe:
        """Return a probe that reports this error."""
        return cls(AuthStatus(ok=False, checked_at=START, detail=error.sentence, code=error.code))

    async def check(self) -> AuthStatus:
        """Report the status."""
        return self.status
