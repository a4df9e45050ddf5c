"""What a refresh changed against the last good version, and what a dataset says to that; pure.

Rows, members and sums are compared only if one definition, under one contract, made both: another
definition is asked for other rows on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import shortened
from app.periods import period_start, window_start
from app.pipeline.contract import DATE, dimensions_of
from app.pipeline.diff import diff_series, exact_total, settled
from app.records import CachedSeries, SeriesMetadata, Window
from app.reports import DatasetPolicy, DriftReport, DriftRule, MemberDrift

SHOWN: Final = 5


def drift_of(
    before: CachedSeries,
    rows: pa.Table,
    metadata: SeriesMetadata,
    window: Window | None,
    policy: DatasetPolicy,
) -> DriftReport:
    """Compare the rows of a refresh with the last good version.

    Args:
        before: The last good version.
        rows: What is to be published; with a window, older history included.
        metadata: What is known of these rows.
        window: The dataset's window; what is before it counts as history.
        policy: Which changes to warn of, and which to refuse.
    """
    known = before.metadata
    report = DriftReport(
        since=known.last_refresh_time,
        rows_before=before.rows.num_rows,
        rows_after=rows.num_rows,
        comparable=_origin(known) == _origin(metadata) and before.rows.schema == rows.schema,
    )
    if report.comparable:
        report = _compared(report, before, rows, metadata, window)
    return _judged(report, policy)


def forced(drift: DriftReport) -> DriftReport:
    """Return the report of what is published in spite of its rejections."""
    return replace(drift, forced=True)


def _origin(metadata: SeriesMetadata) -> tuple[str, int]:
    return metadata.definition_hash, metadata.contract_version


def _compared(
    report: DriftReport,
    before: CachedSeries,
    rows: pa.Table,
    metadata: SeriesMetadata,
    window: Window | None,
) -> DriftReport:
    end = _history_end(before.metadata, metadata, window)
    total = exact_total(before.rows)
    if before.metadata.content_hash == metadata.content_hash:
        # Most refreshes find nothing new, and a million rows take a while to compare.
        return replace(
            report, members={}, total_before=total, total_after=total, history_before=end
        )
    if metadata.report is not None and metadata.report.tolerance is not None:
        # The source adds up anew for each answer, in any order.
        rows = settled(before.rows, rows, metadata.report.tolerance)
    changed, first = _history(before.rows, rows, end)
    return replace(
        report,
        shrink=_shrink(before.rows, rows, metadata.window_start),
        members=_members(before.rows, rows),
        total_before=total,
        total_after=exact_total(rows),
        history_before=end,
        history_changed=changed,
        first_changed=first,
    )


def _shrink(before: pa.Table, after: pa.Table, since: date | None) -> float:
    """Return the share of the rows that vanished, of those that were pulled again.

    In the whole series a long history would hide a window that lost most of its rows.
    """
    then, now = (_from(rows, since).num_rows for rows in (before, after))
    return max(0.0, (then - now) / then) if then else 0.0


def _members(before: pa.Table, after: pa.Table) -> dict[str, MemberDrift]:
    found = {}
    for name in dimensions_of(after.schema):
        then, now = before[name].unique(), after[name].unique()
        new, vanished = _only(now, then), _only(then, now)
        if new or vanished:
            found[name] = MemberDrift(
                new=len(new),
                vanished=len(vanished),
                first_new=tuple(new[:SHOWN]),
                first_vanished=tuple(vanished[:SHOWN]),
            )
    return found


def _only(members: pa.Array, others: pa.Array) -> list[str]:
    return sorted(members.filter(pc.invert(pc.is_in(members, others))).to_pylist())


def _history_end(
    before: SeriesMetadata, after: SeriesMetadata, window: Window | None
) -> date | None:
    """Return the day that ends what should no longer change.

    That is where the window begins. Without one it is the newest period, or the one that was
    running when the version before was pulled: its values, and plans beyond it, were not final.
    """
    if window is not None:
        return window_start(after.last_refresh_time.date(), window, after.grain)
    if before.max_date is None:
        return None
    running = period_start(before.last_refresh_time.date(), after.grain)
    return min(before.max_date, running)


def _history(before: pa.Table, after: pa.Table, end: date | None) -> tuple[int, tuple[str, ...]]:
    if end is None:
        return 0, ()
    then, now = _until(before, end), _until(after, end)
    if then.equals(now):
        return 0, ()
    diff = diff_series(then, now, SHOWN)
    kinds = (diff.changed, diff.removed, diff.added)
    first = [", ".join(point.key.values()) for kind in kinds for point in kind.first]
    return sum(kind.count for kind in kinds), tuple(first[:SHOWN])


def _from(rows: pa.Table, since: date | None) -> pa.Table:
    return rows if since is None else rows.filter(pc.greater_equal(rows[DATE], since))


def _until(rows: pa.Table, end: date) -> pa.Table:
    return rows.filter(pc.less(rows[DATE], pa.scalar(end, pa.date32())))


def _judged(report: DriftReport, policy: DatasetPolicy) -> DriftReport:
    found = list(_findings(report))
    rejections = [words for rule, words in found if rule in policy.drift_reject]
    if report.shrink > policy.max_shrink:
        rejections.insert(0, _shrink_words(report.shrink, policy.max_shrink))
    warnings = [
        words
        for rule, words in found
        if rule in policy.drift_warn and rule not in policy.drift_reject
    ]
    return replace(report, warnings=tuple(warnings), rejections=tuple(rejections))


def _findings(report: DriftReport) -> Iterator[tuple[DriftRule, str]]:
    """Yield every change that a dataset may have an opinion on, in words."""
    if not report.comparable:
        yield DriftRule.DEFINITION, "The definition changed, so the two versions were not compared."
        return
    for name, drift in (report.members or {}).items():
        if drift.vanished:
            gone = _listed(drift.first_vanished, drift.vanished)
            yield DriftRule.VANISHED_MEMBERS, f"Members of {name} are gone: {gone}."
        if drift.new:
            yield (
                DriftRule.NEW_MEMBERS,
                f"{name} has new members: {_listed(drift.first_new, drift.new)}.",
            )
    if report.rows_before != report.rows_after:
        yield DriftRule.ROWS, f"There are {report.rows_after} rows instead of {report.rows_before}."
    if report.total_before != report.total_after:
        before, after = (shortened(str(one)) for one in (report.total_before, report.total_after))
        yield DriftRule.TOTAL, f"The sum of all values is {after} instead of {before}."
    if report.history_changed:
        yield DriftRule.HISTORY, _history_words(report)


def _history_words(report: DriftReport) -> str:
    count = report.history_changed
    points = "1 point" if count == 1 else f"{count} points"
    return (
        f"{points} before {report.history_before} changed, the first at {report.first_changed[0]}."
    )


def _shrink_words(share: float, allowed: float) -> str:
    return f"{share:.1%} of the rows vanished, and at most {allowed:.1%} may."


def _listed(first: tuple[str, ...], count: int) -> str:
    more = count - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
