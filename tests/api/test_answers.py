"""A small answer comes whole, a large one in pieces, and a broken one never looks whole."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from starlette.responses import Response, StreamingResponse

from app.api.answers import WRITERS, series_response
from app.api.media import MEDIA_TYPES, Format
from app.api.params import SeriesRequest
from app.pipeline.query import Columns, QueryResult, SeriesQuery
from app.pipeline.series import SeriesAnswer
from tests.api.asking import a_request
from tests.api.writing.answers import Point, a_view, an_answer

HALF = 100_000
FORMS = pytest.mark.parametrize("form", list(Format))


def rows(count: int) -> SeriesAnswer:
    """Return an answer of so many points."""
    points: list[Point] = [(date(2026, 1, 1), float(n), "a", "b") for n in range(count)]
    return an_answer(a_view(points))


def asked(form: Format, if_none_match: str | None = None) -> SeriesRequest:
    """Return a request for a form."""
    return SeriesRequest((), SeriesQuery(), form, if_none_match=if_none_match)


async def content(response: Response) -> bytes:
    """Return the body of a response, whole or in pieces."""
    if not isinstance(response, StreamingResponse):
        return bytes(response.body)
    pieces: AsyncIterable[object] = response.body_iterator
    return b"".join([bytes(piece) async for piece in pieces if isinstance(piece, bytes)])


@FORMS
@pytest.mark.parametrize("count", [0, 1, 501, 10_000, 10_001, 30_000])
async def test_the_size_decides_how_it_leaves(form: Format, count: int) -> None:
    """However it leaves, the body is what the writer writes, and only a whole one has a length."""
    answer = rows(count)
    response = await series_response(answer, asked(form), a_request().scope)
    assert isinstance(response, StreamingResponse) == (count > 10_000)
    assert ("content-length" in response.headers) == (count <= 10_000)
    assert response.headers["content-type"] == MEDIA_TYPES[form]
    assert await content(response) == b"".join(WRITERS[form](answer))


@FORMS
async def test_what_the_caller_has_is_not_written(form: Format) -> None:
    """A 304 carries the tag and what may be new to a cache, and nothing that the tag stands for."""
    answer = rows(20_000)
    first = await series_response(answer, asked(form), a_request().scope)
    etag = first.headers["etag"]
    again = await series_response(answer, asked(form, etag), a_request().scope)
    assert (again.status_code, again.body) == (304, b"")
    assert again.headers["etag"] == etag
    assert set(again.headers) == {"etag", "age", "cache-control", "vary", "x-series-freshness"}
    assert set(again.headers.items()) <= set(first.headers.items())


class Failing:
    """Rows that can be read up to a point."""

    def __init__(self, rows: pa.Table, until: int) -> None:
        self._rows = rows
        self._until = until
        self.schema = rows.schema
        self.num_rows = rows.num_rows

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """Return a column."""
        return self._rows[name]

    def slice(self, start: int, size: int) -> pa.Table:
        """Return rows, or fail."""
        if start >= self._until:
            raise OSError("the disk is gone")
        return self._rows.slice(start, size)


class FailingColumns(Columns):
    """The same by column."""

    def part(self, start: int, stop: int) -> Columns:
        """Return rows, or fail."""
        if start >= HALF:
            raise OSError("the disk is gone")
        return super().part(start, stop)


class FailingResult(QueryResult):
    """A result that can be read up to a point, as a table and by column."""

    @property
    def rows(self) -> Any:  # noqa: ANN401 - a table as far as the writers know
        """The table."""
        return Failing(super().rows, HALF)

    @property
    def columns(self) -> FailingColumns:
        """The columns."""
        found = super().columns
        rows = (found.days, found.values, found.missing, found.keys)
        return FailingColumns(*rows, found.dimensions)


@FORMS
async def test_what_fails_in_the_middle_does_not_end(form: Format) -> None:
    """The pieces of a large answer end in the failure, not as if they were all."""
    whole = rows(2 * HALF)
    (view,) = whole.views
    failing = FailingResult(view.result.rows, view.result.total, view.result.grain)
    answer = replace(whole, views=(replace(view, result=failing),))
    response = await series_response(answer, asked(form), a_request().scope)
    assert isinstance(response, StreamingResponse)
    with pytest.raises(OSError, match="the disk is gone"):
        await content(response)
