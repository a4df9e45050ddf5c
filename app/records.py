"""The vocabulary that travels between source, pipeline and API; it knows none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import pyarrow as pa

from app.errors import SeriesError
from app.reports import DriftReport, Freshness

CONTRACT_VERSION = 1
DEFAULT_DATASET = "default"


class Grain(StrEnum):
    """The period that one point of a series stands for, finest first."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class TimeAggregation(StrEnum):
    """How the values of several periods become the value of a longer one."""

    SUM = "sum"
    AVG = "avg"
    LAST = "last"
    MIN = "min"
    MAX = "max"


class PullMode(StrEnum):
    """Which rows of a model are pulled."""

    AUTO = "auto"  # aggregates where the tenant offers them, else facts
    AGGREGATES = "aggregates"  # added up by the tenant
    FACTS = "facts"  # raw records, added up here


class Sign(StrEnum):
    """Which sign the values of income and liability accounts have."""

    STORED = "stored"  # as the tenant keeps them
    DISPLAY = "display"  # as SAC shows them: income and liabilities turned


class RefreshStatus(StrEnum):
    """What a refresh did to the cache."""

    REFRESHED = "refreshed"
    UNCHANGED = "unchanged"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Window:
    """The last periods of a series, the present one included.

    Attributes:
        count: How many, at least 1.
        grain: Of what length.
    """

    count: int
    grain: Grain

    def __str__(self) -> str:
        return f"{self.count} {self.grain}{'' if self.count == 1 else 's'}"


# What says how to pull, or how to call it, but not what the series means.
_HOW: Final = frozenset({"name", "mode", "window", "allow_mixed", "trust_count"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDefinition:
    """What to pull and how to read it.

    Attributes:
        name: Name of the dataset: lower-case letters, digits, `_` and `-`.
        source: Name of the source that holds it (`sac`, `fixture`).
        model_id: The source's id of the model (SAC: `ProviderID`, case-sensitive).
        date_column: The source's date column.
        value_column: The source's measure column.
        dimensions: The source's columns to keep as dimensions; all others are summed over.
        filter: An OData `$filter` expression as SAC understands it; None for all rows.
        grain: The period of one date id.
        time_aggregation: How a roll-up to a coarser grain combines periods; None to take it from
            the account master where that says so, else `sum`.
        sign: Whether income and liability accounts are turned.
        mode: Which rows are pulled.
        window: Pull only the last periods and keep older history; None to pull everything.
        date_attribute: The column of the date dimension's master that holds the calendar date, for
            dates that the customer manages; None if the ids are dates.
        allow_mixed: Add up several versions or accounts on purpose.
        trust_count: Whether a pull is whole only if the source's own number of rows says so.
    """

    name: str
    source: str
    model_id: str
    date_column: str
    value_column: str
    dimensions: tuple[str, ...] = ()
    filter: str | None = None
    grain: Grain = Grain.MONTH
    time_aggregation: TimeAggregation | None = None
    sign: Sign = Sign.STORED
    mode: PullMode = PullMode.AUTO
    window: Window | None = None
    date_attribute: str | None = None
    allow_mixed: bool = False
    trust_count: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The source's columns that a page must carry: date, dimensions, value."""
        return (self.date_column, *self.dimensions, self.value_column)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what the series means, not of how it is pulled."""
        parts = {key: value for key, value in asdict(self).items() if key not in _HOW}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows as the source wrote them.

    Attributes:
        number: 1-based place in the pull.
        rows: One `string` column for each of `DatasetDefinition.columns`, under the source's
            names. Dates and members are ids; a measure is the literal text of its number, so
            that no digit is lost; null stays null.
        size_bytes: Size of the answer's body.
    """

    number: int
    rows: pa.Table
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What a pull cost and how it was proved complete.

    Attributes:
        expected: Rows the source announced; None if it announced none.
        received: Rows that arrived.
        pages: Pages that arrived.
        proof: `count` (rows equal the announced count), `entities` (read on to an empty page, and
            every page held as many rows as it said), `short_page` (read on to an empty page),
            `links` (to the page without a link), or `file` (a local file was read to its end).
        mode: The entity set used (`FactData`, `FactDataAggregation`), or `file`.
        bytes: Bytes of all page bodies, after decompression.
        seconds: Wall time of the pull.
        retries: Requests that were sent again.
        token_renewals: Tokens renewed in mid-pull.
        slices: Date ranges that were pulled side by side; 1 for a single chain of pages.
        restarts: How often the pull began anew because the data changed meanwhile.
        time_aggregation: The rule that the source knows for this measure or these accounts;
            None if it knows none.
        basis: A hash of what decides the values beside the definition and the facts, such as
            the tenant and its masters; rows of two pulls mix only if it is the same.
        moment: How it was proved that all rows are of one moment: `answer` (one answer held them),
            `sums` (count and sums were the same before and after), `readings` (all were read
            twice and were the same), `count` (the count was; a changed value would not show), or
            `none`. Empty if an older program did not say.
        tolerance: How far apart two sums of a floating-point measure may be to count as the same,
            as a share of the sum of the absolute values; None if sums must be equal.
    """

    expected: int | None
    received: int
    pages: int
    proof: str
    mode: str
    bytes: int
    seconds: float
    retries: int = 0
    token_renewals: int = 0
    slices: int = 1
    restarts: int = 0
    time_aggregation: TimeAggregation | None = None
    basis: str = ""
    moment: str = ""
    tolerance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a pull has come.

    Attributes:
        rows: Rows so far.
        pages: Pages so far.
        bytes: Bytes so far.
        expected_rows: Rows the source announced; None if it announced none.
    """

    rows: int
    pages: int
    bytes: int
    expected_rows: int | None


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesMetadata:
    """What is known of one version of a cached series; saved in the same commit as its rows.

    Attributes:
        dataset: Name of the dataset.
        source: Where the rows came from (`sac`, `fixture`).
        model_id: The source's id of the model.
        last_refresh_time: When the source last confirmed these rows (UTC).
        row_count: Rows of the series.
        min_date: First date; None only for an empty series.
        max_date: Last date; None only for an empty series.
        grain: Period of one point.
        time_aggregation: Rule for coarser grains.
        value_column: The source's name of the measure.
        dimensions: Contract name to source name, for example `dim_region` to `Region`.
        definition_hash: Fingerprint of the definition that produced the rows.
        content_hash: Hash of the rows; equal content has an equal hash.
        contract_version: Version of the series contract.
        mode: The entity set used, or `file`.
        sign: Whether income and liability accounts are turned.
        date_form: How the source writes dates: `id`, `iso`, `other`, or `mixed`.
        window_start: First day that the last pull read; None if it read everything. What is
            before it is as an earlier pull left it.
        rows_read: Raw records that were read.
        skipped: Raw records left out, by reason.
        report: The pull's own report.
        restored_version: The older version whose rows these are, brought back by a rollback or a
            repair; None if a pull brought or confirmed them.
        drift: What changed from the version before; None if there was none to compare with.
    """

    dataset: str
    source: str
    last_refresh_time: datetime
    row_count: int
    min_date: date | None
    max_date: date | None
    model_id: str = ""
    grain: Grain = Grain.MONTH
    time_aggregation: TimeAggregation = TimeAggregation.SUM
    value_column: str = ""
    dimensions: dict[str, str] = field(default_factory=dict)
    definition_hash: str = ""
    content_hash: str = ""
    contract_version: int = CONTRACT_VERSION
    mode: str = ""
    sign: Sign = Sign.STORED
    date_form: str = ""
    window_start: date | None = None
    rows_read: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    report: PullReport | None = None
    restored_version: int | None = None
    drift: DriftReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesHead:
    """What is known of one version of a series, whether or not its rows were read.

    Attributes:
        metadata: What is known of the rows.
        version: Number of the version; grows with every commit.
        warning: A sentence if this is not the newest version; else None.
    """

    metadata: SeriesMetadata
    version: int
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedSeries(SeriesHead):
    """One whole version of a series as the cache holds it.

    Attributes:
        rows: The contract's columns, sorted by dimensions, then date.
    """

    rows: pa.Table


@dataclass(frozen=True, slots=True)
class RefreshOptions:
    """How a refresh differs from the usual one.

    Attributes:
        full: Pull everything, also if the dataset has a window.
        verify: Pull both ways, added up by the tenant and record by record, and compare.
        force: Publish also what changed more than the dataset allows; an empty pull never.
    """

    full: bool = False
    verify: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A point of a series that two ways of pulling disagree on.

    Attributes:
        key: Date and dimensions, by contract name.
        aggregates: The value that the tenant added up; None if it has no such point.
        facts: The sum of the records; None if there is no such record.
    """

    key: dict[str, str]
    aggregates: float | None
    facts: float | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What comparing the two ways of pulling found.

    Attributes:
        points: Points that either way has.
        differing: Points that they disagree on.
        differences: The first of these, in the order of the series.
    """

    points: int
    differing: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshOutcome:
    """What a refresh did, in a form that a UI can show.

    Attributes:
        dataset: Name of the dataset.
        status: `refreshed`, `unchanged` or `stale`.
        metadata: Metadata of the version that is served now.
        version: Number of that version.
        warning: A sentence to show as it stands; None if all is well.
        warning_code: Its code for machines; None if all is well.
        freshness: How fresh that version is.
        report: The pull's report; None if the pull failed.
        verification: What comparing both ways found; None if they were not compared.
        drift: What changed, published or not; None if nothing was compared.
        error: Why it is `stale`; None if it is not.
    """

    dataset: str
    status: RefreshStatus
    metadata: SeriesMetadata
    version: int
    warning: str | None = None
    warning_code: str | None = None
    freshness: Freshness
    report: PullReport | None = None
    verification: Verification | None = None
    drift: DriftReport | None = None
    error: SeriesError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthStatus:
    """Whether a token of the source can be had.

    Attributes:
        ok: A valid token is at hand or was just issued.
        checked_at: When the token endpoint last answered (UTC).
        expires_at: When the token expires (UTC); None if there is none.
        detail: A sentence to show as it stands.
        code: The error's code; None if `ok`.
    """

    ok: bool
    checked_at: datetime
    detail: str
    expires_at: datetime | None = None
    code: str | None = None
