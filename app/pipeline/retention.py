"""Which versions may be cleaned away; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.pipeline.history import VersionInfo

# Whoever opened a version, in this process or with another tool, has this long to read it.
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long versions are kept. A version stays as long as one of the rules keeps it.

    Attributes:
        age: Kept for this long after a newer version took its place; None for no such rule.
        versions: The newest so many are kept; those that only confirmed rows do not count. None
            for no such rule.
        grace: Nothing that was current or written this recently is touched.
    """

    age: timedelta | None = None
    versions: int | None = None
    grace: timedelta = GRACE

    def __bool__(self) -> bool:
        return self.age is not None or self.versions is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What a cleaning took away.

    Attributes:
        versions: Versions that can no longer be read.
        files: Data files, and what broken writers left behind.
        bytes: Their size.
        oldest: The oldest version that is left.
    """

    versions: int
    files: int
    bytes: int
    oldest: int


def oldest_kept(
    infos: Sequence[VersionInfo], retention: Retention, *, current: int, now: datetime
) -> int:
    """Return the oldest version to keep; all after it are kept as well.

    Args:
        infos: All versions, newest first; at least one is not newer than `current`.
        retention: The rules; without a rule everything is kept.
        current: The version that is served. It and what is newer are always kept.
        now: An aware time.
    """
    oldest, newer_rows, replaced = current, 0, None
    for info in infos:
        if info.version < current and not _is_kept(retention, newer_rows, replaced, now):
            break
        oldest, replaced = min(oldest, info.version), info.time
        newer_rows += info.changes_data
    return oldest


def _is_kept(
    retention: Retention, newer_rows: int, replaced: datetime | None, now: datetime
) -> bool:
    if not retention or replaced is None or now - replaced <= retention.grace:
        return True
    if retention.age is not None and now - replaced <= retention.age:
        return True
    return retention.versions is not None and newer_rows < retention.versions
