"""Writes a series as JSON or CSV.

A million points never become pydantic models. The work is cut into slices, because the encoder
holds the interpreter's lock while it writes: between two slices the event loop gets its turn.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.csv
from starlette.responses import Response

from app.api.params import Format, SeriesRequest
from app.api.report_schemas import DatasetSummary, FreshnessModel
from app.api.schemas import MetadataModel
from app.api.validators import etag_of, matches
from app.pipeline.contract import DATE
from app.pipeline.overview import DatasetOverview
from app.pipeline.series import SeriesView

WARNING_HEADER: Final = "X-Series-Warning"
WARNING_CODE_HEADER: Final = "X-Series-Warning-Code"
VERSION_HEADER: Final = "X-Series-Version"
FRESHNESS_HEADER: Final = "X-Series-Freshness"
_SLICE_ROWS: Final = 10_000
# RFC 4180, 2: lines end with CRLF, and a header is written like any record.
_CSV: Final = pyarrow.csv.WriteOptions(include_header=False, eol="\r\n", batch_size=_SLICE_ROWS)
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class _Head(msgspec.Struct):
    """The members of `SeriesResponse` before its points."""

    dataset: str
    grain: str


class _Tail(msgspec.Struct):
    """The members of `SeriesResponse` after its points."""

    meta: msgspec.Raw
    version: int
    total: int
    warning: str | None
    warning_code: str | None
    freshness: msgspec.Raw
    next: None = None


async def series_response(view: SeriesView, asked: SeriesRequest) -> Response:
    """Write a view in a thread, and answer with it; or say that the caller has it already."""
    etag = etag_of(view, asked)
    headers = {"ETag": etag, **_headers(view)}
    if matches(asked.if_none_match, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    write, media_type = _WRITERS[asked.format]
    content = await asyncio.to_thread(write, view)
    return Response(content, headers=headers, media_type=media_type)


def dataset_summary(found: DatasetOverview) -> DatasetSummary:
    """Translate one line of the overview."""
    freshness = FreshnessModel.of(found.freshness)
    if (series := found.series) is None:
        return DatasetSummary(name=found.name, freshness=freshness)
    return DatasetSummary(
        name=found.name,
        source=series.metadata.source,
        freshness=freshness,
        min_date=series.metadata.min_date,
        max_date=series.metadata.max_date,
        rows=series.metadata.row_count,
        version=series.version,
    )


def series_json(view: SeriesView) -> bytes:
    """Return a view as the JSON of `SeriesResponse`. Blocks; run it in a thread."""
    head = _Head(view.series.metadata.dataset, view.result.grain)
    tail = _Tail(
        meta=msgspec.Raw(MetadataModel.of(view.series.metadata).model_dump_json()),
        version=view.series.version,
        total=view.result.total,
        warning=view.notice.text,
        warning_code=view.notice.code,
        freshness=msgspec.Raw(FreshnessModel.of(view.freshness).model_dump_json()),
    )
    encode = msgspec.json.encode
    # One join, because every copy of a large answer is a moment in which nothing else runs.
    return b"".join(
        [
            encode(head)[:-1],
            b',"points":[',
            *_point_slices(view.result.rows),
            b"],",
            encode(tail)[1:],
        ]
    )


def series_csv(view: SeriesView) -> bytes:
    """Return the points of a view as CSV with a header. Blocks; run it in a thread."""
    rows = view.result.rows
    # The contract's names need no quotes, but Arrow would put some around each of them.
    sink = io.BytesIO()
    sink.write(",".join(rows.schema.names).encode() + b"\r\n")
    pyarrow.csv.write_csv(rows, sink, _CSV)
    return sink.getvalue()


def header_text(text: str) -> str:
    """Return text that a header can carry: what is not printable ASCII is percent-encoded.

    >>> header_text("100 % of Zürich")
    '100 %25 of Z%C3%BCrich'
    """
    return quote(text, safe=_PRINTABLE)


def _headers(view: SeriesView) -> dict[str, str]:
    """Return version, freshness and any warning, which CSV has no other place for."""
    freshness = view.freshness
    headers = {
        VERSION_HEADER: str(view.series.version),
        FRESHNESS_HEADER: freshness.state,
        # Both of the data's own time, never of the answer's.
        "Last-Modified": format_datetime(view.series.metadata.last_refresh_time, usegmt=True),
        # The warning is part of the answer, so a copy must be checked before it is shown again.
        "Cache-Control": "no-cache",
        "Vary": "Accept",
    }
    if freshness.age_s is not None:
        headers["Age"] = str(freshness.age_s)
    if view.notice.text is not None and view.notice.code is not None:
        headers[WARNING_HEADER] = header_text(view.notice.text)
        headers[WARNING_CODE_HEADER] = view.notice.code
    return headers


def _point_slices(rows: pa.Table) -> Iterator[bytes]:
    names = rows.schema.names
    kinds = [(name, float if name == "value" else str) for name in names]
    point = msgspec.defstruct("Point", kinds, gc=False)
    encode = msgspec.json.Encoder().encode
    for start in range(0, rows.num_rows, _SLICE_ROWS):
        part = rows.slice(start, _SLICE_ROWS)
        columns = [_column(part, name) for name in names]
        if start:
            yield b","
        yield encode(list(map(point, *columns)))[1:-1]


def _column(rows: pa.Table, name: str) -> list[object]:
    column = rows[name].cast(pa.string()) if name == DATE else rows[name]
    values: list[object] = column.to_pylist()
    return values


_WRITERS: Final[dict[Format, tuple[Callable[[SeriesView], bytes], str]]] = {
    Format.JSON: (series_json, "application/json"),
    Format.CSV: (series_csv, "text/csv; charset=utf-8"),
}
