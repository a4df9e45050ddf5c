"""Reads the answers of the export service: lists, envelopes and rows, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from app.errors import SourceAnswerError
from app.sac_connector.uniform import UniformRows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One answer of an entity set, its rows not yet decoded.

    Attributes:
        value: The raw JSON of the rows.
        next_link: Where the next page is; None on the last.
        count: Rows in all, if the answer says so.
        entities: Rows in this answer, if the answer says so.
    """

    value: msgspec.Raw
    next_link: str | None
    count: int | None
    entities: int | None


class Provider(msgspec.Struct, frozen=True):
    """One model in the list of a tenant.

    Attributes:
        id: Its id.
        name: Its name, not unique.
        description: What its owner says of it.
    """

    id: str = msgspec.field(name="ProviderID")
    name: str = msgspec.field(name="ProviderName", default="")
    description: str | None = msgspec.field(name="Description", default=None)


class _EntitySet(msgspec.Struct):
    name: str


def parse_providers(body: bytes) -> list[Provider]:
    """Read the list of models.

    Raises:
        SourceAnswerError: The body is no such list.
    """
    return _decoded(body, list[Provider])


def parse_service_document(body: bytes) -> frozenset[str]:
    """Return the names of the entity sets that a model offers.

    Raises:
        SourceAnswerError: The body is no service document.
    """
    return frozenset(entity_set.name for entity_set in _decoded(body, list[_EntitySet]))


def _decoded(body: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(decode_envelope(body).value, type=form)
    except _UNREADABLE as error:
        raise _malformed(f"a list that cannot be read ({error})") from error


_ROW_PATH: Final = re.compile(
    r"^(?P<what>.*?)(?: - at `\$\[(?P<row>\d+)\](?:\.(?P<column>.*))?`)?$"
)
_SEAM_WITHIN_BYTES: Final = 10_000
_LARGE: Final = 4  # small parts in a large one
_ENVELOPE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
# RecursionError: brackets nested so deep that no answer of a service means them.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


# Stands in for the rows; as it is found nowhere else, what it turns up as is what the rows are.
_MARK: Final = b'["rows of this page"]'
_ROWS_BEGIN: Final = b'"value":['
_HEAD_WITHIN_BYTES: Final = 10_000


def outline(body: bytes) -> Envelope | None:
    """Read everything of an answer but its rows, without looking at these.

    The rows are what lies between the first place where they can begin and the last where they
    can end. If they can be decoded then this is the envelope of the answer; if not, it proves
    nothing.

    Returns:
        The envelope; None if the answer must be read as a whole to tell.
    """
    begin, last = bytes(body[:_HEAD_WITHIN_BYTES]), max(0, len(body) - 2 * _HEAD_WITHIN_BYTES)
    start = begin.find(_ROWS_BEGIN) + len(_ROWS_BEGIN) - 1
    end = last + bytes(body[last:]).rfind(b"]") + 1
    rest = b"".join((body[:start], _MARK, body[end:]))
    if start >= end or len(rest) > 2 * _HEAD_WITHIN_BYTES or rest.count(_MARK) != 1:
        return None
    try:
        found = decode_envelope(rest)
    except SourceAnswerError:
        return None
    if bytes(found.value) != _MARK:
        return None
    return replace(found, value=msgspec.Raw(memoryview(body)[start:end]))


def decode_envelope(body: bytes) -> Envelope:
    """Read everything of an answer but its rows.

    Annotation names are matched without regard to letter case, and counts may be numbers or
    strings: SAP's own samples differ in both.

    Raises:
        SourceAnswerError: The body is no JSON object with a `value`.
    """
    try:
        parts = {name.lower(): raw for name, raw in _ENVELOPE.decode(body).items()}
    except _UNREADABLE as error:
        raise _malformed(f"malformed JSON ({error})") from error
    if "value" not in parts:
        raise _malformed("JSON without a 'value'")
    link = _scalar(parts, "@odata.nextlink")
    # Some services write null for a list of nothing.
    is_null = bytes(memoryview(parts["value"])[:1]) == b"n"
    return Envelope(
        value=msgspec.Raw(b"[]") if is_null else parts["value"],
        next_link=str(link) if link else None,
        count=_integer(parts, "@odata.count"),
        entities=_integer(parts, "@des.entitiesinpage"),
    )


def _scalar(parts: Mapping[str, msgspec.Raw], name: str) -> str | int | float | None:
    raw = parts.get(name)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=str | int | float | None)
    except _UNREADABLE as error:
        raise _malformed(f"an {name} that is no text or number") from error


def _integer(parts: Mapping[str, msgspec.Raw], name: str) -> int | None:
    found = _scalar(parts, name)
    if found is None:
        return None
    if re.fullmatch(r"\d{1,18}", str(found), re.ASCII) is None:
        raise _malformed(f"an {name} that is no whole number")
    return int(found)


def _malformed(what: str) -> SourceAnswerError:
    return SourceAnswerError(
        f"SAP Analytics Cloud answered with {what}.",
        next_step="Try again; if it stays, compare with the curl calls of docs/access.md.",
    )


class RowDecoder:
    """Decodes the rows of a page straight into Arrow columns; other columns are skipped unread.

    A large page is decoded in parts. Rows of a part that are all laid out alike are read as
    `UniformRows`; any others are tried again in small parts, and what is still odd there, or
    wrong, is left to msgspec: it fills one slotted object per row with the wanted columns alone.
    Measures stay the literal text of their numbers, so that no digit is lost.

    Args:
        texts: Names of the text columns (date and dimensions).
        measure: Name of the measure column; None if there is none.
        part_bytes: Least size of a small part.
    """

    def __init__(
        self,
        texts: Iterable[str],
        measure: str | None,
        *,
        part_bytes: int = 500_000,
    ) -> None:
        # The date column may be kept as a dimension too; it is read once.
        self._texts = tuple(dict.fromkeys(texts))
        self._measure = measure
        self._part_bytes = part_bytes
        # Positional names: a column may be called like a Python keyword.
        fields: list[Any] = [(f"c{i}", str | None) for i in range(len(self._texts))]
        names = {f"c{i}": name for i, name in enumerate(self._texts)}
        if measure is not None:
            fields.append(("measure", msgspec.Raw))
            names["measure"] = measure
        row: Any = msgspec.defstruct("Row", fields, rename=names, gc=False)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row])
        self._uniform = UniformRows(self._texts, measure)

    def decode(self, value: msgspec.Raw, page: int) -> pa.Table:
        """Decode the `value` of an envelope.

        Args:
            value: The raw JSON array of rows.
            page: 1-based number of the page, for errors.

        Returns:
            A string column for each text column and the measure, in that order.

        Raises:
            SourceAnswerError: A row lacks a column or has one of the wrong type.
        """
        try:
            parts = list(self._parts(_rows(value)))
        except _UNREADABLE:
            # A row cannot be read, or a seam was none; the whole knows which row, or none.
            parts = [self._whole(value, page)]
        return pa.concat_tables(parts).combine_chunks()

    def _whole(self, value: msgspec.Raw, page: int) -> pa.Table:
        try:
            return self._columns(value)
        except _UNREADABLE as error:
            raise _bad_row(error, page) from error

    def _parts(self, rows: memoryview) -> Iterator[pa.Table]:
        # Threads wait for each other at every call, so there are to be few; but a row that is
        # odd must not make a whole page slow, and objects must not leave the processor's cache.
        for large in _cut(rows, _LARGE * self._part_bytes):
            if (columns := self._uniform.read(large)) is not None:
                yield columns
                continue
            for small in _cut(large, self._part_bytes):
                columns = self._uniform.read(small)
                yield self._columns(b"[%b]" % bytes(small)) if columns is None else columns

    def _columns(self, value: msgspec.Raw | bytes) -> pa.Table:
        rows = self._decoder.decode(value)
        columns = {
            name: pa.array(list(map(attrgetter(f"c{i}"), rows)), pa.string())
            for i, name in enumerate(self._texts)
        }
        if self._measure is not None:
            columns[self._measure] = _number_texts(list(map(attrgetter("measure"), rows)))
        return pa.table(columns)


def _rows(value: msgspec.Raw) -> memoryview:
    """Return what stands between the brackets of an array.

    Raises:
        msgspec.DecodeError: This is no array.
    """
    view = memoryview(value)
    if bytes(view[:1]) != b"[" or bytes(view[-1:]) != b"]":
        raise msgspec.DecodeError("no array")
    return view[1:-1]


def _cut(rows: memoryview, part_bytes: int) -> Iterator[memoryview]:
    """Cut objects with commas between them into fewer of them, without reading them.

    A seam that is none, as it is within a text or a nested array, leaves parts that are no JSON:
    if all parts can be read, they are the whole.
    """
    start = 0
    while start + part_bytes < len(rows):
        near = start + part_bytes
        seam = bytes(rows[near : near + _SEAM_WITHIN_BYTES]).find(b"},{")
        if seam < 0:
            break
        yield rows[start : near + seam + 1]
        start = near + seam + 2
    yield rows[start:]


def _bad_row(error: Exception, page: int) -> SourceAnswerError:
    """Say where a row is wrong; msgspec gives a path such as `$[3].Region`."""
    found = _ROW_PATH.search(str(error))
    place = f"page {page}"
    if found and found["row"]:
        place += f", row {int(found['row']) + 1}"
        place += f", column {found['column']}" if found["column"] else ""
    what = found["what"] if found else str(error)
    return SourceAnswerError(
        f"SAP Analytics Cloud sent a row that cannot be read ({place}): {what}.",
        next_step="Look at the row in SAC; if it is as it should be, report it with this message.",
    )


def _number_texts(raw: list[msgspec.Raw]) -> pa.Array:
    """Turn raw JSON values into the texts of numbers: null is null, quotes are cut.

    What is no number stays as it is: the pipeline names it with page, row and column.
    """
    joined = b",".join(raw)
    texts = _split(joined, raw)
    # Mostly there is neither, and looking for them costs less than looking at each value.
    if b"null" in joined:
        texts = pc.if_else(pc.equal(texts, "null"), pa.scalar(None, pa.string()), texts)
    if b'"' in joined:
        quoted = pc.starts_with(texts, '"')
        texts = pc.if_else(quoted, pc.utf8_slice_codeunits(texts, 1, -1), texts)
    return texts


def _split(joined: bytes, raw: list[msgspec.Raw]) -> pa.Array:
    """Return raw JSON values, which are also given joined by commas, as they stand."""
    try:
        # A cast that checks: Raw is not checked for UTF-8, and what is no text is no number.
        whole = pa.array([joined], pa.binary()).cast(pa.string())
        texts = pc.split_pattern(whole, ",").values
    except pa.ArrowInvalid:
        texts = None
    if texts is None or len(texts) != len(raw):  # a comma within a value, or no value at all
        return pa.array([bytes(text).decode("utf-8", "replace") for text in raw], pa.string())
    return texts
