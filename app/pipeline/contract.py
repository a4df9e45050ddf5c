"""The contract of a series: its columns, its order, and how to tell that a table keeps it.

Columns stand in this order: `date`, `value`, then the dimensions in the order of the definition.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from difflib import SequenceMatcher
from heapq import nsmallest

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import DataError
from app.periods import period_starts
from app.records import Grain

DATE = "date"
VALUE = "value"
DIMENSION_PREFIX = "dim_"

_WORD_BREAK = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\dA-Z_])")
_NO_WORD = re.compile(r"[\W_]+")
_REMEDY = (
    "Build the table with app.pipeline.normalize, or correct it as docs/data_contract.md says."
)
# Longer than the names of any model; what is shown of a wrong one is shorter still.
COMPARED_CHARACTERS = 80
_COMPARED_NAMES = 60
_NEGATIVE_ZERO = -(2**63)


def series_schema(dimensions: Sequence[str]) -> pa.Schema:
    """Return the Arrow schema of a series with these dimensions (`dim_<name>`)."""
    return pa.schema(
        [
            pa.field(DATE, pa.date32(), nullable=False),
            pa.field(VALUE, pa.float64(), nullable=False),
            *(pa.field(name, pa.string(), nullable=False) for name in dimensions),
        ]
    )


def dimensions_of(schema: pa.Schema) -> tuple[str, ...]:
    """Return the names of the dimension columns, in the order of the table."""
    return tuple(name for name in schema.names if name not in {DATE, VALUE})


def contract_name(column: str) -> str:
    """Return the contract's name of a source column: `CostCenter` is `dim_cost_center`.

    Accents are dropped (`Größe` is `dim_grosse`); letters of other scripts stay as they are.

    Raises:
        DataError: The name holds neither a letter nor a digit.
    """
    snake = _snake(column)
    if not snake:
        raise DataError(
            f"The column name '{column}' holds neither a letter nor a digit.",
            next_step="Choose another column as dimension.",
        )
    return snake if snake.startswith(DIMENSION_PREFIX) else DIMENSION_PREFIX + snake


def dimension_names(columns: Iterable[str]) -> dict[str, str]:
    """Return contract name to source name, in the given order.

    Raises:
        DataError: Two columns would get the same contract name.
    """
    names: dict[str, str] = {}
    for column in columns:
        name = contract_name(column)
        if name in names:
            message = f"The columns '{names[name]}' and '{column}' would both become '{name}'."
            raise DataError(message, next_step="Keep only one of them as a dimension.")
        names[name] = column
    return names


def sort_series(rows: pa.Table) -> pa.Table:
    """Return the rows sorted by dimensions, then date; text in the order of its UTF-8 bytes."""
    names = (*dimensions_of(rows.schema), DATE)
    keys = pa.table({name: _rank(rows[name]) for name in names})
    return rows.take(pc.sort_indices(keys, [(name, "ascending") for name in names]))


def merge_runs(rows: pa.Table) -> pa.Table:
    """Return the parts of a table in the order of their first rows; nothing within is moved.

    That sorts a series whose parts are sorted and do not overlap, without looking at every row.
    """
    names = (*dimensions_of(rows.schema), DATE)
    parts = [part for part in rows.to_batches() if part.num_rows]
    parts.sort(key=lambda part: tuple(part[name][0].as_py() for name in names))
    return pa.Table.from_batches(parts, rows.schema)


def date_bounds(rows: pa.Table) -> tuple[date | None, date | None]:
    """Return the first and the last date of a series; two times None if it is empty."""
    bounds = pc.min_max(rows[DATE]).as_py()
    return bounds["min"], bounds["max"]


def validate(rows: pa.Table, grain: Grain) -> None:
    """Check that a table keeps the contract of a series.

    Raises:
        DataError: The first rule that is broken, with the row that breaks it.
    """
    check_schema(rows)
    _check_complete(rows)
    _check_values(rows[VALUE])
    aligned = pc.equal(period_starts(rows[DATE], grain), rows[DATE])
    _refuse(rows, pc.invert(aligned), f"has a date that does not start a {grain}")
    _check_order(rows)


def check_schema(rows: pa.Table) -> None:
    """Check that a table has the columns of the contract, whatever its rows are.

    Raises:
        DataError: It has others.
    """
    dimensions = dimensions_of(rows.schema)
    wrong = [name for name in dimensions if not name.startswith(DIMENSION_PREFIX)]
    if wrong:
        raise DataError(
            f"The column '{wrong[0]}' is neither date, value nor named dim_<name>.",
            next_step=_REMEDY,
        )
    expected = series_schema(dimensions)
    if not rows.schema.equals(expected):
        found, wanted = _fields(rows.schema), _fields(expected)
        raise DataError(
            f"The columns are ({found}), but the contract asks for ({wanted}).", next_step=_REMEDY
        )


def content_hash(rows: pa.Table) -> str:
    """Return a hash of a series' columns and values; chunks and encodings do not count.

    Raises:
        DataError: A column has nulls.
    """
    _check_complete(rows)
    digest = hashlib.sha256()
    for field in rows.schema:
        kind = _plain_type(field.type)
        column = rows[field.name].cast(kind)
        digest.update(f"{field.name}\x00{kind}\x00{len(column)}\x00".encode())
        for part in _column_bytes(column, kind):
            digest.update(part)
    return digest.hexdigest()


def nearest_first(found: str, names: Iterable[str], limit: int = 20) -> list[str]:
    """Return at most `limit` names, those most like `found` first; its beginning is compared."""
    # Likeness costs the product of both lengths and more, and a caller chooses one of them. So the
    # beginning alone is compared, and that with those names that have most letters in common.
    wanted = found[:COMPARED_CHARACTERS].casefold()

    def compared(name: str) -> SequenceMatcher[str]:
        return SequenceMatcher(None, wanted, name.casefold())

    near = nsmallest(_COMPARED_NAMES, names, key=lambda one: (-compared(one).quick_ratio(), one))
    return sorted(near, key=lambda one: (-compared(one).ratio(), one))[:limit]


def _rank(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Return numbers that sort as the texts of a column do, and other columns as they are.

    A series has few members, and numbers sort in a tenth of the time.
    """
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    if not pa.types.is_dictionary(column.type):
        return column
    encoded = column.unify_dictionaries().combine_chunks()
    return pc.rank(encoded.dictionary, tiebreaker="dense").take(encoded.indices)


def _snake(column: str) -> str:
    folded = unicodedata.normalize("NFKD", _WORD_BREAK.sub("_", column)).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _NO_WORD.sub("_", unicodedata.normalize("NFC", bare)).strip("_")


def _check_complete(rows: pa.Table) -> None:
    for name in rows.schema.names:
        if rows[name].null_count:
            _refuse(rows, pc.is_null(rows[name]), f"has no {name}")


def _check_values(values: pa.ChunkedArray) -> None:
    table = pa.table({VALUE: values})
    _refuse(table, pc.invert(pc.is_finite(values)), "has a value that is not finite")
    bits = pa.chunked_array([chunk.view(pa.int64()) for chunk in values.chunks], pa.int64())
    _refuse(table, pc.equal(bits, _NEGATIVE_ZERO), "has a negative zero as value")


def _check_order(rows: pa.Table) -> None:
    if rows.num_rows < 2:  # noqa: PLR2004 - two rows are the fewest that have an order
        return
    before, after = rows.slice(0, rows.num_rows - 1), rows.slice(1)
    less, equal = pa.scalar(value=False), pa.scalar(value=True)
    for key in [*dimensions_of(rows.schema), DATE]:
        less = pc.or_(less, pc.and_(equal, pc.less(before[key], after[key])))
        equal = pc.and_(equal, pc.equal(before[key], after[key]))
    _refuse(after, equal, "repeats the date and dimensions of the row before it", first_row=2)
    unsorted = pc.invert(less)
    _refuse(after, unsorted, "is not sorted by dimensions, then date", first_row=2)


def _refuse(rows: pa.Table, mask: pa.ChunkedArray, what: str, first_row: int = 1) -> None:
    index = pc.index(mask, value=True).as_py()
    if index >= 0:
        row = rows.slice(index, 1).to_pylist()[0]
        culprit = ", ".join(f"{key}={value}" for key, value in row.items())
        raise DataError(f"Row {index + first_row} {what} ({culprit}).", next_step=_REMEDY)


def _fields(schema: pa.Schema) -> str:
    return ", ".join(
        f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in schema
    )


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def _column_bytes(column: pa.ChunkedArray, kind: pa.DataType) -> Iterable[memoryview]:
    if pa.types.is_string(kind):
        yield from map(_fixed_bytes, pc.binary_length(column).chunks)
        yield from map(_text_bytes, column.chunks)
    else:
        yield from map(_fixed_bytes, column.chunks)


def _fixed_bytes(chunk: pa.Array) -> memoryview:
    width = chunk.type.bit_width // 8
    return memoryview(chunk.buffers()[1])[chunk.offset * width :][: len(chunk) * width]


def _text_bytes(chunk: pa.Array) -> memoryview:
    _, offsets, data = chunk.buffers()
    if not len(chunk) or data is None:
        return memoryview(b"")
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[chunk.offset] : ends[chunk.offset + len(chunk)]]
