"""Answers `GET /series`: whole if it is small, slice by slice if it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import chain
from typing import Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Scope

from app.api.answer_headers import (
    RawHeaders,
    answer_headers,
    data_time,
    of_unchanged,
    raw_headers,
)
from app.api.deps import Services
from app.api.lane import slip_of
from app.api.media import Format
from app.api.params import SeriesRequest
from app.api.validators import etag_of, matching
from app.api.writing.points import json_columns, json_lines, json_rows
from app.api.writing.separated import csv_exact, csv_for_excel
from app.api.writing.tables import arrow_stream, parquet_file
from app.pipeline.series import SeriesAnswer

Writer = Callable[[SeriesAnswer], Iterator[bytes]]

WRITERS: Final[dict[Format, Writer]] = {
    Format.JSON: json_rows,
    Format.COLUMNS: json_columns,
    Format.NDJSON: json_lines,
    Format.CSV: csv_exact,
    Format.EXCEL: csv_for_excel,
    Format.ARROW: arrow_stream,
    Format.PARQUET: parquet_file,
}
# A thread costs as much as writing this many rows.
_AT_ONCE_ROWS: Final = 500
_WHOLE_ROWS: Final = 10_000
_CHUNK_BYTES: Final = 65_536


async def answer_series(services: Services, asked: SeriesRequest, scope: Scope) -> Response:
    """Read what is asked for, and answer with it; the answer lane learns what it needs to know.

    Raises:
        SeriesError: As `SeriesReader.read`.
    """
    reader, slip = services.reader, slip_of(scope)
    datasets = asked.datasets or (services.dataset(),)
    if slip is not None:
        slip.datasets, slip.pin = datasets, asked.pin
    answer = await reader.read(datasets, asked.query, asked.pin, allow_expired=asked.allow_expired)
    if slip is not None:
        slip.stamp = answer.stamp
        slip.etag, slip.data_time = etag_of(answer, asked), data_time(answer)
    return await series_response(answer, asked, scope, slip.etag if slip else None)


async def series_response(
    answer: SeriesAnswer, asked: SeriesRequest, scope: Scope, etag: str | None = None
) -> Response:
    """Answer with what was read, or say that the caller has it already.

    A large answer is written in threads while it is sent. Its first slice is written before the
    status is sent: what fails then is a problem; what fails later breaks the connection.
    """
    etag = etag or etag_of(answer, asked)
    form, path, query = asked.format, scope["path"], scope["query_string"].decode("latin-1")
    if (known := matching(asked.if_none_match, etag)) is not None:
        told = {"ETag": known, **of_unchanged(answer_headers(answer, form, path, query))}
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=told)
    headers = [(b"etag", etag.encode()), *raw_headers(answer, form, path, query)]
    slices = WRITERS[form](answer)
    rows = sum([len(view.result) for view in answer.views])
    if rows <= _AT_ONCE_ROWS:
        return _WholeResponse(headers, b"".join(slices))
    if rows <= _WHOLE_ROWS:
        return _WholeResponse(headers, await asyncio.to_thread(b"".join, slices))
    chunks = _chunks(slices)
    first = await asyncio.to_thread(next, chunks)
    response = StreamingResponse(chain([first], chunks))
    response.raw_headers = headers
    return response


class _WholeResponse(Response):
    """An answer whose headers are as they are sent already; only the length is added.

    Args:
        headers: Names in lower case.
        body: All of it.
    """

    def __init__(self, headers: RawHeaders, body: bytes) -> None:
        self.status_code = HTTPStatus.OK.value
        self.background = None
        self.body = body
        self.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]


def _chunks(slices: Iterator[bytes]) -> Iterator[bytes]:
    """Join short slices: a brace alone is not worth a message. Yields at least once."""
    held: list[bytes] = []
    size = 0
    for part in slices:
        held.append(part)
        size += len(part)
        if size >= _CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)
