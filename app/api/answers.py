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
    RAW_OF_UNCHANGED,
    RawHeaders,
    data_time,
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

# Where whoever has read what a request asks for leaves it: in the scope.
READ: Final = "sac_series.read"

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
AT_ONCE_ROWS: Final = 500
_WHOLE_ROWS: Final = 10_000
_CHUNK_BYTES: Final = 65_536
NOT_MODIFIED: Final = HTTPStatus.NOT_MODIFIED.value


async def answer_series(services: Services, asked: SeriesRequest, scope: Scope) -> Response:
    """Read what is asked for, and answer with it; the answer lane learns what it needs to know.

    Raises:
        SeriesError: As `SeriesReader.read`.
    """
    reader, slip = services.reader, slip_of(scope)
    datasets = asked.datasets or (services.dataset(),)
    if slip is not None:
        slip.datasets, slip.pin = datasets, asked.pin
    answer: SeriesAnswer | None = scope.get(READ)
    if answer is None:
        answer = await reader.read(
            datasets, asked.query, asked.pin, allow_expired=asked.allow_expired
        )
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
    form = asked.format
    if (known := matching(asked.if_none_match, etag)) is not None:
        return _WholeResponse(unchanged_headers(answer, form, known), b"", NOT_MODIFIED)
    if (small := small_answer(answer, form, scope, etag)) is not None:
        return _WholeResponse(*small)
    headers = _headers_of(answer, form, scope, etag)
    slices = WRITERS[form](answer)
    if _rows_of(answer) <= _WHOLE_ROWS:
        body = await asyncio.to_thread(b"".join, slices)
        return _WholeResponse(_with_length(headers, body), body)
    chunks = _chunks(slices)
    first = await asyncio.to_thread(next, chunks)
    response = StreamingResponse(chain([first], chunks))
    response.raw_headers = headers
    return response


def unchanged_headers(answer: SeriesAnswer, form: Format, etag: str) -> RawHeaders:
    """Return the headers of a 304, as they are sent."""
    headers = raw_headers(answer, form, "", "")
    return [
        (b"etag", etag.encode("latin-1")),
        *(one for one in headers if one[0] in RAW_OF_UNCHANGED),
    ]


def small_answer(
    answer: SeriesAnswer, form: Format, scope: Scope, etag: str
) -> tuple[RawHeaders, bytes] | None:
    """Return headers and body of an answer as they are sent; None if it takes long to write."""
    if _rows_of(answer) > AT_ONCE_ROWS:
        return None
    body = b"".join(WRITERS[form](answer))
    return _with_length(_headers_of(answer, form, scope, etag), body), body


def _rows_of(answer: SeriesAnswer) -> int:
    return sum([len(view.result) for view in answer.views])


def _headers_of(answer: SeriesAnswer, form: Format, scope: Scope, etag: str) -> RawHeaders:
    query = scope["query_string"].decode("latin-1")
    return [(b"etag", etag.encode()), *raw_headers(answer, form, scope["path"], query)]


def _with_length(headers: RawHeaders, body: bytes) -> RawHeaders:
    return [*headers, (b"content-length", b"%d" % len(body))]


class _WholeResponse(Response):
    """An answer whose headers are as they are sent already.

    Args:
        headers: Names in lower case.
        body: All of it.
        status: As it is sent.
    """

    def __init__(self, headers: RawHeaders, body: bytes, status: int = HTTPStatus.OK.value) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = headers


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
