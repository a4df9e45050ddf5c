"""Drift: what a refresh changed, and what a dataset says to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.contract import content_hash, date_bounds, series_schema, sort_series
from app.pipeline.diff import exact_total
from app.pipeline.drift import SHOWN, drift_of, forced
from app.pipeline.series_metadata import decode_metadata, encode_metadata
from app.records import CachedSeries, Grain, PullReport, SeriesMetadata, Window
from app.reports import DatasetPolicy, DriftReport, DriftRule

Points = dict[tuple[int, str], float]
BEFORE: Points = {(7, "A"): 1.0, (8, "A"): 2.5, (8, "B"): 0.1, (10, "A"): 0.2}
USUAL = DatasetPolicy()
ALL = tuple(DriftRule)
POINTS = st.dictionaries(
    st.tuples(st.integers(1, 12), st.sampled_from("ABC")),
    st.sampled_from([0.1, 0.2, 1.0, -3.5]),
    max_size=8,
)


def a_version(
    points: Points, *, when: datetime = datetime(2026, 11, 2, tzinfo=UTC)
) -> CachedSeries:
    """Return a series of months of 2026 with one dimension."""
    schema = series_schema(["dim_region"])
    columns = [
        [date(2026, month, 1) for month, _ in points],
        list(points.values()),
        [member for _, member in points],
    ]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    rows = sort_series(pa.Table.from_arrays(arrays, schema=schema))
    first, last = date_bounds(rows)
    metadata = SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime(2026, 11, 2, tzinfo=UTC),
        row_count=rows.num_rows,
        min_date=first,
        max_date=last,
        grain=Grain.MONTH,
        definition_hash="d",
        content_hash=content_hash(rows),
    )
    return CachedSeries(rows=rows, metadata=metadata, version=0)


def a_report(tolerance: float | None = None) -> PullReport:
    """Return the report of a pull."""
    return PullReport(
        expected=4,
        received=4,
        pages=1,
        proof="count",
        mode="FactData",
        bytes=1,
        seconds=0.1,
        tolerance=tolerance,
    )


def drift(
    before: Points,
    after: Points,
    policy: DatasetPolicy = USUAL,
    *,
    window: Window | None = None,
    since: date | None = None,
) -> DriftReport:
    """Return what changed between two series."""
    old, new = a_version(before), a_version(after)
    metadata = replace(new.metadata, window_start=since)
    return drift_of(old, new.rows, metadata, window, policy)


def test_nothing_changed_is_nothing_to_say() -> None:
    """The same rows have no drift, whatever the dataset is strict about."""
    found = drift(BEFORE, BEFORE, DatasetPolicy(max_shrink=0, drift_warn=ALL))
    assert (found.rows_before, found.rows_after, found.shrink, found.members) == (4, 4, 0, {})
    assert found.total_before == found.total_after == "3.8"
    assert (found.warnings, found.rejections) == ((), ())


def test_everything_that_changed_is_reported() -> None:
    """Members, rows, exact sums and history, with the first of each."""
    after = {(7, "A"): 1.5, (8, "A"): 2.5, (10, "A"): 9.0, (10, "C"): 1.0, (11, "C"): 2.0}
    found = drift(BEFORE, after, DatasetPolicy(drift_warn=ALL))
    assert found.members is not None
    members = found.members["dim_region"]
    assert (members.first_new, members.first_vanished) == (("C",), ("B",))
    assert (found.total_before, found.total_after) == ("3.8", "16")
    assert found.history_before == date(2026, 10, 1)
    assert found.history_changed == 2
    assert found.first_changed == ("2026-07-01, A", "2026-08-01, B")
    assert found.warnings == (
        "Members of dim_region are gone: B.",
        "dim_region has new members: C.",
        "There are 5 rows instead of 4.",
        "The sum of all values is 16 instead of 3.8.",
        "2 points before 2026-10-01 changed, the first at 2026-07-01, A.",
    )


@pytest.mark.parametrize(
    ("left", "allowed", "refused"),
    [(2, 0.5, False), (1, 0.5, True), (1, 0.75, False), (3, 0.0, True), (1, 1.0, False)],
)
def test_a_shrink_is_refused_beyond_its_share(left: int, allowed: float, refused: bool) -> None:
    """Exactly the allowed share may vanish, and not one row more."""
    after = dict(list(BEFORE.items())[:left])
    assert bool(drift(BEFORE, after, DatasetPolicy(max_shrink=allowed)).rejections) is refused


def test_a_window_shrinks_by_itself() -> None:
    """A window that lost most of its rows is not hidden by a long history."""
    before = {(month, "A"): 1.0 for month in range(1, 13)}
    after = {(month, "A"): 1.0 for month in range(1, 11)}
    assert drift(before, after).rejections == ()
    since = date(2026, 10, 1)
    assert drift(before, after, since=since).shrink == pytest.approx(2 / 3)
    assert drift(before, after, since=since).rejections


def test_history_is_what_lies_before_the_window() -> None:
    """With a window its begin is the end of history; a full pull may find changes there."""
    after = {**BEFORE, (8, "A"): 7.0}
    narrow = drift(BEFORE, after, window=Window(2, Grain.MONTH))
    assert (narrow.history_before, narrow.history_changed) == (date(2026, 10, 1), 1)
    wide = drift(BEFORE, after, window=Window(6, Grain.MONTH))
    assert (wide.history_before, wide.history_changed) == (date(2026, 6, 1), 0)


def test_plans_beyond_the_present_are_no_history() -> None:
    """Without a window, what was not over when the older version was pulled may change."""
    before = {(month, "A"): 1.0 for month in range(1, 13)}
    after = {**before, (11, "A"): 2.0, (12, "A"): 3.0}
    assert drift(before, after).history_before == date(2026, 11, 1)
    assert drift(before, after).history_changed == 0


def test_doubles_that_were_added_up_in_another_order_have_not_changed() -> None:
    """A last digit more or less, as far as the pull says that sums may be apart, is no change."""
    after = {**BEFORE, (8, "B"): 0.1 * (1 + 2**-50), (10, "A"): 0.3}
    old, new = a_version(BEFORE), a_version(after)
    loose = replace(new.metadata, report=a_report(tolerance=1e-14))
    for metadata, changed in ((loose, 0), (replace(loose, report=a_report()), 1)):
        found = drift_of(old, new.rows, metadata, None, DatasetPolicy(drift_warn=ALL))
        assert (found.history_changed, found.rows_after) == (changed, 4)
        assert found.total_after != found.total_before


def test_another_origin_is_not_compared() -> None:
    """Another definition or contract is told, and nothing else is."""
    old, new = a_version(BEFORE), a_version({(1, "Z"): 1.0})
    for change in ({"definition_hash": "other"}, {"contract_version": 2}):
        metadata = decode_metadata(encode_metadata(new.metadata))
        other = replace(old, metadata=replace(old.metadata, **change))
        found = drift_of(other, new.rows, metadata, None, DatasetPolicy(max_shrink=0))
        assert not found.comparable
        assert (found.members, found.total_before, found.shrink) == (None, None, 0)
        assert (len(found.warnings), found.rejections) == (1, ())
        strict = DatasetPolicy(drift_reject=(DriftRule.DEFINITION,))
        assert drift_of(other, new.rows, metadata, None, strict).rejections


def test_a_rule_refuses_or_warns_but_not_both() -> None:
    """What a dataset refuses is not said twice."""
    policy = DatasetPolicy(drift_warn=ALL, drift_reject=(DriftRule.TOTAL,))
    found = drift(BEFORE, {**BEFORE, (11, "A"): 1.0}, policy)
    assert found.rejections == ("The sum of all values is 4.8 instead of 3.8.",)
    assert found.warnings == ("There are 5 rows instead of 4.",)
    assert forced(found) == replace(found, forced=True)


def test_only_the_first_members_are_named() -> None:
    """A thousand new members are counted, and a few of them named."""
    after = BEFORE | {(11, f"N{number:03}"): 1.0 for number in range(1000)}
    found = drift(BEFORE, after, DatasetPolicy(drift_warn=ALL))
    assert found.members is not None
    assert found.members["dim_region"].new == 1000
    assert len(found.members["dim_region"].first_new) == SHOWN
    assert found.warnings[0].endswith("N003, N004 and 995 more.")


def test_sums_of_any_size_are_told() -> None:
    """The totals are exact, however large or small; a sentence shows their ends."""
    after = {(1, "A"): 9e300, (2, "A"): 5e-324}
    found = drift({(1, "A"): 9e300}, after, DatasetPolicy(drift_warn=ALL))
    assert (found.total_before, found.total_after) == ("9" + "0" * 300, f"{9 * 10**300}.{5:0324}")
    assert f"is {9 * 10**26}…{5:012} instead of {9 * 10**26}…{0:012}." in " ".join(found.warnings)


@given(before=POINTS.filter(bool), after=POINTS.filter(bool))
def test_the_report_is_what_a_model_finds(before: Points, after: Points) -> None:
    """Counts, sums and history agree with plain dictionaries."""
    found = drift(before, after, DatasetPolicy(max_shrink=1, drift_warn=ALL))
    end = min(max(month for month, _ in before), 11)
    history = {k for k in before | after if k[0] < end and before.get(k) != after.get(k)}
    assert found.history_changed == len(history)
    assert found.shrink == max(0.0, (len(before) - len(after)) / len(before))
    assert found.total_after == exact_total(a_version(after).rows)
    old, new = {member for _, member in before}, {member for _, member in after}
    changed = (found.members or {}).get("dim_region")
    assert (changed.new if changed else 0) == len(new - old)
    assert (changed.vanished if changed else 0) == len(old - new)
    assert found.rejections == ()


@given(before=POINTS.filter(bool), after=POINTS.filter(bool))
def test_the_report_survives_its_way_into_a_commit(before: Points, after: Points) -> None:
    """Metadata with a report are read as they were written."""
    metadata = replace(a_version(after).metadata, drift=drift(before, after))
    assert decode_metadata(encode_metadata(metadata)) == metadata
