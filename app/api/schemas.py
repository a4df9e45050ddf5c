"""What requests and answers look like on the wire; the OpenAPI page is made from it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from app.api.report_schemas import DRIFT_EXAMPLE, FRESHNESS_EXAMPLE, DriftModel, FreshnessModel
from app.records import (
    AuthStatus,
    Grain,
    PullReport,
    RefreshOutcome,
    RefreshStatus,
    SeriesMetadata,
    Sign,
    TimeAggregation,
    Verification,
)
from app.reports import BreakerState, BreakerStatus

METADATA_EXAMPLE: dict[str, JsonValue] = {
    "last_refresh_time": "2026-11-21T14:05:00Z",
    "source": "sac",
    "row_count": 96,
    "min_date": "2024-01-01",
    "max_date": "2026-10-01",
    "grain": "month",
    "time_aggregation": "sum",
    "model_id": "C5qd9BA0n1x2",
    "value_column": "SignedData",
    "dimensions": {"dim_region": "Region"},
    "mode": "FactDataAggregation",
    "sign": "stored",
    "date_form": "id",
    "window_start": None,
    "restored_version": None,
    "drift": DRIFT_EXAMPLE,
    "rows_read": 12480,
    "skipped": {"value_null": 3},
    "definition_hash": "5f0c1d7e9a3b2846",
    "content_hash": "9b74c9897bac770ffc029102a200c5de",
    "contract_version": 1,
}
_REPORT: dict[str, JsonValue] = {
    "expected": 12480,
    "received": 12480,
    "pages": 3,
    "proof": "count",
    "mode": "FactData",
    "bytes": 2945280,
    "seconds": 4.2,
    "retries": 0,
    "token_renewals": 0,
    "slices": 1,
    "restarts": 0,
    "time_aggregation": "sum",
    "basis": "4f1d8e0b7a6c2953",
    "moment": "sums",
    "tolerance": None,
}
_FRESH: dict[str, JsonValue] = {
    **FRESHNESS_EXAMPLE,
    "state": "fresh",
    "age_s": 0,
    "reason": None,
    "sentence": None,
}
_WARNING = (
    "Showing data of 21 Nov 2026, 14:05 UTC: SAP Analytics Cloud refused the client credentials. "
    "Check the OAuth client's id and secret."
)


def example(**fields: JsonValue) -> ConfigDict:
    """Return a model configuration with one example."""
    return ConfigDict(json_schema_extra={"examples": [dict(fields)]}, from_attributes=True)


class RefreshRequest(BaseModel):
    """What to refresh; every field, and the body itself, may be left out."""

    model_config = ConfigDict(extra="forbid")

    dataset: str | None = Field(None, description="Name of the dataset; the default one if absent.")
    source: str | None = Field(
        None, description="Pull from this source (`sac`, `fixture`) instead of the dataset's own."
    )
    full: StrictBool = Field(
        default=False,
        description="Pull everything, also if the dataset has a window of last periods.",
    )
    verify: StrictBool = Field(
        default=False,
        description="Pull both ways, added up by the tenant and record by record, and compare.",
    )
    force: StrictBool = Field(
        default=False,
        description="Publish also what changed more than the dataset allows; an empty pull never.",
    )


class PullReportModel(BaseModel):
    """What a pull cost and how it was proved complete."""

    model_config = example(**_REPORT)

    expected: int | None = Field(description="Rows the source announced; null if it did not.")
    received: int = Field(description="Rows that arrived.")
    pages: int
    proof: str = Field(
        description="How it was proved whole: `count`, `entities`, `short_page`, `links` or `file`."
    )
    mode: str = Field(description="The entity set that was read, or `file`.")
    bytes: int = Field(description="Bytes of all pages, after decompression.")
    seconds: float
    retries: int = Field(description="Requests that were sent again.")
    token_renewals: int = Field(description="Tokens renewed in mid-pull.")
    slices: int = Field(description="Date ranges that were pulled side by side.")
    restarts: int = Field(description="How often it began anew because the data changed.")
    time_aggregation: TimeAggregation | None = Field(
        description="The roll-up rule that the source knows for the measure; null if none."
    )
    basis: str = Field(
        description="A hash of what decides the values beside definition and facts: the tenant, "
        "and what its account master says. A window keeps older rows only of the same."
    )
    moment: str = Field(
        description="How all rows were proved to be of one moment: `answer` (one held them), "
        "`sums` or `count` (the same before and after; with the count alone a changed value does "
        "not show), `readings` (read twice, and the same), `none`; empty if an older program did "
        "not say."
    )
    tolerance: float | None = Field(
        description="How far apart two sums of a floating-point measure (`Edm.Double`) may be to "
        "count as the same, as a share of the sum of the absolute values: as far as the order of "
        "the additions can bring them. Null if sums must be equal."
    )

    @classmethod
    def of(cls, report: PullReport) -> Self:
        """Translate a record."""
        return cls.model_validate(report)


class MetadataModel(BaseModel):
    """What is known of the version that is served."""

    model_config = example(**METADATA_EXAMPLE)

    last_refresh_time: datetime = Field(description="When the source last confirmed the rows, UTC.")
    source: str = Field(description="Where the rows came from (`sac`, `fixture`).")
    row_count: int = Field(description="Rows of the whole series, before any query.")
    min_date: date | None
    max_date: date | None
    grain: Grain = Field(description="Period of one stored point.")
    time_aggregation: TimeAggregation = Field(description="Rule for coarser grains.")
    model_id: str
    value_column: str = Field(description="The source's name of the measure.")
    dimensions: dict[str, str] = Field(description="`dim_<name>` to the source's name.")
    mode: str = Field(description="The entity set that was read, or `file`.")
    sign: Sign = Field(description="`display`: income and liability accounts are turned.")
    date_form: str = Field(
        description="How the source writes dates: `id`, `iso`, `other`, `mixed`."
    )
    window_start: date | None = Field(
        description="First day that the last pull read; null if it read everything."
    )
    restored_version: int | None = Field(
        None, description="The older version that a rollback brought back; null for a pull's rows."
    )
    drift: DriftModel | None = Field(
        None, description="What changed from the version before; null if there was none."
    )
    rows_read: int = Field(description="Raw records that were read.")
    skipped: dict[str, int] = Field(description="Raw records left out, by reason.")
    definition_hash: str
    content_hash: str
    contract_version: int

    @classmethod
    def of(cls, metadata: SeriesMetadata) -> Self:
        """Translate a record."""
        return cls.model_validate(metadata)


class DifferenceModel(BaseModel):
    """A point that the two ways of pulling disagree on."""

    key: dict[str, str] = Field(description="Date and dimensions of the point.")
    aggregates: float | None = Field(description="The tenant's own sum; null if it has none.")
    facts: float | None = Field(description="The sum of the records; null if there is none.")


class VerificationModel(BaseModel):
    """What comparing both ways of pulling found."""

    points: int = Field(description="Points that either way has.")
    differing: int = Field(description="Points that they disagree on.")
    differences: list[DifferenceModel] = Field(description="The first of these.")

    @classmethod
    def of(cls, verification: Verification) -> Self:
        """Translate a record."""
        return cls.model_validate(asdict(verification))


class RefreshResponse(BaseModel):
    """What a refresh did."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset": "default",
                    "status": "refreshed",
                    "warning": None,
                    "warning_code": None,
                    "version": 4,
                    "freshness": _FRESH,
                    "metadata": METADATA_EXAMPLE,
                    "report": _REPORT,
                },
                {
                    "dataset": "default",
                    "status": "stale",
                    "warning": _WARNING,
                    "warning_code": "credentials_refused",
                    "version": 4,
                    "freshness": FRESHNESS_EXAMPLE,
                    "metadata": METADATA_EXAMPLE,
                    "report": None,
                },
            ]
        }
    )

    dataset: str
    status: RefreshStatus = Field(
        description="`refreshed`: new rows; `unchanged`: the same rows, confirmed again; "
        "`stale`: the pull failed and the last good version is served."
    )
    warning: str | None = Field(description="A sentence to show as it stands; null if all is well.")
    warning_code: str | None = Field(description="The warning's code for machines.")
    version: int = Field(description="The version that is served now.")
    freshness: FreshnessModel
    metadata: MetadataModel
    report: PullReportModel | None = Field(description="Null if the pull failed.")
    verification: VerificationModel | None = Field(
        None, description="Null unless it was asked for."
    )
    drift: DriftModel | None = Field(
        None, description="What changed, published or refused; null if nothing was compared."
    )

    @classmethod
    def of(cls, outcome: RefreshOutcome) -> Self:
        """Translate a record."""
        return cls(
            dataset=outcome.dataset,
            status=outcome.status,
            warning=outcome.warning,
            warning_code=outcome.warning_code,
            version=outcome.version,
            freshness=FreshnessModel.of(outcome.freshness),
            metadata=MetadataModel.of(outcome.metadata),
            report=None if outcome.report is None else PullReportModel.of(outcome.report),
            verification=None
            if outcome.verification is None
            else VerificationModel.of(outcome.verification),
            drift=None if outcome.drift is None else DriftModel.of(outcome.drift),
        )


class AuthResponse(BaseModel):
    """Whether the source lets us in."""

    model_config = example(
        status="ok",
        detail="A token was issued.",
        code=None,
        checked_at="2026-11-21T14:05:00Z",
        expires_at="2026-11-21T15:05:00Z",
        breaker="closed",
        next_attempt=None,
    )

    status: Literal["ok", "error"]
    detail: str = Field(description="A sentence to show as it stands.")
    code: str | None = Field(description="The error's code; null if all is well.")
    checked_at: datetime = Field(description="When this was last asked of the source, UTC.")
    expires_at: datetime | None = Field(description="When the token expires, UTC; null if none.")
    breaker: BreakerState = Field(
        description="`closed`: pulls are sent. `open`: after too many failures in a row they are "
        "not, until `next_attempt`. `half_open`: the next pull finds out."
    )
    next_attempt: datetime | None = Field(
        description="When pulls will be sent again, UTC; null if they are."
    )

    @classmethod
    def of(cls, status: AuthStatus, breaker: BreakerStatus) -> Self:
        """Translate two records."""
        return cls(
            status="ok" if status.ok else "error",
            detail=status.detail,
            code=status.code,
            checked_at=status.checked_at,
            expires_at=status.expires_at,
            breaker=breaker.state,
            next_attempt=breaker.next_attempt,
        )


class LiveResponse(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class ReadyResponse(BaseModel):
    """Whether requests can be answered."""

    model_config = example(status="ready", detail="The cache holds version 4.", code=None)

    status: Literal["ready", "not_ready"]
    detail: str = Field(description="A sentence to show as it stands.")
    code: str | None = Field(description="The error's code; null if there is none.")


class SettingProblem(BaseModel):
    """One setting that is missing or malformed."""

    model_config = ConfigDict(from_attributes=True)

    variable: str
    found: str = Field(description="What was found, in words.")
    expected: str
    example: str


class InvalidInput(BaseModel):
    """One part of a request that is malformed."""

    name: str = Field(description="The query parameter, or the path within the body.")
    detail: str


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it. Members beyond the first six depend on the problem."""

    model_config = example(
        type="/problems/credentials-refused",
        title="SAP Analytics Cloud refused the client credentials",
        status=502,
        detail="SAP Analytics Cloud refused the client credentials. Check the OAuth client's id "
        "and secret.",
        code="credentials_refused",
        request_id="4f1c0d3b5a7e4e0f9d2c6b8a1e3f5d7c",
    )

    type: str = Field(description="Stable reference, `/problems/<code with hyphens>`.")
    title: str = Field(description="The kind of problem; the same for every occurrence.")
    status: int
    detail: str = Field(description="What is wrong and the next step, to show as it stands.")
    code: str = Field(description="Stable name of the problem for machines.")
    request_id: str | None = Field(None, description="The id under which the log tells more.")
    parameter: str | None = Field(None, description="The query parameter that is wrong.")
    problems: list[SettingProblem] | None = Field(None, description="All settings that are wrong.")
    errors: list[InvalidInput] | None = Field(None, description="All inputs that are malformed.")
