"""What the versions of a series are, and which of them a caller means; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.errors import BadQueryError, UnknownVersionError
from app.records import SeriesMetadata


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One version, as its commit tells it; its rows are not read.

    Attributes:
        version: Its number.
        time: When it was published (UTC); None if the commit does not say.
        metadata: What was saved with its rows.
        changes_data: Whether it brought rows of its own; False if it confirmed those before it.
    """

    version: int
    time: datetime | None
    metadata: SeriesMetadata
    changes_data: bool


@dataclass(frozen=True, slots=True)
class VersionCheck:
    """Whether one version is what was saved.

    Attributes:
        version: Its number.
        problem: What is wrong, a whole sentence; None if it is whole.
    """

    version: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Pin:
    """Which version a caller of a series means; the newest one if neither is given.

    Attributes:
        version: Exactly this one.
        as_of: The one that was the newest at this time.
    """

    version: int | None = None
    as_of: datetime | None = None

    def __bool__(self) -> bool:
        return self != Pin()


NEWEST = Pin()


def version_at(infos: Sequence[VersionInfo], as_of: datetime) -> int:
    """Return the version that was the newest at a time.

    Args:
        infos: The versions, newest first.
        as_of: An aware time.

    Raises:
        UnknownVersionError: All versions are newer.
    """
    for info in infos:
        if info.time is not None and info.time <= as_of:
            return info.version
    known = [info.time for info in infos if info.time is not None]
    since = f"; the oldest is of {known[-1]:%Y-%m-%dT%H:%M:%SZ}" if known else ""
    raise UnknownVersionError(
        f"There was no version yet at {as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}{since}.",
        next_step="Ask for a later time.",
    )


def parse_pin(version: int | None, as_of: str | None) -> Pin:
    """Read which version a caller means.

    >>> parse_pin(None, "2026-11-21T15:05:00+01:00").as_of.isoformat()
    '2026-11-21T14:05:00+00:00'

    Raises:
        BadQueryError: Both are given, or the time is none or has no time zone.
    """
    if as_of is None:
        return NEWEST if version is None else Pin(version)
    if version is not None:
        raise BadQueryError(
            "Both 'version' and 'as_of' are given.", parameter="as_of", next_step="Give one."
        )
    try:
        # In a query string a plus that is not escaped arrives as a blank.
        time = datetime.fromisoformat(as_of.strip().replace(" ", "+"))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise BadQueryError(
            f"'{as_of[:40]}' is no time with a time zone.",
            parameter="as_of",
            next_step="Write it as in 2026-11-21T14:05:00Z.",
        )
    return Pin(as_of=_in_utc(time, as_of))


def _in_utc(time: datetime, text: str) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise BadQueryError(
            f"'{text[:40]}' is beyond all calendars.",
            parameter="as_of",
            next_step="Ask for a time since the first refresh.",
        ) from error
