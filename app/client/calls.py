"""What is sent for each call, and what is made of the answer; the same for both clients. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

import httpx
import pyarrow as pa

from app.client.answers import Aside, Problem, ProblemError, ServiceError, read
from app.client.series import Series

ARROW: Final = "application/vnd.apache.arrow.stream"
PROBLEM: Final = "application/problem+json"
# Arrow reads a stream without this end, too, and so would lose what was cut off after a message.
# https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
# Answers kept to be confirmed by a 304.
_KEPT: Final = 32
Names = str | Iterable[str]
Members = Mapping[str, Names]


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        method: The HTTP method.
        url: Its path, or the whole address of the next page.
        params: Its query, in order; names may repeat.
        headers: Beyond those of every request.
        body: Sent as JSON; None for no body.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What two calls for the same answer have in common."""
        return self.url, self.params


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which points of which datasets; the names are those of `GET /series`.

    Attributes:
        dataset: Name of a dataset, or several; none for the default one.
        start: First date or period, included.
        end: Last date or period, included.
        first: The first so many periods.
        last: The last so many periods.
        grain: Roll up to this coarser period.
        agg: How periods are combined, instead of the dataset's own rule.
        group_by: Dimensions to keep; None for all, empty for none.
        where: Only these members, by dimension (`region` or `dim_region`).
        exclude: Not these members.
        prefix: Only members that begin so.
        fill: `null`, `zero` or `carry`: what stands in periods without a value.
        transform: `change`, `pct_change`, `yoy` or `cumulative`.
        sort: Columns, `-` before one for descending.
        limit: At most this many points; then `next_url` leads on.
        version: This version instead of the newest.
        as_of: The version that was the newest at this time.
        allow_expired: Also data that is too old to be shown unasked.
    """

    dataset: Names | None = None
    start: date | str | None = None
    end: date | str | None = None
    first: int | None = None
    last: int | None = None
    grain: str | None = None
    agg: str | None = None
    group_by: Names | None = None
    where: Members = field(default_factory=dict)
    exclude: Members = field(default_factory=dict)
    prefix: Members = field(default_factory=dict)
    fill: str | None = None
    transform: str | None = None
    sort: Names | None = None
    limit: int | None = None
    version: int | None = None
    as_of: str | None = None
    allow_expired: bool = False

    def params(self) -> tuple[tuple[str, str], ...]:
        """Return the query string's parts."""
        pairs = [("dataset", name) for name in _names(self.dataset or ())]
        plain = ("start", "end", "first", "last", "grain", "agg", "fill", "transform", "limit")
        for name in (*plain, "version", "as_of"):
            value = getattr(self, name)
            if value is not None:
                pairs.append((name, str(value)))
        for name in ("group_by", "sort"):
            value = getattr(self, name)
            if value is not None:
                pairs.append((name, ",".join(_names(value))))
        for mark, members in (("", self.where), ("!", self.exclude), ("^", self.prefix)):
            for dimension, wanted in members.items():
                pairs += [(_column(dimension) + mark, member) for member in _names(wanted)]
        if self.allow_expired:
            pairs.append(("allow_expired", "true"))
        return tuple(pairs)


def series_call(query: Query) -> Call:
    """Ask for points, as an Arrow stream."""
    return Call("GET", "/series", query.params(), {"Accept": ARROW})


def refresh_call(
    dataset: str | None, options: Mapping[str, Any], *, prefer: str | None = None
) -> Call:
    """Ask for a refresh."""
    body = {name: value for name, value in options.items() if value not in {None, False}}
    if dataset is not None:
        body["dataset"] = dataset
    return Call("POST", "/refresh", headers={"Prefer": prefer} if prefer else {}, body=body)


def operation_call(operation: str) -> Call:
    """Ask for a refresh that runs on its own."""
    return Call("GET", f"/refreshes/{_quoted(operation)}")


def cancel_call(operation: str) -> Call:
    """Ask to stop a refresh that runs on its own."""
    return Call("POST", f"/refreshes/{_quoted(operation)}/cancel")


def dataset_call(name: str) -> Call:
    """Ask what there is to choose from."""
    return Call("GET", f"/datasets/{_quoted(name)}")


def members_call(
    dataset: str, dimension: str, *, search: str, after: str | None, limit: int, where: Members
) -> Call:
    """Ask for members of a dimension."""
    pairs = [("limit", str(limit))]
    pairs += [("search", search)] if search else []
    pairs += [("after", after)] if after is not None else []
    pairs += [(_column(name), one) for name, wanted in where.items() for one in _names(wanted)]
    return Call(
        "GET", f"/datasets/{_quoted(dataset)}/dimensions/{_quoted(dimension)}", tuple(pairs)
    )


def unreachable(request: httpx.Request, error: httpx.HTTPError) -> ServiceError:
    """Say that no answer came."""
    reason = str(error) or type(error).__name__
    return ServiceError(f"{request.url} did not answer: {reason}. Does the service run there?")


def unsendable(error: httpx.InvalidURL) -> ServiceError:
    """Say that a query makes no address that can be sent."""
    return ServiceError(
        f"The query cannot be sent as an address: {error}. If it names many members, ask with "
        "prefix or exclude, or in several queries."
    )


def raise_for_problem(response: httpx.Response) -> None:
    """Raise what an answer says went wrong.

    Raises:
        ProblemError: The service answered with a problem.
        ServiceError: Something else answered with an error.
    """
    # A redirect is not followed, and an answer of another kind is none of this service.
    if response.status_code in {httpx.codes.OK, httpx.codes.ACCEPTED, httpx.codes.NOT_MODIFIED}:
        return
    kind = response.headers.get("Content-Type", "")
    if kind.partition(";")[0] == PROBLEM:
        problem = read(response.content, Problem, str(response.url))
        wait = response.headers.get("Retry-After", "")
        raise ProblemError(problem, float(wait) if wait.isdecimal() else None)
    raise ServiceError(
        f"{response.url} answered {response.status_code} with '{kind}', not as this service does. "
        "Check the address, and any proxy before it."
    )


def series_of(response: httpx.Response) -> Series:
    """Read an answer of points, with what it says of them.

    All of it stands in the stream but the age and the ETag: a proxy may take headers away, and a
    page must not look like the whole without them.

    Raises:
        ServiceError: It is no Arrow stream that ends as one should, or not of this service.
    """
    body = response.content
    try:
        if not body.endswith(_END_OF_STREAM):
            raise OSError("its end is missing")  # noqa: TRY301 - one message for all that is wrong
        with pa.ipc.open_stream(body) as stream:
            rows = stream.read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise ServiceError(f"{response.url} answered no whole Arrow stream ({error}).") from error
    said = {key.decode(): text.decode() for key, text in (rows.schema.metadata or {}).items()}
    version, cursor = said.get("version", ""), said.get("next")
    try:
        following = None if cursor is None else response.url.copy_set_param("cursor", cursor)
    except httpx.InvalidURL as error:
        raise unsendable(error) from error
    return Series(
        rows=rows,
        version=int(version) if version.isdecimal() else None,
        freshness=said.get("freshness", "unknown"),
        warning=said.get("warning"),
        warning_code=said.get("warning_code"),
        age_s=_age(response),
        etag=response.headers.get("ETag"),
        next_url=None if following is None else str(following),
        total=read(said.get("sac_series", "").encode(), Aside, str(response.url)).total,
    )


def _age(response: httpx.Response) -> int | None:
    age = response.headers.get("Age", "")
    return int(age) if age.isdecimal() else None


class Pages:
    """Holds the pages of one query together: parts of one version that add up to the whole."""

    def __init__(self) -> None:
        self._rows = 0
        self._first: Series | None = None
        self._following: str | None = None

    def behind(self, page: Series) -> Call | None:
        """Return the call for the page behind one; None if it is the last.

        Raises:
            ServiceError: The page does not fit those before, or the last one leaves rows out.
        """
        first = self._first = self._first or page
        self._rows += len(page)
        if (_versions(page), page.total) != (_versions(first), first.total):
            raise ServiceError(
                f"The pages are of different versions: the first is of version {_versions(first)} "
                f"with {first.total} rows in all, this one of version {_versions(page)} with "
                f"{page.total}. Read them again from the first."
            )
        is_last, here = page.next_url is None, f"after {self._rows} of {page.total} rows"
        if is_last != (self._rows == page.total):
            raise _broken(f"end {here}" if is_last else f"go on {here}")
        if page.next_url is None:
            return None
        if page.next_url == self._following or self._rows > page.total:
            raise _broken(f"repeat themselves {here}")
        self._following = page.next_url
        return Call("GET", page.next_url, headers={"Accept": ARROW})


def _versions(page: Series) -> str:
    """Return the version of a page, of several datasets separated by commas."""
    text: bytes = (page.rows.schema.metadata or {}).get(b"version", b"")
    return text.decode()


def _broken(what: str) -> ServiceError:
    return ServiceError(
        f"The pages {what}. Check that a proxy before the service passes queries on as they are."
    )


class Kept:
    """The last few answers, to be confirmed instead of sent again; threads may share it."""

    def __init__(self) -> None:
        self._series: OrderedDict[Hashable, Series] = OrderedDict()
        self._lock = Lock()

    def known(self, call: Call) -> Series | None:
        """Return the answer that a call had before; None if it is not kept."""
        with self._lock:
            return self._series.get(call.key)

    def answered(self, call: Call, known: Series | None, response: httpx.Response) -> Series:
        """Return the series of an answer, or the one that was known if the answer confirms it.

        Raises:
            ServiceError: The answer cannot be read.
        """
        if response.status_code == httpx.codes.NOT_MODIFIED and known is not None:
            # The tag stands for all that was told before, but for its age.
            freshness = response.headers.get("X-Series-Freshness", known.freshness)
            series = replace(known, freshness=freshness, age_s=_age(response), revalidated=True)
        else:
            series = series_of(response)
        with self._lock:
            self._series[call.key] = replace(series, revalidated=False)
            self._series.move_to_end(call.key)
            if len(self._series) > _KEPT:
                self._series.popitem(last=False)
        return series


def validated(call: Call, known: Series | None) -> Call:
    """Return a call that asks for an answer only if it is another than the one that is known."""
    if known is None or known.etag is None:
        return call
    return replace(call, headers={**call.headers, "If-None-Match": known.etag})


def _names(names: Names) -> Sequence[str]:
    return (names,) if isinstance(names, str) else tuple(names)


def _column(dimension: str) -> str:
    return dimension if dimension.startswith("dim_") else f"dim_{dimension}"


def _quoted(text: str) -> str:
    return quote(text, safe="")
