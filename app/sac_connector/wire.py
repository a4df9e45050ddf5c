"""SAC's URLs, query strings, `$metadata`, pages and next links, as pure functions.

Facts about the service carry the address of SAP's page, or the word "observed" where public
clients that ran against live tenants are the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.errors import (
    SourceAnswerError,
    UnknownColumnError,
    UnsafeLinkError,
)
from app.records import DatasetDefinition

# https://help.sap.com/doc/00f68c2e08b941f081002fd3691d86a7/2022.8/en-US/500b902d8a1b430c9895244331019bbb.html
EXPORT_PATH: Final = "/api/v1/dataexport"
FACT_DATA: Final = "FactData"
# Makes SAC authenticate the request itself instead of opening a cookie session; sent on each
# call by all clients that are known to run on live tenants (observed).
CUSTOM_AUTH_HEADERS: Final = {"x-sap-sac-custom-auth": "true"}
# `+` for a blank and a bare `#` are refused or cut, `$` must stay as it is.
# https://help.sap.com/doc/00f68c2e08b941f081002fd3691d86a7/2022.8/en-US/607f77a65c884c41a97d3f1e5a55109f.html
_QUERY_SAFE: Final = ",()'$"
_SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class EntitySchema:
    """The columns of a model's fact rows.

    Attributes:
        dimensions: The key columns: every dimension of the model, in the model's order.
        measures: The other columns.
    """

    dimensions: tuple[str, ...]
    measures: tuple[str, ...]


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


def provider_url(tenant_url: str, model_id: str) -> str:
    """Return the service root of a model, with its closing slash."""
    return f"{tenant_url}{EXPORT_PATH}/providers/sac/{quote(model_id, safe='')}/"


def query_string(options: Mapping[str, str | int]) -> str:
    """Encode query options as the service reads them: `%20` for blanks, `$` as it is.

    >>> query_string({"$filter": "Region ne '#'", "pagesize": 10})
    "$filter=Region%20ne%20'%23'&pagesize=10"
    """
    return "&".join(
        f"{quote(name, safe='$')}={quote(str(value), safe=_QUERY_SAFE)}"
        for name, value in options.items()
    )


def literal(text: str) -> str:
    """Write a text as an OData string literal.

    >>> literal("O'Neill")
    "'O''Neill'"
    """
    return "'" + text.replace("'", "''") + "'"


def count_url(root: str, entity_set: str, row_filter: str | None) -> str:
    """Return the address of the size probe.

    It carries no `$select`: with one, some tenants do not count (observed).
    """
    options: dict[str, str | int] = {"$count": "true", "$top": 0}
    if row_filter:
        options["$filter"] = row_filter
    return f"{root}{entity_set}?{query_string(options)}"


def page_url(
    root: str, definition: DatasetDefinition, schema: EntitySchema, *, size: int, skip: int = 0
) -> str:
    """Return the address of a page of `FactData`.

    All key columns are selected, as the service demands ([1402] otherwise), and order the rows,
    without which `$skip` may lose or double some (observed). Many records share a key, so the
    value orders them too: rows that still tie are alike, and may change places.

    Args:
        root: The model's service root.
        definition: What to pull.
        schema: The model's columns.
        size: Rows per page to ask for.
        skip: Rows to leave out at the start; 0 starts the server's own paging.
    """
    keys = ",".join(schema.dimensions)
    options: dict[str, str | int] = {"$select": f"{keys},{definition.value_column}"}
    if definition.filter:
        options["$filter"] = definition.filter
    options["$orderby"] = options["$select"]
    if skip:
        options["$skip"] = skip
    options["pagesize"] = size
    return f"{root}{FACT_DATA}?{query_string(options)}"


@dataclass(frozen=True, slots=True)
class SetQuery:
    """A query of an entity set, page by page.

    Attributes:
        root: The model's service root.
        entity_set: What is read.
        select: Columns to ask for, empty for all; of `FactData` at least all key columns, as the
            service demands ([1402] otherwise).
        order: Columns that order the rows; without, `$skip` may lose or double some (observed).
        row_filter: Which rows; None for all.
        page_rows: Rows per page to ask for.
        counted: Ask the first page for the number of all rows as well.
        tie: A measure that orders rows of equal keys; records that still tie are the same to us.
    """

    root: str
    entity_set: str
    select: tuple[str, ...]
    order: tuple[str, ...]
    row_filter: str | None
    page_rows: int
    counted: bool = False
    tie: str | None = None

    @property
    def plain(self) -> SetQuery:
        """The same query without what some tenants may refuse."""
        return replace(self, counted=False, tie=None)

    def page(self, skip: int = 0) -> str:
        """Return the address of a page.

        Args:
            skip: Rows to leave out at the start; 0 starts the server's own paging.
        """
        options: dict[str, str | int] = {}
        if self.select:
            options["$select"] = ",".join(self.select)
        if self.row_filter:
            options["$filter"] = self.row_filter
        if self.order:
            options["$orderby"] = ",".join((*self.order, *filter(None, (self.tie,))))
        if self.counted and not skip:
            options["$count"] = "true"
        if skip:
            options["$skip"] = skip
        options["pagesize"] = self.page_rows
        return f"{self.root}{self.entity_set}?{query_string(options)}"

    def count(self) -> str:
        """Return the address of the size probe.

        For `FactData` it carries no `$select`: with one, some tenants do not count (observed). What
        is added up by the tenant has as many rows as the selected columns make it.
        """
        options: dict[str, str | int] = {"$count": "true", "$top": 0}
        if self.entity_set != FACT_DATA:
            options["$select"] = ",".join(self.select)
        if self.row_filter:
            options["$filter"] = self.row_filter
        return f"{self.root}{self.entity_set}?{query_string(options)}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port, with the scheme's own port written out."""
    parts = urlsplit(url)
    port = {"http": 80, "https": 443}.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, (parts.hostname or "").lower(), port


def resolve_link(page: str, link: str) -> str:
    """Return the address of the next page.

    Args:
        page: The address of the page that carried the link.
        link: Absolute, relative to the host, or relative to the model's service root.

    Raises:
        UnsafeLinkError: The link leads to another scheme, host or port, where the bearer must
            not go, or is written so that two readers may disagree where it leads.
    """
    try:
        target = urljoin(page, link)
        parts = urlsplit(target)
        # Browsers read `\\` as `/`; nobody needs it, or a user's name, to name a page.
        plain = "@" not in parts.netloc and "\\" not in target.partition("?")[0]
        same = plain and origin(target) == origin(page)
    except ValueError:
        same = False
    if not same:
        raise UnsafeLinkError(
            "A page of SAP Analytics Cloud links to another host as its next page; it was not "
            "followed, and no token was sent there.",
            next_step="Check SAC_TENANT_URL and any proxy between here and the tenant.",
        )
    return target


def parse_metadata(body: bytes) -> EntitySchema:
    """Read the columns of `FactData` from the model's `$metadata`.

    Key properties are the dimensions, the others the measures. Element names are matched
    without their namespaces, which differ between tenants.

    Raises:
        SourceAnswerError: The body is no EDMX document, or has no `FactData`.
    """
    try:
        document: Element = fromstring(body, forbid_dtd=True)
    # LookupError: an encoding that nobody knows.
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SourceAnswerError(
            "The $metadata of the model is not readable XML.",
            next_step="Open the model's $metadata with curl (docs/access.md, step 4).",
        ) from error
    for entity in _elements(document.iter(), "EntityType"):
        if entity.get("Name") == FACT_DATA:
            return _entity_schema(entity)
    raise SourceAnswerError(
        "The $metadata of the model describes no FactData.",
        next_step="Check that SAC_MODEL_ID names an acquired model, not a live one.",
    )


def _entity_schema(entity: Element) -> EntitySchema:
    keys = [ref.get("Name", "") for ref in _elements(entity.iter(), "PropertyRef")]
    names = [item.get("Name", "") for item in _elements(entity, "Property")]
    if not keys or not set(keys) <= set(names):
        raise SourceAnswerError("The $metadata of the model names no key columns of FactData.")
    return EntitySchema(tuple(keys), tuple(name for name in names if name not in set(keys)))


def _elements(elements: Iterable[Element], name: str) -> list[Element]:
    return [element for element in elements if element.tag.rpartition("}")[2] == name]


def check_columns(definition: DatasetDefinition, schema: EntitySchema) -> None:
    """Refuse a definition that names columns which the model does not have.

    Raises:
        UnknownColumnError: Names each such column, its role, and the nearest that exist.
    """
    wanted = [("date column", definition.date_column, schema.dimensions)]
    wanted += [("dimension", name, schema.dimensions) for name in definition.dimensions]
    wanted += [("value column", definition.value_column, schema.measures)]
    unknown = [
        f"{role} '{name}' ({_suggestion(name, existing)})"
        for role, name, existing in wanted
        if name not in existing
    ]
    if unknown:
        raise UnknownColumnError(
            f"The model {definition.model_id} has no {', no '.join(unknown)}.",
            next_step="Correct SAC_DATE_COLUMN, SAC_VALUE_COLUMN or SAC_DIMENSIONS; names are "
            "case-sensitive.",
        )


def _suggestion(name: str, existing: tuple[str, ...]) -> str:
    folded = {column.lower(): column for column in existing}
    near = [folded[match] for match in get_close_matches(name.lower(), folded, n=_SUGGESTIONS)]
    others = [column for column in existing if column not in near]
    return "it has " + ", ".join((*near, *others)) if existing else "it has none"


_ROW_PATH: Final = re.compile(
    r"^(?P<what>.*?)(?: - at `\$\[(?P<row>\d+)\](?:\.(?P<column>.*))?`)?$"
)
_ENVELOPE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
# RecursionError: brackets nested so deep that no answer of a service means them.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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
    return Envelope(
        value=parts["value"],
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
    except msgspec.DecodeError as error:
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

    Rows never become dicts: msgspec fills one slotted object per row with the wanted columns
    alone, and measures stay the literal text of their numbers, so that no digit is lost.

    Args:
        texts: Names of the text columns (date and dimensions).
        measure: Name of the measure column.
    """

    def __init__(self, texts: Iterable[str], measure: str) -> None:
        # The date column may be kept as a dimension too; it is read once.
        self._texts = tuple(dict.fromkeys(texts))
        self._measure = measure
        # Positional names: a column may be called like a Python keyword.
        fields: list[Any] = [(f"c{i}", str | None) for i in range(len(self._texts))]
        fields.append(("measure", msgspec.Raw))
        names = {f"c{i}": name for i, name in enumerate(self._texts)} | {"measure": measure}
        row: Any = msgspec.defstruct("Row", fields, rename=names, gc=False)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[row])

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
            rows = self._decoder.decode(value)
        except _UNREADABLE as error:
            raise _bad_row(error, page) from error
        columns = {
            name: pa.array([getattr(row, f"c{i}") for row in rows], pa.string())
            for i, name in enumerate(self._texts)
        }
        columns[self._measure] = _number_texts([bytes(row.measure) for row in rows])
        return pa.table(columns)


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


def _number_texts(raw: list[bytes]) -> pa.Array:
    """Turn raw JSON values into the texts of numbers: null is null, quotes are cut.

    What is no number stays as it is: the pipeline names it with page, row and column.
    """
    # Not a cast of the bytes: Raw is not checked for UTF-8, and what is no text is no number.
    texts = pa.array([text.decode("utf-8", "replace") for text in raw], pa.string())
    quoted = pc.starts_with(texts, '"')
    bare = pc.if_else(quoted, pc.utf8_slice_codeunits(texts, 1, -1), texts)
    return pc.if_else(pc.equal(texts, "null"), pa.scalar(None, pa.string()), bare)
