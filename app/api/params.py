"""Reads the query string of `GET /series`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Query
from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.errors import BadQueryError
from app.pipeline.contract import DIMENSION_PREFIX, nearest_first
from app.pipeline.history import NEWEST, Pin, parse_pin
from app.pipeline.query import SeriesQuery, parse_end, parse_start
from app.records import Grain

# Absent from the signature below, because their names depend on the dataset.
DIMENSION_PARAMETER: Final = {
    "name": "dimensions",
    "in": "query",
    "description": "`dim_<name>=<member>`: only points of this member. Repeat it for several: "
    "`dim_region=EMEA&dim_region=APJ`. The names are in `meta.dimensions`.",
    "required": False,
    "style": "form",
    "explode": True,
    "schema": {
        "type": "object",
        "propertyNames": {"pattern": "^dim_"},
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    },
    "example": {"dim_region": ["EMEA", "APJ"]},
}
# Arrow counts rows in 64 bits; no series comes near this.
MAX_LIMIT: Final = 1_000_000_000
# JSON knows no larger whole number.
MAX_VERSION: Final = 2**53
_KNOWN: Final = (
    *("dataset", "start", "end", "grain", "group_by", "limit", "format"),
    *("version", "as_of", "allow_expired"),
)
_REPEATABLE: Final = "group_by"


class Format(StrEnum):
    """How a series is written."""

    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """What a caller of `GET /series` asks for.

    Attributes:
        dataset: Name of the dataset; None for the default one.
        query: Which of its points.
        format: How they are written.
        pin: Of which version.
        allow_expired: Also if the data is too old.
        if_none_match: The header of this name: ETags of what the caller has.
    """

    dataset: str | None
    query: SeriesQuery
    format: Format
    pin: Pin = NEWEST
    allow_expired: bool = False
    if_none_match: str | None = None


async def series_request(
    request: Request,
    *,
    dataset: Annotated[
        str | None, Query(description="Name of the dataset; the default one if absent.")
    ] = None,
    start: Annotated[
        str | None,
        Query(
            description="First date: `YYYY-MM-DD`, or a period: `YYYY-MM`, `YYYY-Qn`, `YYYY`.",
            examples=["2026-01"],
        ),
    ] = None,
    end: Annotated[
        str | None,
        Query(
            description="Last date, included; a period (`2026-Q3`) counts to its last day.",
            examples=["2026-Q3"],
        ),
    ] = None,
    grain: Annotated[
        Grain | None, Query(description="Roll up to this coarser period; as stored if absent.")
    ] = None,
    group_by: Annotated[
        list[str] | None,
        Query(
            description="Dimensions to keep, separated by commas or repeated; the rest is "
            "aggregated. All if absent, none if empty.",
            examples=[["dim_region"]],
        ),
    ] = None,
    limit: Annotated[
        int | None,
        Query(ge=1, le=MAX_LIMIT, description="At most this many points; all if absent."),
    ] = None,
    format: Annotated[  # noqa: A002 - the public name of the parameter
        Format | None, Query(description="`json` or `csv`; by the `Accept` header if absent.")
    ] = None,
    version: Annotated[
        int | None,
        Query(ge=0, le=MAX_VERSION, description="This version; the newest if absent."),
    ] = None,
    as_of: Annotated[
        str | None,
        Query(
            description="The version that was the newest at this time, which has a time zone.",
            examples=["2026-11-21T14:05:00Z"],
        ),
    ] = None,
    allow_expired: Annotated[
        bool, Query(description="`true`: serve data that is too old (`expired`), too.")
    ] = False,
) -> SeriesRequest:
    """Read and check the query string.

    Raises:
        BadQueryError: A parameter is unknown, given twice, or malformed.
    """
    _check_names(request.query_params)
    query = SeriesQuery(
        start=None if start is None else parse_start(start),
        end=None if end is None else parse_end(end),
        grain=grain,
        group_by=_names(group_by),
        filters=_filters(request.query_params),
        limit=limit,
    )
    form = format or preferred(request.headers.get("Accept"))
    return SeriesRequest(
        dataset,
        query,
        form,
        parse_pin(version, as_of),
        allow_expired=allow_expired,
        if_none_match=request.headers.get("If-None-Match"),
    )


def preferred(accept: str | None) -> Format:
    """Return the format that an `Accept` header prefers; JSON unless it clearly wants CSV.

    >>> preferred("text/csv, */*;q=0.1")
    <Format.CSV: 'csv'>
    >>> preferred("text/html, */*")
    <Format.JSON: 'json'>
    """
    weights = dict(_weight(part) for part in (accept or "").split(","))
    csv = weights.get("text/csv", 0.0)
    json = max(
        weights.get(kind, 0.0) for kind in ("application/json", "application/*", "text/*", "*/*")
    )
    return Format.CSV if csv > json else Format.JSON


def _weight(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip() for piece in part.lower().split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, float(value)
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def _check_names(params: QueryParams) -> None:
    for name in params:
        if name.startswith(DIMENSION_PREFIX):
            continue
        if name not in _KNOWN:
            listed = ", ".join([*nearest_first(name, _KNOWN), f"{DIMENSION_PREFIX}<name>"])
            raise BadQueryError(
                f"There is no query parameter '{name}'.",
                parameter=name,
                next_step=f"Use one of: {listed}.",
            )
        if name != _REPEATABLE and len(params.getlist(name)) > 1:
            raise BadQueryError(
                f"The query parameter '{name}' is given more than once.",
                parameter=name,
                next_step="Give it once.",
            )


def _names(group_by: list[str] | None) -> tuple[str, ...] | None:
    if group_by is None:
        return None
    names = (name.strip() for part in group_by for name in part.split(","))
    return tuple(name for name in names if name)


def _filters(params: QueryParams) -> dict[str, tuple[str, ...]]:
    names = [name for name in params if name.startswith(DIMENSION_PREFIX)]
    return {name: tuple(params.getlist(name)) for name in names}
