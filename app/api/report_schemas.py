"""What is told of a series beside its points, on the wire: freshness and drift."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.pipeline.overview import DatasetOverview
from app.reports import DriftReport, Freshness, FreshnessState

FRESHNESS_EXAMPLE: Final[dict[str, JsonValue]] = {
    "state": "stale",
    "data_time": "2026-11-21T14:05:00Z",
    "age_s": 7200,
    "last_attempt": "2026-11-21T16:00:00Z",
    "reason": "credentials_refused",
    "sentence": "SAP Analytics Cloud refused the client credentials. "
    "Check the OAuth client's id and secret.",
    "next_attempt": "2026-11-21T17:00:00Z",
}
SERIES_FRESHNESS_EXAMPLE: Final = {
    key: value for key, value in FRESHNESS_EXAMPLE.items() if key != "age_s"
}
DRIFT_EXAMPLE: Final[dict[str, JsonValue]] = {
    "since": "2026-11-20T14:05:00Z",
    "rows_before": 96,
    "rows_after": 98,
    "comparable": True,
    "shrink": 0.0,
    "members": {
        "dim_region": {"new": 1, "vanished": 0, "first_new": ["LATAM"], "first_vanished": []}
    },
    "total_before": "125000.5",
    "total_after": "131250",
    "history_before": "2026-10-01",
    "history_changed": 0,
    "first_changed": [],
    "warnings": [],
    "rejections": [],
    "forced": False,
}


class SeriesFreshnessModel(BaseModel):
    """How fresh the data of an answer is.

    Its age is in the header `Age` alone: a copy of the answer would tell that of long ago.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [SERIES_FRESHNESS_EXAMPLE]}, from_attributes=True
    )

    state: FreshnessState = Field(
        description="`fresh`; `stale`: not the newest, or old, and `sentence` says why; `expired`: "
        "too old to be served unasked; `unknown`: there is no telling how old it is."
    )
    data_time: datetime | None = Field(
        description="When the source last confirmed the rows, UTC; null if there are none."
    )
    last_attempt: datetime | None = Field(
        description="When the last refresh ended, well or not, UTC; null if that is not known."
    )
    reason: str | None = Field(description="Why it is not fresh, for machines; null if it is.")
    sentence: str | None = Field(description="The same, to show; null if it is fresh.")
    next_attempt: datetime | None = Field(
        description="When the service will refresh it by itself, UTC; null if it will not."
    )


class FreshnessModel(SeriesFreshnessModel):
    """How fresh a series is at the moment of the answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [FRESHNESS_EXAMPLE]}, from_attributes=True
    )

    age_s: int | None = Field(description="Seconds since `data_time`; null if they cannot be told.")

    @classmethod
    def of(cls, freshness: Freshness) -> Self:
        """Translate a record."""
        return cls.model_validate(freshness)


class MemberDriftModel(BaseModel):
    """How the members of one dimension changed."""

    model_config = ConfigDict(from_attributes=True)

    new: int = Field(description="How many appeared.")
    vanished: int = Field(description="How many are gone.")
    first_new: list[str] = Field(description="The first of those that appeared.")
    first_vanished: list[str] = Field(description="The first of those that are gone.")


class DriftModel(BaseModel):
    """What changed between the last good version and the rows of a refresh."""

    model_config = ConfigDict(json_schema_extra={"examples": [DRIFT_EXAMPLE]}, from_attributes=True)

    since: datetime = Field(description="When the version compared with was last confirmed, UTC.")
    rows_before: int
    rows_after: int
    comparable: bool = Field(
        description="False if another definition or contract made the version before: then "
        "nothing but the rows is counted."
    )
    shrink: float = Field(description="The share of the rows that vanished, of those pulled again.")
    members: dict[str, MemberDriftModel] | None = Field(
        description="The dimensions whose members changed; null if not compared."
    )
    total_before: str | None = Field(description="The exact sum of all values, as text.")
    total_after: str | None = Field(description="The same, now.")
    history_before: date | None = Field(
        description="The day that ends what counts as history; null if nothing does."
    )
    history_changed: int = Field(
        description="Points before that day whose value changed, or that came or went."
    )
    first_changed: list[str] = Field(description="The first of these.")
    warnings: list[str] = Field(description="Changes that the dataset warns of, to show.")
    rejections: list[str] = Field(description="Changes that the dataset refuses, to show.")
    forced: bool = Field(description="Whether it was published in spite of these.")

    @classmethod
    def of(cls, drift: DriftReport) -> Self:
        """Translate a record."""
        return cls.model_validate(drift)


class DatasetSummary(BaseModel):
    """One dataset, at a glance."""

    name: str
    source: str | None = Field(None, description="Where its rows came from; null if it has none.")
    freshness: FreshnessModel
    min_date: date | None = Field(None, description="First date; null if there are no rows.")
    max_date: date | None = Field(None, description="Last date; null if there are no rows.")
    rows: int | None = Field(None, description="Rows of it; null if there are none.")
    version: int | None = Field(None, description="The version served; null if none can be.")

    @classmethod
    def of(cls, found: DatasetOverview) -> Self:
        """Translate one line of the overview."""
        freshness = FreshnessModel.of(found.freshness)
        if (series := found.series) is None:
            return cls(name=found.name, freshness=freshness)
        return cls(
            name=found.name,
            source=series.metadata.source,
            freshness=freshness,
            min_date=series.metadata.min_date,
            max_date=series.metadata.max_date,
            rows=series.metadata.row_count,
            version=series.version,
        )


class DatasetsResponse(BaseModel):
    """All datasets, the default one first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "datasets": [
                        {
                            "name": "default",
                            "source": "sac",
                            "freshness": FRESHNESS_EXAMPLE,
                            "min_date": "2024-01-01",
                            "max_date": "2026-10-01",
                            "rows": 96,
                            "version": 4,
                        }
                    ]
                }
            ]
        }
    )

    datasets: list[DatasetSummary]
