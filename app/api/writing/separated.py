"""Writes points as CSV: exactly, or so that Excel opens them and runs none of them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from app.api.writing.flat import flat_schema, flat_slices
from app.pipeline.series import SeriesAnswer

_SLICE_ROWS: Final = 10_000
# RFC 4180, 2: lines end with CRLF, and a header is written like any record.
_OPTIONS: Final = pyarrow.csv.WriteOptions(include_header=False, eol="\r\n", batch_size=_SLICE_ROWS)
# https://owasp.org/www-community/attacks/CSV_Injection: what makes a cell a formula, in the
# wide forms of East Asian keyboards as well.
FORMULA_STARTS: Final = "=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\
\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
_FORMULA: Final = f"^([{FORMULA_STARTS.replace('-', chr(92) + '-')}])"


def csv_exact(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield a header and all points as RFC 4180 has it, in UTF-8; null is an empty field."""
    yield _header(answer)
    for part in flat_slices(answer, _SLICE_ROWS):
        yield _records(part)


def csv_for_excel(answer: SeriesAnswer) -> Iterator[bytes]:
    """Yield the same for Excel: it knows UTF-8 by a mark, and takes no name for a formula."""
    yield codecs.BOM_UTF8 + _header(answer)
    for part in flat_slices(answer, _SLICE_ROWS):
        yield _records(_disarmed(part))


def _header(answer: SeriesAnswer) -> bytes:
    # The contract's names need no quotes, but Arrow would put some around each of them.
    return ",".join(flat_schema(answer).names).encode() + b"\r\n"


def _records(part: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(part, sink, _OPTIONS)
    return sink.getvalue()


def _disarmed(part: pa.Table) -> pa.Table:
    """Put an apostrophe before every text that a spreadsheet would take for a formula."""
    columns = [
        pc.replace_substring_regex(column, _FORMULA, r"'\1")
        if pa.types.is_string(column.type)
        else column
        for column in part.columns
    ]
    return pa.Table.from_arrays(columns, schema=part.schema)
