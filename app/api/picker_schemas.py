"""What there is to choose from, on the wire: dimensions, members, bounds, grains."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.api.report_schemas import FRESHNESS_EXAMPLE, FreshnessModel
from app.pipeline.picking import DatasetFacts, DimensionFacts, MemberChoice
from app.records import Grain, TimeAggregation

_DIMENSION: Final[dict[str, JsonValue]] = {
    "name": "dim_region",
    "source": "Region",
    "label": "Sales region",
    "members": 3,
    "labelled": 2,
}


class DimensionModel(BaseModel):
    """One dimension of a dataset."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DIMENSION]}, from_attributes=True)

    name: str = Field(description="Its name in queries.")
    source: str = Field(description="The source's column.")
    label: str | None = Field(description="Its text for people; null if it has none.")
    members: int = Field(description="How many members it has in the version that is served.")
    labelled: int = Field(description="How many of these have a text.")

    @classmethod
    def of(cls, facts: DimensionFacts) -> Self:
        """Translate a record."""
        return cls(
            name=facts.name,
            source=facts.source,
            label=facts.label or None,
            members=facts.members,
            labelled=facts.labelled,
        )


class DatasetResponse(BaseModel):
    """A dataset as a caller may query it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "default",
                    "source": "sac",
                    "model_id": "C5qd9BA0n1x2",
                    "value_column": "SignedData",
                    "version": 4,
                    "freshness": FRESHNESS_EXAMPLE,
                    "rows": 96,
                    "min_date": "2024-01-01",
                    "max_date": "2026-10-01",
                    "grain": "month",
                    "grains": ["month", "quarter", "year"],
                    "time_aggregation": "sum",
                    "dimensions": [_DIMENSION],
                    "labels_read_at": "2026-11-21T14:05:01Z",
                }
            ]
        }
    )

    name: str
    source: str = Field(description="Where its rows came from.")
    model_id: str
    value_column: str = Field(description="The source's name of the measure.")
    version: int = Field(description="The version that is served.")
    freshness: FreshnessModel
    rows: int
    min_date: date | None = Field(description="First date; null if there are no rows.")
    max_date: date | None = Field(description="Last date; null if there are no rows.")
    grain: Grain = Field(description="Period of one stored point.")
    grains: list[Grain] = Field(description="What `grain` may be, finest first.")
    time_aggregation: TimeAggregation = Field(description="Rule for coarser grains.")
    dimensions: list[DimensionModel]
    labels_read_at: datetime | None = Field(
        description="When the source was asked for the texts, UTC; null if it has told none."
    )

    @classmethod
    def of(cls, facts: DatasetFacts) -> Self:
        """Translate a record."""
        meta = facts.series.metadata
        return cls(
            name=meta.dataset,
            source=meta.source,
            model_id=meta.model_id,
            value_column=meta.value_column,
            version=facts.series.version,
            freshness=FreshnessModel.of(facts.freshness),
            rows=meta.row_count,
            min_date=meta.min_date,
            max_date=meta.max_date,
            grain=meta.grain,
            grains=list(facts.grains),
            time_aggregation=meta.time_aggregation,
            dimensions=[DimensionModel.of(one) for one in facts.dimensions],
            labels_read_at=None if facts.labels is None else facts.labels.read_at,
        )


class MemberModel(BaseModel):
    """One member of a dimension."""

    id: str = Field(description="As filters write it.")
    label: str | None = Field(description="Its text for people; null if it has none.")
    points: int = Field(description="Points of the series that are its own.")
    min_date: date = Field(description="First of their dates.")
    max_date: date = Field(description="Last of their dates.")


class MembersResponse(BaseModel):
    """Members of a dimension, sorted by id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset": "default",
                    "version": 4,
                    "dimension": _DIMENSION,
                    "members": [
                        {
                            "id": "EMEA",
                            "label": "Europe, Middle East and Africa",
                            "points": 32,
                            "min_date": "2024-01-01",
                            "max_date": "2026-10-01",
                        }
                    ],
                    "total": 3,
                    "next": "EMEA",
                }
            ]
        }
    )

    dataset: str
    version: int = Field(description="The version that was read.")
    dimension: DimensionModel
    members: list[MemberModel]
    total: int = Field(description="Members that the query selects, before `limit` and `after`.")
    next: str | None = Field(description="Value of `after` for more; null if these were the last.")

    @classmethod
    def of(cls, choice: MemberChoice) -> Self:
        """Translate a record."""
        return cls(
            dataset=choice.series.metadata.dataset,
            version=choice.series.version,
            dimension=DimensionModel.of(choice.dimension),
            members=[
                MemberModel(
                    id=member.id,
                    label=member.label or None,
                    points=member.points,
                    min_date=member.min_date,
                    max_date=member.max_date,
                )
                for member in choice.members
            ],
            total=choice.total,
            next=choice.after,
        )
