"""Writes points as an Arrow stream or a Parquet file; what is told beside them is in the schema."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from app.api.writing.envelope import least_fresh, notice_of_all, summary
from app.api.writing.flat import flat_schema, flat_slices, members
from app.pipeline.series import SeriesAnswer

_BATCH_ROWS: Final = 32_768
_GROUP_ROWS: Final = 65_536
_CODES: Final = pa.dictionary(pa.int32(), pa.string())


class _Sink(io.RawIOBase):
    """Takes what a writer writes, and hands it on in between."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(memoryview(data))  # type: ignore[arg-type] # the stubs know no buffer before 3.12
        self._parts.append(part)
        return len(part)

    def drain(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


def arrow_stream(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield an Arrow IPC stream; names are coded by a dictionary that is sent once."""
    plain = flat_schema(answer)
    texts = {f.name: members(answer, f.name) for f in plain if pa.types.is_string(f.type)}
    fields = [f.with_type(_CODES) if f.name in texts else f for f in plain]
    schema = pa.schema(fields, metadata=_metadata(answer))
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
        yield sink.drain()
        for part in flat_slices(answer, _BATCH_ROWS):
            columns = [_coded(part, name, texts.get(name)) for name in schema.names]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            yield sink.drain()
    yield sink.drain()


def parquet_file(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield a Parquet file, row group by row group, and its footer at the end."""
    schema = flat_schema(answer).with_metadata(_metadata(answer))
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for part in flat_slices(answer, _GROUP_ROWS):
            writer.write_table(part)
            # Each group may be written by another thread, and each keeps what it had.
            pa.default_memory_pool().release_unused()
            yield sink.drain()
    yield sink.drain()


def _metadata(answer: SeriesAnswer) -> dict[str, bytes]:
    """Return what the headers say, and under `sac_series` all that JSON says beside the points."""
    notice = notice_of_all(answer.views)
    told = {
        "dataset": ",".join(view.series.metadata.dataset for view in answer.views),
        "version": ",".join(str(view.series.version) for view in answer.views),
        "freshness": least_fresh(answer.views).freshness.state,
        "warning": notice.text,
        "warning_code": notice.code,
        "next": answer.next,
    }
    texts = {key: text.encode() for key, text in told.items() if text is not None}
    return {**texts, "sac_series": summary(answer)}


def _coded(part: pa.Table, name: str, texts: pa.Array | None) -> pa.Array:
    column = part[name].combine_chunks()
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if texts is None:
        return column
    return pa.DictionaryArray.from_arrays(pc.index_in(column, value_set=texts), texts)
