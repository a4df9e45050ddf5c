"""Pages of text in, one exact series out.

Records of the same date and dimensions are summed, never de-duplicated. The sums are exact, so
that neither the order of the rows nor their split into pages changes a single bit of the result.
A page is reduced to its group sums at once: what is held is the result and the page at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import isinf

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import BadValueError, DataError, GrainError, UnknownColumnError, shortened
from app.exact import (
    EXACT,
    LONGEST_CHARACTERS,
    Numbers,
    added,
    from_multiples,
    multiples,
    read,
    to_floats,
)
from app.periods import ID_FORMS, UNASSIGNED, SkipReason, moment_of, parse_id
from app.pipeline.contract import (
    DATE,
    VALUE,
    date_bounds,
    dimension_names,
    nearest_first,
    series_schema,
    sort_series,
)
from app.records import DatasetDefinition, Page

IDS = "id"
ISO = "iso"
OTHER = "other"
MIXED = "mixed"
_ISO_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_ID = max(map(len, ID_FORMS.values()))
_MERGE_ROWS = 200_000
_CONDENSED = 2  # times as many records as sums
_NUMBER = pa.int32()
_PLACE = "place"
_WHICH = "which"


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedSeries:
    """A pull as a series.

    Attributes:
        rows: The contract's columns, sorted by dimensions, then date; may be empty.
        rows_read: Raw records that were read.
        skipped: Raw records left out, by `SkipReason`; only reasons that occurred.
        min_date: First date; None if there is no row.
        max_date: Last date; None if there is no row.
        date_form: How the source wrote the dates that were read: `id`, `iso`, `other`, `mixed`, or
            empty if there was none.
        same_period: Two dates, as the source wrote them, that are different moments of one period;
            None if each period was read from one.
    """

    rows: pa.Table
    rows_read: int
    skipped: dict[str, int]
    min_date: date | None
    max_date: date | None
    date_form: str = ""
    same_period: tuple[str, str] | None = None

    @property
    def rows_used(self) -> int:
        """Raw records that went into the sums."""
        return self.rows_read - sum(self.skipped.values())


def normalize(pages: Iterable[Page], definition: DatasetDefinition) -> NormalizedSeries:
    """Return the series that these pages hold.

    Raises:
        BadValueError: A value is not a number that can be added exactly.
        GrainError: A date id belongs to another grain, or to no period that exists.
        UnknownColumnError: A page lacks a column of the definition.
        DataError: Two dimensions would get the same contract name.
    """
    normalizer = Normalizer(definition)
    for page in pages:
        normalizer.add(page)
    return normalizer.finish()


class _Members:
    """The members of one dimension, numbered in the order in which they come.

    Numbers are grouped and kept at a fraction of what texts cost.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def encode(self, texts: pa.Array) -> pa.Array:
        """Return the number of each text; null is the member that stands for none."""
        encoded = texts.dictionary_encode("encode")
        found = (UNASSIGNED if text is None else text for text in encoded.dictionary.to_pylist())
        numbers = [self._numbers.setdefault(text, len(self._numbers)) for text in found]
        return pa.array(numbers, _NUMBER).take(encoded.indices)

    def member(self, number: int) -> str:
        """Return the text of a number."""
        return list(self._numbers)[number]

    def decode(self, numbers: pa.ChunkedArray) -> pa.DictionaryArray:
        """Return texts for numbers, in the form of a dictionary."""
        members = pa.array(list(self._numbers), pa.string())
        return pa.DictionaryArray.from_arrays(numbers.combine_chunks(), members)


class Normalizer:
    """Adds up pages as they come.

    Args:
        definition: What the pages hold and how to read it.

    Raises:
        DataError: Two dimensions would get the same contract name.
    """

    def __init__(self, definition: DatasetDefinition) -> None:
        self._definition = definition
        self._dimensions = tuple(dimension_names(definition.dimensions))
        self._schema = series_schema(self._dimensions)
        self._members = {column: _Members() for column in definition.dimensions}
        self._rows_read = 0
        self._skipped = dict.fromkeys(SkipReason, 0)
        self._dates: dict[str | None, date | SkipReason] = {}
        # Sums of what the decimals of Arrow cannot hold, by date and numbers of members.
        self._odd: dict[tuple[object, ...], Decimal] = {}
        self._merged = self._partial_schema().empty_table()
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._condenses = True

    def add(self, page: Page) -> None:
        """Add the records of one page.

        Raises:
            BadValueError: A value is not a number that can be added exactly.
            GrainError: A date id belongs to another grain, or to no period that exists.
            UnknownColumnError: The page lacks a column of the definition.
        """
        self._check_columns(page)
        dates, reasons = self._read_dates(page)
        found, places = self._read_values(page)
        values = found.usual
        usable = pc.and_(pc.is_valid(dates), pc.is_valid(values))
        self._count(page, dates, reasons, values)
        numbers = [
            members.encode(_text(page.rows[column])) for column, members in self._members.items()
        ]
        records = pa.Table.from_arrays([dates, values, *numbers], names=self._schema.names)
        if found.odd:
            self._add_odd(records.select([DATE, *self._dimensions]), found.odd)
        if usable.true_count < len(usable):
            records = records.filter(usable)
        sums = self._summed(records, places)
        self._condenses = sums.num_rows * _CONDENSED < page.rows.num_rows
        self._keep(sums)

    def finish(self) -> NormalizedSeries:
        """Return the series of all pages so far."""
        self._merge()
        dates, sums, *numbers = self._merged.columns
        pairs = zip(self._members.values(), numbers, strict=True)
        columns = [dates, self._floats(sums), *(members.decode(found) for members, found in pairs)]
        rows = sort_series(pa.Table.from_arrays(columns, names=self._schema.names))
        rows = rows.cast(self._schema)
        first, last = date_bounds(rows)
        return NormalizedSeries(
            rows=rows,
            rows_read=self._rows_read,
            skipped={reason.value: count for reason, count in self._skipped.items() if count},
            min_date=first,
            max_date=last,
            date_form=self._date_form(),
            same_period=self._same_period(),
        )

    def _floats(self, sums: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the sums as floats, each rounded once.

        Raises:
            DataError: A sum is more than a float holds.
        """
        floats = to_floats(sums)
        if not self._odd:
            return floats
        rows = self._merged.drop_columns([VALUE])
        keys = zip(zip(*self._odd, strict=True), rows.schema, strict=True)
        odd = pa.table([pa.array(column, field.type) for column, field in keys], rows.schema)
        found = rows.append_column(_PLACE, _counted(rows)).join(
            odd.append_column(_WHICH, _counted(odd)), rows.column_names, join_type="inner"
        )
        values, numbers = floats.to_numpy().copy(), list(self._odd.values())
        for place, which in zip(found[_PLACE].to_pylist(), found[_WHICH].to_pylist(), strict=True):
            values[place] = float(added(numbers[which], sums[place].as_py()))
            if isinf(values[place]):
                raise self._too_large(rows.slice(place, 1))
        return pa.chunked_array([values])

    def _too_large(self, row: pa.Table) -> DataError:
        day, *numbers = (column[0].as_py() for column in row.columns)
        members = map(_Members.member, self._members.values(), numbers)
        return DataError(
            f"The values of {', '.join((day.isoformat(), *members))} add up to more than a double "
            "holds (1.8e308).",
            next_step="Correct the values in the source, or choose another measure.",
        )

    def _date_form(self) -> str:
        dated = [text for text, found in self._dates.items() if text and isinstance(found, date)]
        forms = set(map(_form_of, dated))
        return MIXED if len(forms) > 1 else "".join(forms)

    def _same_period(self) -> tuple[str, str] | None:
        first: dict[date, str] = {}
        for text, start in self._dates.items():
            if text is None or not isinstance(start, date):
                continue
            known = first.setdefault(start, text)
            if moment_of(known, start) != moment_of(text, start):
                return known, text
        return None

    def _check_columns(self, page: Page) -> None:
        names = page.rows.schema.names
        for column in self._definition.columns:
            if column not in names:
                listed = ", ".join(nearest_first(column, names))
                raise UnknownColumnError(
                    f"Page {page.number} has no column '{column}'; it has: {listed}.",
                    next_step="Correct the columns of the dataset.",
                )

    def _read_dates(self, page: Page) -> tuple[pa.Array, pa.Array]:
        """Return date and skip reason of every record; one of the two is null."""
        encoded = _text(page.rows[self._definition.date_column]).dictionary_encode("encode")
        read = [self._read_date(text, page) for text in encoded.dictionary.to_pylist()]
        dates = [found if isinstance(found, date) else None for found in read]
        reasons = [found.value if isinstance(found, SkipReason) else None for found in read]
        return (
            pa.array(dates, pa.date32()).take(encoded.indices),
            pa.array(reasons, pa.string()).take(encoded.indices),
        )

    def _read_date(self, text: str | None, page: Page) -> date | SkipReason:
        # A model has few distinct ids, so each is parsed once in a pull.
        if text not in self._dates:
            try:
                self._dates[text] = parse_id(text, self._definition.grain)
            except GrainError as error:
                where = self._where(page, self._definition.date_column, text)
                raise GrainError(f"{where}: {error.problem}", next_step=error.next_step) from error
        return self._dates[text]

    def _where(self, page: Page, column: str, text: str | None) -> str:
        row = pc.index(_text(page.rows[column]), text).as_py() + 1
        attribute = self._definition.date_attribute
        named = f", by '{attribute}' of its master" if attribute else ""
        return f"Page {page.number}, row {row}, column '{column}'{named}"

    def _read_values(self, page: Page) -> tuple[Numbers, int | None]:
        """Return the values exactly; as multiples, with the decimals of their unit."""
        column = self._definition.value_column
        texts = _text(page.rows[column])
        # Sums of multiples become decimals, which costs as much each as reading a decimal.
        if self._condenses and (quick := multiples(texts)) is not None:
            factors, places = quick
            return Numbers(factors), places
        numbers = read(texts)
        if numbers.bad is not None:
            row, text = numbers.bad + 1, shortened(texts[numbers.bad].as_py())
            raise BadValueError(
                f"Page {page.number}, row {row}, column '{column}': found '{text}' instead of a "
                "finite number that a double holds: not beyond 1.8e308, not nearer to 0 than "
                f"5e-324, in at most {LONGEST_CHARACTERS:,} characters.",
                page=page.number,
                row=row,
                column=column,
                next_step="Correct the value in the source, or choose another measure.",
            )
        return numbers, None

    def _add_odd(self, keys: pa.Table, odd: Mapping[int, Decimal]) -> None:
        """Add what the decimals of Arrow cannot hold; there, a 0 stands for each of them."""
        columns = keys.take(pa.array(list(odd))).to_pydict().values()
        for key, value in zip(zip(*columns, strict=True), odd.values(), strict=True):
            if key[0] is not None:
                self._odd[key] = added(value, self._odd.get(key, Decimal(0)))

    def _count(self, page: Page, dates: pa.Array, reasons: pa.Array, values: pa.Array) -> None:
        """Count every skipped record once: for its date if that is bad, else for its value."""
        self._rows_read += page.rows.num_rows
        for entry in pc.value_counts(reasons.drop_null()).to_pylist():
            self._skipped[SkipReason(entry["values"])] += entry["counts"]
        null_values = pc.and_(pc.is_valid(dates), pc.is_null(values))
        self._skipped[SkipReason.VALUE_NULL] += pc.sum(null_values, min_count=0).as_py()

    def _keep(self, sums: pa.Table) -> None:
        self._pending.append(sums)
        self._pending_rows += sums.num_rows
        # Waiting until as much is pending as is merged keeps the work linear and memory bounded.
        if self._pending_rows > max(_MERGE_ROWS, self._merged.num_rows):
            self._merge()

    def _merge(self) -> None:
        if self._pending:
            self._merged = self._summed(pa.concat_tables([self._merged, *self._pending]))
            self._pending, self._pending_rows = [], 0

    def _summed(self, records: pa.Table, places: int | None = None) -> pa.Table:
        """Add up records by date and dimensions.

        Args:
            records: The records.
            places: Decimals of the unit that the values are multiples of; None if they are
                exact decimals.
        """
        # Threads would share out less work here than they make.
        groups = records.group_by([DATE, *self._dimensions], use_threads=False)
        grouped = groups.aggregate([(VALUE, "sum")])
        sums = grouped[f"{VALUE}_sum"]
        exact = sums if places is None else from_multiples(sums, places)
        return pa.Table.from_arrays(
            [exact if name == VALUE else grouped[name] for name in self._schema.names],
            schema=self._partial_schema(),
        )

    def _partial_schema(self) -> pa.Schema:
        numbers = [(name, _NUMBER) for name in self._dimensions]
        return pa.schema([(DATE, pa.date32()), (VALUE, EXACT), *numbers])


def _form_of(text: str) -> str:
    """Say how a date is written; only ids are ordered as texts as they are in time."""
    if text.isdigit() and len(text) <= _LONGEST_ID:
        return IDS
    return ISO if _ISO_FORM.fullmatch(text) else OTHER


def _counted(rows: pa.Table) -> pa.Array:
    return pa.array(range(rows.num_rows), pa.int64())


def _text(column: pa.ChunkedArray) -> pa.Array:
    return column.cast(pa.string()).combine_chunks()
