"""One page of rows: which rows it holds, its JSON or CSV, and the link to the next.

A page of thousands of rows is glued together by Arrow from fragments that were made once for each
distinct value.
"""

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demo.tenant.filters import QueryError
from demo.tenant.odata import Options
from demo.tenant.settings import Settings
from demo.tenant.tables import JSON_NUMBER, Codes, Column


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a result that one page shows."""

    start: int
    stop: int
    linked: bool


def window(options: Options, settings: Settings, offset: int, total: int) -> Window:
    """Choose the rows of a page.

    Args:
        options: The options of the query that began the pull.
        settings: Page sizes, and what switches server paging off.
        offset: Where the page starts within the rows that `$skip` and `$top` leave.
        total: How many rows the whole result has.
    """
    size = options.page_size
    if size is None:
        size = settings.page_cap if options.top is not None else settings.default_page_size
    oversize = size > settings.page_cap and options.page_size is not None
    size = min(size, settings.page_cap)
    first = options.skip or 0
    last = total if options.top is None else min(total, first + options.top)
    if options.package is not None:
        first = min(last, first + (options.package - 1) * size)
    start = min(first + offset, last)
    stop = min(start + size, last)
    linked = (
        stop < last
        and settings.link != "none"
        and not (options.cut and settings.top_disables_link)
        and not (oversize and settings.oversize_disables_link)
    )
    return Window(start, stop, linked)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands in a pull.

    Attributes:
        raw_query: The query that began the pull.
        offset: How many rows were served before.
        subscription: The id of the subscription that the pull feeds, if it tracks changes.
    """

    raw_query: str
    offset: int = 0
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """The links at the end of a page; `None` where there is none."""

    next: str | None = None
    delta: str | None = None


def make_token(place: Place) -> str:
    """Pack the place of a next page into an opaque token."""
    head = f"{place.offset}~{place.subscription or ''}"
    return base64.urlsafe_b64encode(f"{head}:{place.raw_query}".encode()).decode().rstrip("=")


def read_token(token: str) -> Place:
    """Unpack a token.

    Raises:
        QueryError: The token was not made by `make_token`.
    """
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        head, _, raw_query = text.partition(":")
        offset, _, subscription = head.partition("~")
        return Place(raw_query, int(offset), subscription or None)
    except ValueError:
        raise QueryError("the skip token is not valid") from None


def link(settings: Settings, base: str, path: str, query: str) -> str:
    """Write a link to another page of a set in the shape that the settings ask for.

    Args:
        settings: Names the shape.
        base: Scheme and host of the request.
        path: The path of the request, as it was sent.
        query: The query string of the link.
    """
    tail = f"?{query}"
    match settings.link:
        case "root":
            return f"{path}{tail}"
        case "service":
            return f"{path.rpartition('/')[2]}{tail}"
        case _:
            return f"{base}{path}{tail}"


def json_cell(column: Column, value: str | None, *, quoted: bool) -> str:
    """Write a value as JSON: numbers keep every digit of their text."""
    if value is None:
        return "null"
    if column.numeric and not quoted and JSON_NUMBER.fullmatch(value):
        return value
    return msgspec.json.encode(value).decode()


def json_rows(columns: Sequence[Column], rows: Codes, *, quoted: bool) -> bytes:
    """Write rows as the inside of a JSON array."""
    if not len(rows):
        return b""
    parts = [
        _fragments(column, first=place == 0, quoted=quoted).take(pa.array(column.codes[rows]))
        for place, column in enumerate(columns)
    ]
    closing, nothing = (pa.scalar(text, pa.large_string()) for text in ("},", ""))
    glued = pc.binary_join_element_wise(*parts, closing, nothing)
    _, offsets, data = glued.buffers()
    ends = np.frombuffer(offsets, np.int64)
    return bytes(memoryview(data)[: int(ends[len(rows)]) - 1])


def csv_rows(columns: Sequence[Column], rows: Codes, delimiter: str) -> str:
    """Write rows as CSV with a header line."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    writer.writerows(zip(*(column.take(rows).texts() for column in columns), strict=True))
    return text.getvalue()


def envelope(
    context: str,
    rows: bytes,
    size: int,
    settings: Settings,
    *,
    count: int | None = None,
    links: Links,
) -> bytes:
    """Write the answer around the rows: context, count, diagnostics, links."""
    number: type[int | str] = str if settings.entities_as_string else int
    head: dict[str, object] = {"@odata.context": context}
    if count is not None:
        head["@odata.count"] = str(count) if settings.count_as_string else count
    tail: dict[str, object] = {
        "@des.entitiesInPage": number(size),
        "@des.processingTimeInMilliseconds": number(1 + size // 500),
    }
    if links.next is not None:
        tail["@odata.nextLink"] = links.next
    if links.delta is not None:
        tail["@odata.deltaLink"] = links.delta
    if settings.lower_case_annotations:
        head, tail = (
            {name.lower(): value for name, value in part.items()} for part in (head, tail)
        )
    opening, closing = msgspec.json.encode(head), msgspec.json.encode(tail)
    return opening[:-1] + b',"value":[' + rows + b"]," + closing[1:]


def _fragments(column: Column, *, first: bool, quoted: bool) -> pa.LargeStringArray:
    """Return `"name":value` for each distinct value of a column, made once."""
    key = (first, quoted)
    if key not in column.cache:
        lead = ("{" if first else ",") + msgspec.json.encode(column.name).decode() + ":"
        texts = [lead + json_cell(column, value, quoted=quoted) for value in column.values]
        column.cache[key] = pa.array(texts, pa.large_string())
    return column.cache[key]
