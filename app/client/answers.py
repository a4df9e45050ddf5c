"""The service's JSON answers as typed objects; fields that a later service adds are passed over."""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Freshness(msgspec.Struct, frozen=True):
    """How fresh a series is.

    Attributes:
        state: `fresh`, `stale`, `expired` or `unknown`.
        data_time: When the source last confirmed the rows (UTC); None if there are none.
        age_s: Seconds since then; None if they cannot be told.
        last_attempt: When the last refresh ended (UTC).
        reason: Why it is not fresh, for machines.
        sentence: The same, to show.
        next_attempt: When the service will refresh it by itself (UTC).
    """

    state: str
    data_time: datetime | None = None
    age_s: int | None = None
    last_attempt: datetime | None = None
    reason: str | None = None
    sentence: str | None = None
    next_attempt: datetime | None = None


class RefreshResult(msgspec.Struct, frozen=True):
    """What a refresh did.

    Attributes:
        dataset: Name of the dataset.
        status: `refreshed`, `unchanged` or `stale`.
        version: The version that is served now.
        warning: A sentence to show as it stands; None if all is well.
        warning_code: Its code for machines.
        freshness: How fresh that version is.
        metadata: What is known of that version.
        report: What the pull cost and how it was proved complete; None if it failed.
    """

    dataset: str
    status: str
    version: int
    freshness: Freshness
    warning: str | None = None
    warning_code: str | None = None
    metadata: dict[str, Any] = {}
    report: dict[str, Any] | None = None


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, as RFC 9457 has it.

    Attributes:
        type: Stable reference of the kind of problem.
        title: The kind in words.
        status: The HTTP status.
        detail: What is wrong and the next step, to show as it stands.
        code: The kind for machines.
        request_id: The id under which the service's log tells more.
        parameter: The query parameter that is wrong.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    parameter: str | None = None


class Operation(msgspec.Struct, frozen=True):
    """A refresh that runs on its own.

    Attributes:
        id: Its id.
        dataset: What is refreshed.
        state: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
        progress: How far the pull has come.
        result: What it did; None before it has succeeded.
        problem: Why it failed; None if it did not.
    """

    id: str
    dataset: str
    state: str
    progress: dict[str, Any] | None = None
    result: RefreshResult | None = None
    problem: Problem | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.state not in {"queued", "running"}


class DatasetState(msgspec.Struct, frozen=True):
    """One dataset of the list.

    Attributes:
        name: Its name.
        freshness: How fresh it is, or why there is nothing.
        source: Where its rows came from.
        min_date: First date.
        max_date: Last date.
        rows: How many rows it has.
        version: The version that is served.
    """

    name: str
    freshness: Freshness
    source: str | None = None
    min_date: date | None = None
    max_date: date | None = None
    rows: int | None = None
    version: int | None = None


class DatasetList(msgspec.Struct, frozen=True):
    """All datasets."""

    datasets: list[DatasetState]


class Dimension(msgspec.Struct, frozen=True):
    """One dimension of a dataset.

    Attributes:
        name: Its name in queries.
        source: The source's column.
        label: Its text for people.
        members: How many members it has.
    """

    name: str
    source: str
    members: int
    label: str | None = None


class DatasetInfo(msgspec.Struct, frozen=True):
    """A dataset as it may be queried.

    Attributes:
        name: Its name.
        version: The version that is served.
        freshness: How fresh that is.
        rows: How many rows it has.
        grain: Period of one stored point.
        grains: What `grain` may be in a query.
        time_aggregation: Rule for coarser grains.
        dimensions: Its dimensions.
        min_date: First date.
        max_date: Last date.
    """

    name: str
    version: int
    freshness: Freshness
    rows: int
    grain: str
    grains: list[str]
    time_aggregation: str
    dimensions: list[Dimension]
    min_date: date | None = None
    max_date: date | None = None


class Member(msgspec.Struct, frozen=True):
    """One member of a dimension.

    Attributes:
        id: As filters write it.
        label: Its text for people.
        points: Points of the series that are its own.
        min_date: First of their dates.
        max_date: Last of their dates.
    """

    id: str
    points: int
    min_date: date
    max_date: date
    label: str | None = None


class Members(msgspec.Struct, frozen=True):
    """Members of a dimension, sorted by id.

    Attributes:
        dimension: The dimension.
        members: Some of its members.
        total: How many there are in all.
        next: Value of `after` for more; None if these were the last.
    """

    dimension: Dimension
    members: list[Member]
    total: int
    next: str | None = None


class Aside(msgspec.Struct, frozen=True):
    """What an answer of points says beside them.

    Attributes:
        total: Points that the query selects, over all pages.
    """

    total: int


class ServiceError(Exception):
    """The service cannot be reached, or what answers is not this service."""


class ProblemError(ServiceError):
    """The service answered with a problem.

    Attributes:
        problem: What it said.
        retry_after_s: Seconds after which it asks to be called again; None if it does not.

    Args:
        problem: What it said.
        retry_after_s: The `Retry-After` of the answer.
    """

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        self.problem = problem
        self.retry_after_s = retry_after_s
        super().__init__(f"{problem.detail} ({problem.code})")


def read(body: bytes, form: type[T], url: str) -> T:
    """Read a JSON answer.

    Args:
        body: The answer.
        form: What it should be.
        url: Where it came from, for the message.

    Raises:
        ServiceError: It is something else.
    """
    try:
        # A gateway between may put a byte order mark before it.
        return msgspec.json.decode(body.removeprefix(BOM_UTF8), type=form)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServiceError(
            f"{url} answered something that is no {form.__name__} ({error}). "
            "Check the address, and that client and service are of like versions."
        ) from error
