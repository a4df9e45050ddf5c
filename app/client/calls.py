"""What is sent for each call, and what is made of the answer; the same for both clients. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from threading import Lock
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx
import pyarrow as pa

from app.client.answers import Problem, ProblemError, ServiceError, read
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
        url: Its path, or an absolute address that the service gave.
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
    def key(self) -> str:
        """What two calls for the same answer have in common."""
        return str(httpx.URL(self.url, params=list(self.params)) if self.params else self.url)


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


def next_call(url: str) -> Call:
    """Ask for the page behind another."""
    return Call("GET", url, headers={"Accept": ARROW})


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
    return Call("GET", f"/refreshes/{_part(operation)}")


def cancel_call(operation: str) -> Call:
    """Ask to stop a refresh that runs on its own."""
    return Call("POST", f"/refreshes/{_part(operation)}/cancel")


def dataset_call(name: str) -> Call:
    """Ask what there is to choose from."""
    return Call("GET", f"/datasets/{_part(name)}")


def members_call(
    dataset: str, dimension: str, *, search: str, after: str | None, limit: int, where: Members
) -> Call:
    """Ask for members of a dimension."""
    pairs = [("limit", str(limit))]
    pairs += [("search", search)] if search else []
    pairs += [("after", after)] if after is not None else []
    pairs += [(_column(name), one) for name, wanted in where.items() for one in _names(wanted)]
    return Call("GET", f"/datasets/{_part(dataset)}/dimensions/{_part(dimension)}", tuple(pairs))


def check_origin(url: httpx.URL, base: httpx.URL) -> None:
    """Refuse an address elsewhere: the key must not go there.

    Raises:
        ServiceError: It is not of the service.
    """
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
        raise ServiceError(
            f"The service at {base} links to {url.host} as its next page; it was not followed. "
            "Check any proxy before the service."
        )


def unreachable(request: httpx.Request, error: httpx.HTTPError) -> ServiceError:
    """Say that no answer came."""
    reason = str(error) or type(error).__name__
    return ServiceError(f"{request.url} did not answer: {reason}. Does the service run there?")


def raise_for_problem(response: httpx.Response) -> None:
    """Raise what an answer says went wrong.

    Raises:
        ProblemError: The service answered with a problem.
        ServiceError: Something else answered with an error.
    """
    if response.status_code < httpx.codes.BAD_REQUEST:
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
    """Read an answer of points.

    Raises:
        ServiceError: It is no Arrow stream that ends as one should.
    """
    body = response.content
    try:
        if not body.endswith(_END_OF_STREAM):
            raise OSError("its end is missing")  # noqa: TRY301 - one message for all that is wrong
        with pa.ipc.open_stream(body) as stream:
            rows = stream.read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise ServiceError(f"{response.url} answered no whole Arrow stream ({error}).") from error
    return told(Series(rows=rows, version=None, freshness=""), response.headers)


def told(series: Series, headers: Mapping[str, str]) -> Series:
    """Return a series with what the headers of an answer say of it."""
    version, age = headers.get("X-Series-Version", ""), headers.get("Age", "")
    warning = headers.get("X-Series-Warning")
    return replace(
        series,
        version=int(version) if version.isdecimal() else None,
        freshness=headers.get("X-Series-Freshness", "unknown"),
        warning=None if warning is None else unquote(warning),
        warning_code=headers.get("X-Series-Warning-Code"),
        age_s=int(age) if age.isdecimal() else None,
        etag=headers.get("ETag"),
    )


class Kept:
    """The last few answers, to be confirmed instead of sent again; threads may share it."""

    def __init__(self) -> None:
        self._series: OrderedDict[str, Series] = OrderedDict()
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
            age_s = told(known, response.headers).age_s
            series = replace(known, freshness=freshness, age_s=age_s, revalidated=True)
        else:
            link = response.links.get("next", {}).get("url")
            url = None if link is None else str(response.url.join(link))
            series = replace(series_of(response), next_url=url)
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


def _part(text: str) -> str:
    return quote(text, safe="")
