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
from app.api.writing.objects import row_objects
from app.pipeline.contract import DATE, VALUE
from app.pipeline.query import Columns
from app.pipeline.series import SeriesAnswer, SeriesView

# The encoder holds the interpreter's lock: between two slices the event loop gets its turn.
SLICE_ROWS: Final = 4_000

_Points = Callable[[Columns], Iterator[bytes]]
_encoder: Final = msgspec.json.Encoder()


def json_rows(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield the JSON of `SeriesResponse`; of `SeveralSeriesResponse` for several datasets."""
    if len(answer.views) == 1:
        (view,) = answer.views
        columns = view.result.columns
        if len(columns.days) <= SLICE_ROWS:
            # Most answers; a chain of generators costs more than their points.
            points = row_objects(columns)
            whole = (head(view), b',"points":[', points, b"],", tail(view, answer.next))
            return iter(whole)
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
    yield from write(view.result.columns)
    yield tail(view, cursor)


def _rows(found: Columns) -> Iterator[bytes]:
    yield b',"points":['
    for start, part in _slices(found):
        text = row_objects(part)
        yield b"," + text if start and text else text
    yield b"],"


def _columns(found: Columns) -> Iterator[bytes]:
    yield b',"columns":{'
    for number, name in enumerate(found.names):
        yield (b"," if number else b"") + _encoder.encode(name) + b":["
        for start, part in _slices(found):
            text = _encoder.encode(part.lists()[number])[1:-1]
            yield b"," + text if start else text
        yield b"]"
    yield b"},"


def _slices(found: Columns) -> Iterator[tuple[int, Columns]]:
    rows = len(found.days)
    if rows <= SLICE_ROWS:
        yield 0, found
        return
    for start in range(0, rows, SLICE_ROWS):
        yield start, found.part(start, start + SLICE_ROWS)


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
