"""Reads the query string of `GET /datasets/{name}/dimensions/{dimension}`."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.requests import Request

from app.api.params import check_names, filters_of
from app.pipeline.picking import MemberQuery

_KNOWN: Final = ("search", "after", "limit")


async def member_query(
    request: Request,
    *,
    search: Annotated[
        str,
        Query(max_length=200, description="Part of an id or a text; case does not matter."),
    ] = "",
    after: Annotated[
        str | None, Query(description="Only ids behind this one: `next` of the answer before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most this many.")] = 100,
) -> MemberQuery:
    """Read and check the query string.

    Raises:
        BadQueryError: A parameter is unknown, or given twice.
    """
    params = request.query_params
    check_names(params, _KNOWN)
    return MemberQuery(search=search, after=after, limit=limit, **filters_of(params))
