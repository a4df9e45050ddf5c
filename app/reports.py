"""What is told of a series beside its rows: how fresh it is, what changed, the last attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

DEFAULT_MAX_SHRINK: Final = 0.5


class DriftRule(StrEnum):
    """A kind of change between two versions that a dataset may warn of, or refuse."""

    NEW_MEMBERS = "new_members"
    VANISHED_MEMBERS = "vanished_members"
    ROWS = "rows"
    TOTAL = "total"
    HISTORY = "history"
    DEFINITION = "definition"


# New rows, members and totals are what a refresh is for; these three are seldom meant.
USUAL_WARNINGS: Final = (DriftRule.VANISHED_MEMBERS, DriftRule.HISTORY, DriftRule.DEFINITION)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPolicy:
    """What a dataset's refreshes and readers must keep to.

    Attributes:
        stale_after: Older data is stale; None for never.
        expire_after: Older data is not served unasked; None for never.
        refresh_every: Time between two scheduled refreshes; None for no schedule.
        max_shrink: The share of the rows that may vanish in one refresh.
        drift_warn: Changes that are published with a warning.
        drift_reject: Changes that are not published.
    """

    stale_after: timedelta | None = None
    expire_after: timedelta | None = None
    refresh_every: timedelta | None = None
    max_shrink: float = DEFAULT_MAX_SHRINK
    drift_warn: tuple[DriftRule, ...] = USUAL_WARNINGS
    drift_reject: tuple[DriftRule, ...] = ()


class FreshnessState(StrEnum):
    """Whether a series may be taken for the present state of its source."""

    FRESH = "fresh"
    STALE = "stale"  # not the newest, or old, and it says why
    EXPIRED = "expired"  # too old to be served unasked
    UNKNOWN = "unknown"  # there is no telling how old it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How fresh a series is.

    Attributes:
        state: The verdict.
        data_time: When the source last confirmed the rows; None if there are none.
        age_s: Seconds since then; None if they cannot be told.
        last_attempt: When the last refresh ended; None if that is not known.
        reason: Why it is not fresh, for machines; None if it is.
        sentence: The same for people; None if it is fresh.
        next_attempt: When the service will try again by itself; None if it will not.
    """

    state: FreshnessState
    data_time: datetime | None = None
    age_s: int | None = None
    last_attempt: datetime | None = None
    reason: str | None = None
    sentence: str | None = None
    next_attempt: datetime | None = None


class AttemptOutcome(StrEnum):
    """How the last refresh of a dataset ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"  # its record cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How the last refresh of a dataset ended; kept beside its data, never in it.

    Attributes:
        dataset: Name of the dataset.
        outcome: Whether it published, or confirmed, a version.
        at: When it ended (UTC); None if its record cannot be read.
        code: The error's code; None if it succeeded.
        sentence: The error's words; None if it succeeded.
        data_time: The time of the data that it left as they were; None if it succeeded, or if
            there were none. Tells what came first even if the clock was set back.
        interrupted: Whether another refresh was begun after it, and handed back because the
            service stopped; a schedule makes up for it.
    """

    dataset: str
    outcome: AttemptOutcome
    at: datetime | None = None
    data_time: datetime | None = None
    code: str | None = None
    sentence: str | None = None
    interrupted: bool = False


class BreakerState(StrEnum):
    """Whether a source is asked at all."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # it failed too often, and is left alone for a while
    HALF_OPEN = "half_open"  # one pull may find out whether it is back


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """How the breaker before a source stands.

    Attributes:
        state: Whether the source is asked.
        next_attempt: When it may be asked again (UTC); None if it may be asked now.
    """

    state: BreakerState
    next_attempt: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDrift:
    """How the members of one dimension changed.

    Attributes:
        new: How many appeared.
        vanished: How many are gone.
        first_new: The first of those that appeared, in order.
        first_vanished: The first of those that are gone.
    """

    new: int = 0
    vanished: int = 0
    first_new: tuple[str, ...] = ()
    first_vanished: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What changed between the last good version and the rows of a refresh.

    Attributes:
        since: When the source last confirmed the version compared with (UTC).
        rows_before: Its rows.
        rows_after: Rows now.
        comparable: Whether one definition, under one contract, made both. If not, what follows
            is left out: other rows are what a new definition is for.
        shrink: The share of the rows that vanished, of those that were pulled again.
        members: The dimensions whose members changed.
        total_before: The exact sum of all values, as text; None if it cannot be told.
        total_after: The same, now.
        history_before: The day that ends what counts as history; None if nothing does.
        history_changed: Points before that day whose value changed, or that came or went.
        first_changed: The first of these, as date and members.
        warnings: A sentence for each change that the dataset warns of.
        rejections: A sentence for each change that the dataset refuses.
        forced: Whether it was published in spite of these.
    """

    since: datetime
    rows_before: int
    rows_after: int
    comparable: bool = True
    shrink: float = 0.0
    members: dict[str, MemberDrift] | None = None
    total_before: str | None = None
    total_after: str | None = None
    history_before: date | None = None
    history_changed: int = 0
    first_changed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rejections: tuple[str, ...] = ()
    forced: bool = False
