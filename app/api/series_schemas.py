"""What `GET /series` answers as JSON, for the OpenAPI page; `app.api.writing` writes it."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.api.report_schemas import SERIES_FRESHNESS_EXAMPLE, SeriesFreshnessModel
from app.api.schemas import METADATA_EXAMPLE, MetadataModel, example
from app.records import Grain

_BESIDE: dict[str, JsonValue] = {
    "meta": METADATA_EXAMPLE,
    "version": 4,
    "total": 2,
    "warning": None,
    "warning_code": None,
    "freshness": SERIES_FRESHNESS_EXAMPLE,
    "next": None,
}
_ROWS: dict[str, JsonValue] = {
    "dataset": "default",
    "grain": "quarter",
    "points": [
        {"date": "2026-04-01", "value": 125000.5, "dim_region": "EMEA"},
        {"date": "2026-07-01", "value": 131250.0, "dim_region": "EMEA"},
    ],
    **_BESIDE,
}


class SeriesPoint(BaseModel):
    """One point: its date, its value, and one `dim_<name>` for each dimension asked for."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]

    date: date
    value: float | None = Field(description="Null where there is none to show.")


class _Told(BaseModel):
    """What is told of one series beside its points."""

    dataset: str
    grain: Grain = Field(description="Period of one point of this answer.")
    meta: MetadataModel
    version: int = Field(description="The version of the series that was read.")
    total: int = Field(description="Points that the query selects, over all pages.")
    warning: str | None = Field(description="A sentence to show as it stands; null if all is well.")
    warning_code: str | None = Field(description="The warning's code for machines.")
    freshness: SeriesFreshnessModel
    next: str | None = Field(description="`cursor` of the next page; null on the last.")


class SeriesResponse(_Told):
    """A series as it was asked for."""

    model_config = example(**_ROWS)

    points: list[SeriesPoint] = Field(description="Sorted by dimensions, then date, if not asked.")


class ColumnsResponse(_Told):
    """The same with one list for each column; all are of one length."""

    model_config = example(
        dataset="default",
        grain="quarter",
        columns={
            "date": ["2026-04-01", "2026-07-01"],
            "value": [125000.5, 131250.0],
            "dim_region": ["EMEA", "EMEA"],
        },
        **_BESIDE,
    )

    columns: dict[str, list[float | str | None]] = Field(
        description="`date`, `value` and one `dim_<name>` for each dimension asked for."
    )


class _ToldOfAll(BaseModel):
    """What is told of several series together."""

    total: int = Field(description="Points that the query selects from all of them.")
    warning: str | None = Field(description="The warning of the least fresh; null if all is well.")
    warning_code: str | None = Field(description="That warning's code for machines.")
    freshness: SeriesFreshnessModel = Field(description="That of the least fresh.")
    next: str | None = Field(description="`cursor` of the next page; null on the last.")


class SeveralSeriesResponse(_ToldOfAll):
    """Several series, each as if asked for alone, in the order asked."""

    series: list[SeriesResponse]


class SeveralColumnsResponse(_ToldOfAll):
    """The same with one list for each column."""

    series: list[ColumnsResponse]
