"""Reads the query string of `GET /series`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, TypedDict

from fastapi import Query
from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.api.fields import whole
from app.api.media import Format, preferred
from app.errors import BadQueryError
from app.pipeline.contract import DIMENSION_PREFIX, nearest_first
from app.pipeline.history import NEWEST, Pin, parse_pin
from app.pipeline.query import (
    EXCLUDED_MARK,
    PREFIX_MARK,
    Aggregation,
    Fill,
    SeriesQuery,
    Transform,
    parse_end,
    parse_sort,
    parse_start,
)
from app.records import Grain

# Absent from the signature below, because their names depend on the dataset.
DIMENSION_PARAMETER: Final = {
    "name": "dimensions",
    "in": "query",
    "description": "`dim_<name>=<member>`: only points of this member. Repeat it for several: "
    "`dim_region=EMEA&dim_region=APJ`. `dim_<name>!=<member>`: all but this one. "
    "`dim_<name>^=<text>`: those that begin so. The names are in `meta.dimensions`.",
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
# Every period of every calendar there is, by day.
MAX_PERIODS: Final = 10_000_000
# JSON knows no larger whole number.
MAX_VERSION: Final = 2**53
PARAMETERS: Final = (
    *("dataset", "start", "end", "first", "last", "grain", "agg", "group_by", "fill"),
    *("transform", "sort", "limit", "cursor", "format", "version", "as_of", "allow_expired"),
)
_REPEATABLE: Final = {"dataset", "group_by", "sort"}
_MOST_DATASETS: Final = 100


class Filters(TypedDict):
    """What stands under each dimension: members, members to leave out, beginnings."""

    filters: dict[str, tuple[str, ...]]
    excluded: dict[str, tuple[str, ...]]
    prefixes: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """What a caller of `GET /series` asks for.

    Attributes:
        datasets: Names of the datasets; empty for the default one.
        query: Which of its points.
        format: How they are written.
        pin: Of which version.
        allow_expired: Also if the data is too old.
        if_none_match: The header of this name: ETags of what the caller has.
    """

    datasets: tuple[str, ...]
    query: SeriesQuery
    format: Format
    pin: Pin = NEWEST
    allow_expired: bool = False
    if_none_match: str | None = None


async def series_request(
    request: Request,
    *,
    dataset: Annotated[
        list[str] | None,
        Query(
            max_length=_MOST_DATASETS,
            description="Name of the dataset; the default one if absent. Repeat it for several.",
        ),
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
    first: Annotated[
        int | None,
        Query(
            ge=1, le=MAX_PERIODS, description="So many periods, from the oldest that is selected."
        ),
    ] = None,
    last: Annotated[
        int | None,
        Query(
            ge=1, le=MAX_PERIODS, description="So many periods, up to the newest that is selected."
        ),
    ] = None,
    grain: Annotated[
        Grain | None, Query(description="Roll up to this coarser period; as stored if absent.")
    ] = None,
    agg: Annotated[
        Aggregation | None,
        Query(description="How dates are combined; by the dataset's own rule if absent."),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        Query(
            description="Dimensions to keep, separated by commas or repeated; the rest is "
            "aggregated. All if absent, none if empty.",
            examples=[["dim_region"]],
        ),
    ] = None,
    fill: Annotated[
        Fill | None,
        Query(description="What stands in periods without a value; they are left out if absent."),
    ] = None,
    transform: Annotated[
        Transform | None,
        Query(description="What is shown in place of the values; the values if absent."),
    ] = None,
    sort: Annotated[
        list[str] | None,
        Query(
            description="Columns of the answer, separated by commas or repeated; with a minus, "
            "largest first. By dimensions, then date, if absent.",
            examples=[["date,-value"]],
        ),
    ] = None,
    limit: Annotated[
        int | None,
        Query(ge=1, le=MAX_LIMIT, description="At most this many points; all if absent."),
    ] = None,
    cursor: Annotated[
        str | None,
        Query(description="`next` of the page before, to read on from where it ended."),
    ] = None,
    format: Annotated[  # noqa: A002 - the public name of the parameter
        Format | None, Query(description="How to write it; by the `Accept` header if absent.")
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
    check_names(request.query_params, PARAMETERS, _REPEATABLE)
    query = SeriesQuery(
        start=None if start is None else parse_start(start),
        end=None if end is None else parse_end(end),
        first=first,
        last=last,
        grain=grain,
        agg=agg,
        group_by=_names(group_by),
        **filters_of(request.query_params),
        fill=fill,
        transform=transform,
        sort=() if sort is None else parse_sort(",".join(sort)),
        limit=limit,
        cursor=cursor,
    )
    form = format or preferred(whole(request.headers.raw, b"accept"))
    return SeriesRequest(
        tuple(dict.fromkeys(dataset or ())),
        query,
        form,
        parse_pin(version, as_of),
        allow_expired=allow_expired,
        if_none_match=whole(request.headers.raw, b"if-none-match"),
    )


def check_names(
    params: QueryParams, known: Collection[str], repeatable: Collection[str] = ()
) -> None:
    """Check the names of a query string; those of dimensions depend on the dataset.

    Raises:
        BadQueryError: A parameter is unknown, or given twice.
    """
    for name, texts in texts_of(params).items():
        if name.startswith(DIMENSION_PREFIX):
            continue
        if name not in known:
            listed = ", ".join([*nearest_first(name, known), f"{DIMENSION_PREFIX}<name>"])
            raise BadQueryError(
                f"There is no query parameter '{name[:80]}'.",
                parameter=name,
                next_step=f"Use one of: {listed}.",
            )
        if name not in repeatable:
            _check_once(name, texts)


def check_declared(params: QueryParams, known: Collection[str], *, has_body: bool = False) -> None:
    """Check the names of a query string of which all are known beforehand; each stands once.

    Args:
        params: The query string.
        known: The names that mean something.
        has_body: Whether what the caller means may belong into a body.

    Raises:
        BadQueryError: A parameter is unknown, or given twice.
    """
    for name, texts in texts_of(params).items():
        if name not in known:
            raise BadQueryError(
                f"There is no query parameter '{name[:80]}'.",
                parameter=name,
                next_step=_declared(name, known, has_body=has_body),
            )
        _check_once(name, texts)


def _declared(name: str, known: Collection[str], *, has_body: bool) -> str:
    if known:
        return f"Use one of: {', '.join(nearest_first(name, known))}."
    if has_body:
        return "This address takes none: send a JSON object as the body."
    return "This address takes none."


def _check_once(name: str, texts: list[str]) -> None:
    if len(texts) > 1:
        raise BadQueryError(
            f"The query parameter '{name}' is given more than once.",
            parameter=name,
            next_step="Give it once.",
        )


def texts_of(params: QueryParams) -> dict[str, list[str]]:
    """Return what stands under each name of a query string."""
    found: dict[str, list[str]] = {}
    for name, text in params.multi_items():
        if name in found:
            found[name].append(text)
        else:
            found[name] = [text]
    return found


def _names(group_by: list[str] | None) -> tuple[str, ...] | None:
    if group_by is None:
        return None
    names = (name.strip() for part in group_by for name in part.split(","))
    return tuple(name for name in names if name)


def filters_of(params: QueryParams) -> Filters:
    """Return what a query string says of dimensions."""
    found: Filters = {"filters": {}, "excluded": {}, "prefixes": {}}
    for name, given in texts_of(params).items():
        if name.startswith(DIMENSION_PREFIX):
            texts = tuple(given)
            if name.endswith(EXCLUDED_MARK):
                found["excluded"][name.removesuffix(EXCLUDED_MARK)] = texts
            elif name.endswith(PREFIX_MARK):
                found["prefixes"][name.removesuffix(PREFIX_MARK)] = texts
            else:
                found["filters"][name] = texts
    return found
