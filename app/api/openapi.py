"""What the OpenAPI page says beyond the models."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from app.api.encode import (
    FRESHNESS_HEADER,
    VERSION_HEADER,
    WARNING_CODE_HEADER,
    WARNING_HEADER,
)
from app.api.openapi_access import with_access
from app.api.problems import MEDIA_TYPE
from app.api.schemas import Problem, SeriesResponse

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
    {"name": "versions", "description": "What was published before, and the way back to it."},
    {"name": "models", "description": "What the tenant offers."},
    {"name": "health", "description": "For the platform and the operator."},
]

_WHEN: Final = {
    400: "The request cannot be read",
    404: "There is no such dataset or source",
    409: "Sample data would replace data of a tenant",
    422: "A parameter or field is malformed; `parameter` or `errors` names it",
    502: "The pull failed for good and there is no version to serve",
    503: "There is no version to serve; the tenant fails for now, the service is not configured, "
    "or nothing was refreshed yet. `Retry-After` is set where waiting helps",
}
_HEADERS: Final = {
    WARNING_HEADER: "The warning, percent-encoded where it is not ASCII; absent if all is well",
    WARNING_CODE_HEADER: "The warning's code for machines; absent if all is well",
    VERSION_HEADER: "The version of the series that was read",
    FRESHNESS_HEADER: "`fresh`, `stale`, `expired` or `unknown`, as `freshness.state`",
    "Age": "Seconds since the source last confirmed the rows; absent if they cannot be told",
    "Last-Modified": "When the source last confirmed the rows",
    "ETag": "Changes with version, query, format and freshness, but not with the age alone",
}
_CSV_EXAMPLE: Final = "date,value,dim_region\r\n2026-04-01,125000.5,EMEA\r\n"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the problems of a route look like, for its `responses`."""
    return {status: {"model": Problem, "description": _WHEN[status]} for status in statuses}


def series_answer() -> dict[str, Any]:
    """Return what a good answer of `GET /series` looks like, for its `responses`."""
    return {
        "model": SeriesResponse,
        "description": "The points that the query selects",
        "content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE}},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
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
        return with_access(_with_problem_type(generate()), protected=protected)

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way


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
