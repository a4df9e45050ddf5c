"""What the OpenAPI page says beyond the models."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from app.api.answer_headers import (
    FRESHNESS_HEADER,
    NEXT_HEADER,
    OF_UNCHANGED,
    TOTAL_HEADER,
    VERSION_HEADER,
    WARNING_CODE_HEADER,
    WARNING_HEADER,
)
from app.api.media import MEDIA_TYPES, Format
from app.api.openapi_access import with_access
from app.api.openapi_links import with_links
from app.api.operation_schemas import OperationResponse
from app.api.problems import MEDIA_TYPE
from app.api.schemas import Problem
from app.api.series_schemas import (
    ColumnsResponse,
    SeriesResponse,
    SeveralColumnsResponse,
    SeveralSeriesResponse,
)

TITLE: Final = "sac-series"
SUMMARY: Final = "SAP Analytics Cloud model data as a time series"
DESCRIPTION: Final = """\
`POST /refresh` pulls a model from SAP Analytics Cloud and publishes it as a series;
`GET /series` reads the last good version, also while the tenant is down.

* Every error is an RFC 9457 problem (`application/problem+json`); `detail` and `warning` may be
  shown as they stand.
* Every answer carries `X-Request-ID`; the log tells more under it. A caller's own id is kept
  if it consists of at most 64 letters, digits, dots, hyphens and underscores.
"""
TAGS: Final = [
    {"name": "series", "description": "Pull and read a series."},
    {"name": "operations", "description": "Refreshes that run, and those that ended of late."},
    {"name": "versions", "description": "What was published before, and the way back to it."},
    {"name": "models", "description": "What the tenant offers."},
    {"name": "problems", "description": "What may go wrong, and what to do about it."},
    {"name": "health", "description": "For the platform and the operator."},
]

_WHEN: Final = {
    400: "The request cannot be read",
    404: "There is nothing of this name",
    406: "`Accept` excludes every form of a series",
    409: "Sample data would replace data of a tenant, or the operation has ended",
    410: "The version that `cursor` reads is gone; begin without it",
    422: "A parameter or field is malformed; `parameter` or `errors` names it",
    502: "The pull failed for good and there is no version to serve",
    503: "There is no version to serve; the tenant fails for now, the service is not configured, "
    "or nothing was refreshed yet. `Retry-After` is set where waiting helps",
}
_HEADERS: Final = {
    WARNING_HEADER: "The warning, percent-encoded where it is not ASCII; absent if all is well",
    WARNING_CODE_HEADER: "The warning's code for machines; absent if all is well",
    VERSION_HEADER: "The version that was read; `name=version, …` of several datasets",
    FRESHNESS_HEADER: "`fresh`, `stale`, `expired` or `unknown`, as `freshness.state`",
    TOTAL_HEADER: "Points that the query selects, over all pages",
    "Age": "Seconds since the source last confirmed the rows; absent if they cannot be told",
    "Last-Modified": "When the source last confirmed the rows",
    "ETag": "Changes with version, query, form, coding and freshness, but not with the age alone",
    "Link": 'The next page, as `<url>; rel="next"`, relative to the address of this one; absent on '
    "the last, and if the link would be longer than 3,000 characters",
    NEXT_HEADER: "`cursor` of the next page, as `next` in JSON; absent on the last",
    "Content-Disposition": "A name for the file: dataset, grain, version",
}
_ACCEPTED: Final = {
    "Location": "Where to ask how far it has come, relative to the address of the request",
    "Retry-After": "Seconds after which to ask",
    "Preference-Applied": "What of `Prefer` was followed",
}
_LINES_EXAMPLE: Final = '{"date":"2026-04-01","value":125000.5,"dim_region":"EMEA"}\n'
_CSV_EXAMPLE: Final = "date,value,dim_region\r\n2026-04-01,125000.5,EMEA\r\n"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the problems of a route look like, for its `responses`."""
    return {status: {"model": Problem, "description": _WHEN[status]} for status in statuses}


def accepted() -> dict[str, Any]:
    """Return what the answer to a refresh looks like that does not wait, for its `responses`."""
    return {
        "model": OperationResponse,
        "description": "It goes on, and `Prefer` asked not to wait longer",
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in _ACCEPTED.items()
        },
    }


def text_answer(description: str) -> dict[str, Any]:
    """Return what a page for people looks like, for the `responses` of its route."""
    text = {"schema": {"type": "string"}}
    return {"description": description, "content": {"text/plain": text, "text/html": text}}


def series_answer() -> dict[int | str, dict[str, Any]]:
    """Return what the good answers of `GET /series` look like, for its `responses`."""
    headers = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {
            "model": SeriesResponse
            | SeveralSeriesResponse
            | ColumnsResponse
            | SeveralColumnsResponse,
            "description": "The points that the query selects; of several datasets together if "
            "several are named",
            "content": {
                _type(Format.NDJSON): {"schema": {"type": "string"}, "example": _LINES_EXAMPLE},
                _type(Format.CSV): {"schema": {"type": "string"}, "example": _CSV_EXAMPLE},
                _type(Format.ARROW): binary,
                _type(Format.PARQUET): binary,
            },
            "headers": headers,
        },
        304: {
            "description": "The caller has it already",
            "headers": {
                name: told
                for name, told in headers.items()
                if name == "ETag" or name.lower() in OF_UNCHANGED
            },
        },
    }


def install_openapi(app: FastAPI, *, protected: bool = False) -> None:
    """Describe the service, and give problems the media type that they are sent with.

    Args:
        app: The app.
        protected: Whether callers must show a key or a token.
    """
    app.title, app.summary, app.description = TITLE, SUMMARY, DESCRIPTION
    app.openapi_tags = TAGS
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = _with_columns_type(_with_problem_type(_without_unused(generate())))
        return with_links(with_access(document, protected=protected))

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way


def _without_unused(document: dict[str, Any]) -> dict[str, Any]:
    # FastAPI declares an error of its own for every route with a parameter. Those that can fail
    # declare ours; for the others any text will do.
    reference = "#/components/schemas/HTTPValidationError"
    for path in document["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if content.get("application/json", {}).get("schema", {}).get("$ref") == reference:
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document


def _with_problem_type(document: dict[str, Any]) -> dict[str, Any]:
    # FastAPI declares every model under the media type of the route's good answer.
    reference = f"#/components/schemas/{Problem.__name__}"
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                schema = content.get("application/json", {}).get("schema", {})
                if schema.get("$ref") == reference:
                    content[MEDIA_TYPE] = content.pop("application/json")
    return document


def _with_columns_type(document: dict[str, Any]) -> dict[str, Any]:
    # FastAPI declares the models of an answer under one media type; the columns have their own.
    content = document["paths"]["/series"]["get"]["responses"]["200"]["content"]
    rows = content[_type(Format.JSON)]["schema"]
    columns = [one for one in rows["anyOf"] if "Columns" in one["$ref"]]
    # Like the page itself, this is asked for more than once.
    content.setdefault(_type(Format.COLUMNS), {"schema": {"anyOf": columns}})
    rows["anyOf"] = [one for one in rows["anyOf"] if one not in columns]
    return document


def _type(form: Format) -> str:
    return MEDIA_TYPES[form].partition(";")[0]
