"""What versions, differences and rollbacks look like on the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.api.schemas import MetadataModel, PullReportModel
from app.pipeline.diff import Points
from app.pipeline.history import VersionInfo
from app.pipeline.versions import Comparison
from app.records import CachedSeries


class VersionModel(BaseModel):
    """One version of a series."""

    version: int
    time: datetime | None = Field(description="When it was published, UTC.")
    last_refresh_time: datetime = Field(description="When the source last confirmed its rows, UTC.")
    changed: bool = Field(description="False if it confirmed the rows of the version before it.")
    row_count: int
    min_date: date | None
    max_date: date | None
    source: str
    mode: str
    definition_hash: str
    content_hash: str = Field(description="Versions of equal content have an equal hash.")
    restored_version: int | None = Field(description="The version that a rollback brought back.")
    report: PullReportModel | None = Field(description="What the pull cost, how it was proved.")

    @classmethod
    def of(cls, info: VersionInfo) -> Self:
        """Translate a record."""
        meta = info.metadata
        return cls(
            version=info.version,
            time=info.time,
            last_refresh_time=meta.last_refresh_time,
            changed=info.changes_data,
            row_count=meta.row_count,
            min_date=meta.min_date,
            max_date=meta.max_date,
            source=meta.source,
            mode=meta.mode,
            definition_hash=meta.definition_hash,
            content_hash=meta.content_hash,
            restored_version=meta.restored_version,
            report=None if meta.report is None else PullReportModel.of(meta.report),
        )


class VersionsResponse(BaseModel):
    """The versions of a dataset."""

    dataset: str
    versions: list[VersionModel] = Field(description="Newest first.")


class ChangedPointModel(BaseModel):
    """A point that two versions do not share."""

    model_config = ConfigDict(from_attributes=True)

    key: dict[str, str] = Field(description="Date and dimensions of the point.")
    before: float | None = Field(description="The first version's value; null if it has none.")
    after: float | None = Field(description="The second version's value; null if it has none.")


class PointsModel(BaseModel):
    """Points of one kind."""

    model_config = ConfigDict(from_attributes=True)

    count: int
    first: list[ChangedPointModel] = Field(description="The first of them, at most `limit`.")

    @classmethod
    def of(cls, points: Points) -> Self:
        """Translate a record."""
        return cls.model_validate(points)


class DiffSide(BaseModel):
    """One of the two versions that are compared."""

    version: int
    last_refresh_time: datetime
    row_count: int
    dimensions: list[str]
    total: str = Field(description="The exact sum of all values, a decimal number as text.")

    @classmethod
    def of(cls, series: CachedSeries, total: str) -> Self:
        """Translate a record."""
        return cls(
            version=series.version,
            last_refresh_time=series.metadata.last_refresh_time,
            row_count=series.metadata.row_count,
            dimensions=list(series.metadata.dimensions),
            total=total,
        )


class DiffResponse(BaseModel):
    """What changed between two versions. With other dimensions all points are other points."""

    dataset: str
    before: DiffSide
    after: DiffSide
    added: PointsModel = Field(description="Points that only the second version has.")
    removed: PointsModel = Field(description="Points that only the first version has.")
    changed: PointsModel = Field(description="Points that both have, with other values.")
    unchanged: int = Field(description="How many points are the same in both.")

    @classmethod
    def of(cls, dataset: str, compared: Comparison) -> Self:
        """Translate a record."""
        diff = compared.diff
        return cls(
            dataset=dataset,
            before=DiffSide.of(compared.before, diff.total_before),
            after=DiffSide.of(compared.after, diff.total_after),
            added=PointsModel.of(diff.added),
            removed=PointsModel.of(diff.removed),
            changed=PointsModel.of(diff.changed),
            unchanged=diff.unchanged,
        )


def _only_numbers(found: object) -> object:
    # JSON's 3 and 3.0 are one number, which pydantic's strict mode would not have.
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError("should be a number")  # noqa: TRY004 - pydantic answers this one with 422
    return found


WholeNumber = Annotated[int, BeforeValidator(_only_numbers)]


class RollbackRequest(BaseModel):
    """Which version is to be shown again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 3}]})

    version: WholeNumber = Field(ge=0, description="One of `GET /datasets/{name}/versions`.")


class RollbackResponse(BaseModel):
    """What a rollback published."""

    dataset: str
    version: int = Field(description="The new version, which shows the old rows.")
    metadata: MetadataModel

    @classmethod
    def of(cls, series: CachedSeries) -> Self:
        """Translate a record."""
        return cls(
            dataset=series.metadata.dataset,
            version=series.version,
            metadata=MetadataModel.of(series.metadata),
        )
