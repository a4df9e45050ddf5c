"""A CSV file as a source of series: a peer of SAC behind the same port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from app.errors import (
    EmptyPullError,
    ModelNotFoundError,
    SourceAnswerError,
    SourceUnreachableError,
    UnknownColumnError,
)
from app.pipeline.contract import nearest_first
from app.records import (
    DEFAULT_DATASET,
    DatasetDefinition,
    Grain,
    Page,
    Progress,
    ProgressCallback,
    PullReport,
)

SOURCE = "fixture"
_PROOF = "file"


def fixture_definition(name: str = DEFAULT_DATASET) -> DatasetDefinition:
    """Return the definition that fits `tests/fixtures/sample_series.csv`."""
    return DatasetDefinition(
        name=name,
        source=SOURCE,
        model_id="sample_series",
        date_column="date",
        value_column="value",
        dimensions=("dim_region", "dim_product"),
        grain=Grain.MONTH,
    )


class CsvSource:
    """A `SeriesSource` that reads one CSV file with a header, UTF-8, comma-separated.

    Every cell is passed on as the text that stands there; an empty cell is null.

    Args:
        path: The file.
        block_bytes: Bytes that make a page; rows are never cut.
    """

    def __init__(self, path: str | Path, *, block_bytes: int = 1 << 20) -> None:
        self._path = Path(path)
        self._block_bytes = block_bytes

    def pull(
        self,
        definition: DatasetDefinition,
        progress: ProgressCallback | None = None,
        *,
        since: date | None = None,
    ) -> CsvPull:
        """Prepare to read the file; it is opened when `pages()` is iterated.

        A file is always read whole: it holds ISO dates, which ask for no range.
        """
        del since
        return CsvPull(self._path, self._block_bytes, definition, progress)


class CsvPull:
    """One reading of a CSV file."""

    def __init__(
        self,
        path: Path,
        block_bytes: int,
        definition: DatasetDefinition,
        progress: ProgressCallback | None,
    ) -> None:
        self._path = path
        self._block_bytes = block_bytes
        self._definition = definition
        self._progress = progress
        self._report: PullReport | None = None
        self._rows = self._pages = self._bytes = 0

    @property
    def report(self) -> PullReport:
        """What was read; valid after the last page.

        Raises:
            RuntimeError: The file has not been read to its end.
        """
        if self._report is None:
            raise RuntimeError("the report is valid after the last page")
        return self._report

    async def pages(self) -> AsyncGenerator[Page]:
        """Yield the file's rows in order.

        Raises:
            ModelNotFoundError: There is no such file.
            SourceUnreachableError: The file cannot be read.
            SourceAnswerError: The file is no CSV file.
            UnknownColumnError: The file lacks a column of the definition.
            EmptyPullError: The file holds no row.
        """
        started = time.monotonic()
        blocks = await asyncio.to_thread(self._open)
        while (block := await asyncio.to_thread(self._next_block, blocks)) is not None:
            if block.num_rows:
                yield self._page(block)
        if not self._rows:
            raise self._empty()
        self._report = PullReport(
            expected=None,
            received=self._rows,
            pages=self._pages,
            proof=_PROOF,
            mode=_PROOF,
            bytes=self._bytes,
            seconds=time.monotonic() - started,
            moment="answer",
        )

    def _page(self, block: pa.RecordBatch) -> Page:
        rows = pa.Table.from_batches([block]).select(list(dict.fromkeys(self._definition.columns)))
        self._pages += 1
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._progress is not None:
            self._progress(
                Progress(rows=self._rows, pages=self._pages, bytes=self._bytes, expected_rows=None)
            )
        return Page(self._pages, rows, rows.nbytes)

    def _open(self) -> pa_csv.CSVStreamingReader:
        with self._translated():
            reader = pa_csv.open_csv(
                self._path,
                read_options=pa_csv.ReadOptions(block_size=self._block_bytes),
                convert_options=pa_csv.ConvertOptions(
                    default_column_type=pa.string(), strings_can_be_null=True, null_values=[""]
                ),
            )
        self._check_header(reader.schema.names)
        return reader

    def _check_header(self, names: list[str]) -> None:
        for column in self._definition.columns:
            if names.count(column) != 1:
                found = "has no" if column not in names else "has more than one"
                raise UnknownColumnError(
                    f"{self._path} {found} column '{column}'; "
                    f"it has: {', '.join(nearest_first(column, names))}.",
                    next_step="Correct the columns of the dataset, or the header of the file.",
                )

    def _next_block(self, reader: pa_csv.CSVStreamingReader) -> pa.RecordBatch | None:
        with self._translated():
            return next(iter(reader), None)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ModelNotFoundError(
                f"There is no file {self._path}.", next_step="Correct the path."
            ) from error
        except OSError as error:
            raise SourceUnreachableError(
                f"{self._path} cannot be read: {_first_line(error)}.",
                next_step="Check that it is a file, and its permissions.",
            ) from error
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                raise self._empty() from error
            raise SourceAnswerError(
                f"{self._path} is no CSV file in UTF-8: {_first_line(error)}.",
                next_step="Write one header line, commas, and the same number of cells in a row.",
            ) from error

    def _empty(self) -> EmptyPullError:
        return EmptyPullError(
            f"{self._path} holds no row.", next_step="Write a header and at least one row."
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120].rstrip(" .")
