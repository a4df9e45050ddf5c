"""Writes points as JSON: rows, columns, or lines.

A million points never become pydantic models. `msgspec` writes every number in the shortest form
that reads back as the same number, and what is no finite number as null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec
import pyarrow as pa

from app.api.writing.envelope import head, tail, tail_of_all
from app.api.writing.flat import flat_slices
from app.pipeline.contract import DATE, VALUE
from app.pipeline.series import SeriesAnswer, SeriesView

# The encoder holds the interpreter's lock: between two slices the event loop gets its turn.
SLICE_ROWS: Final = 4_000

_Points = Callable[[pa.Table], Iterator[bytes]]
_encoder: Final = msgspec.json.Encoder()


def json_rows(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield the JSON of `SeriesResponse`; of `SeveralSeriesResponse` for several datasets."""
    return _document(answer, _rows)


def json_columns(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield the same JSON with one list for each column in the place of the points."""
    return _document(answer, _columns)


def json_lines(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield one JSON object a line for each point, and nothing else."""
    for part in flat_slices(answer, SLICE_ROWS):
        yield _encoder.encode_lines(_points(part))


def _document(answer: SeriesAnswer, write: _Points) -> Iterator[bytes]:
    if len(answer.views) == 1:
        yield from _part(answer.views[0], answer.next, write)
        return
    yield b'{"series":['
    for number, view in enumerate(answer.views):
        if number:
            yield b","
        yield from _part(view, None, write)
    yield b"],"
    yield tail_of_all(answer)


def _part(view: SeriesView, cursor: str | None, write: _Points) -> Iterator[bytes]:
    yield head(view)
    yield from write(view.result.rows)
    yield tail(view, cursor)


def _rows(rows: pa.Table) -> Iterator[bytes]:
    yield b',"points":['
    for start in range(0, rows.num_rows, SLICE_ROWS):
        text = _encoder.encode(_points(rows.slice(start, SLICE_ROWS)))[1:-1]
        yield b"," + text if start else text
    yield b"],"


def _columns(rows: pa.Table) -> Iterator[bytes]:
    yield b',"columns":{'
    for number, name in enumerate(rows.schema.names):
        yield (b"," if number else b"") + _encoder.encode(name) + b":["
        for start in range(0, rows.num_rows, SLICE_ROWS):
            text = _encoder.encode(_values(rows.slice(start, SLICE_ROWS), name))[1:-1]
            yield b"," + text if start else text
        yield b"]"
    yield b"},"


def _points(part: pa.Table) -> list[msgspec.Struct]:
    names = part.schema.names
    return list(map(_point(tuple(names)), *(_values(part, name) for name in names)))


def _values(part: pa.Table, name: str) -> Sequence[object]:
    column = part[name]
    # Codes of a dictionary become text far faster here than one by one in Python.
    if name == DATE or pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    values: list[object] = column.to_pylist()
    return values


@lru_cache(maxsize=64)
def _point(names: tuple[str, ...]) -> type[msgspec.Struct]:
    kinds = [(name, (float if name == VALUE else str) | None) for name in names]
    return msgspec.defstruct("Point", kinds, gc=False)
