"""Shows how far a pull has come: a bar on a terminal, a plain line now and then elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from app.records import Progress, ProgressCallback

_ROWS_PER_LINE = 50_000


@contextmanager
def shown(stream: TextIO) -> Iterator[ProgressCallback]:
    """Give a callback that shows progress on a stream.

    Args:
        stream: Where to show it; a bar if it is a terminal.
    """
    if not stream.isatty():
        yield _Lines(stream)
        return
    columns = (
        TextColumn("pulling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows, {task.fields[pages]} pages"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("pulling", total=None, pages=0)

        def update(progress: Progress) -> None:
            total = progress.expected_rows
            bar.update(task, completed=progress.rows, total=total, pages=progress.pages)

        yield update


class _Lines:
    """Writes a line for the first page and then for every so many rows."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_rows = 0

    def __call__(self, progress: Progress) -> None:
        done = progress.rows == progress.expected_rows
        if progress.rows < self._next_rows and not done:
            return
        self._next_rows = progress.rows + _ROWS_PER_LINE
        expected = "" if progress.expected_rows is None else f" of {progress.expected_rows:,}"
        print(
            f"pulled {progress.rows:,}{expected} rows in {progress.pages} pages",
            file=self._stream,
            flush=True,
        )
