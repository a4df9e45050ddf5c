"""Which versions may be cleaned away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipeline.history import VersionInfo
from app.pipeline.retention import Retention, oldest_kept
from tests.pipeline.samples import REFRESHED, metadata_of, three_months

META = metadata_of(three_months())
DAY = timedelta(days=1)
NEVER = timedelta(0)


def infos(*new_rows: bool) -> list[VersionInfo]:
    """Return one version a day, newest first; given is which of them, oldest first, are new."""
    days = enumerate(new_rows)
    return [VersionInfo(day, REFRESHED + day * DAY, META, changes_data=new) for day, new in days][
        ::-1
    ]


@pytest.mark.parametrize(
    ("retention", "oldest"),
    [
        (Retention(), 0),
        (Retention(versions=1), 4),
        (Retention(versions=2), 2),
        (Retention(versions=3), 1),
        (Retention(versions=9), 0),
        (Retention(age=2 * DAY), 2),
        (Retention(age=2.5 * DAY), 2),
        (Retention(age=3 * DAY), 1),
        (Retention(age=2 * DAY, versions=1), 2),
        (Retention(age=1 * DAY, versions=3), 1),
        (Retention(versions=1, grace=3 * DAY), 1),
    ],
    ids=str,
)
def test_a_version_stays_as_long_as_a_rule_keeps_it(retention: Retention, oldest: int) -> None:
    """Age counts from the day of replacement, and confirmations do not count as versions."""
    found = infos(True, True, True, False, True, False)
    now = REFRESHED + 5 * DAY
    assert oldest_kept(found, retention, current=5, now=now) == oldest


@given(
    new_rows=st.lists(st.booleans(), min_size=1, max_size=8),
    versions=st.none() | st.integers(1, 9),
    days=st.none() | st.integers(0, 9),
    back=st.integers(0, 7),
    grace=st.integers(0, 3),
)
def test_what_is_served_is_never_cleaned(
    new_rows: list[bool], versions: int | None, days: int | None, back: int, grace: int
) -> None:
    """Whatever the rules, the served version and all newer ones stay, and so does the grace."""
    found = infos(*new_rows)
    current = max(0, len(new_rows) - 1 - back)
    now = REFRESHED + len(new_rows) * DAY
    age = None if days is None else days * DAY
    retention = Retention(age=age, versions=versions, grace=grace * DAY)
    oldest = oldest_kept(found, retention, current=current, now=now)
    assert 0 <= oldest <= current
    assert oldest <= max(0, len(new_rows) - grace)
    if not retention:
        assert oldest == 0


def test_versions_without_a_time_stay() -> None:
    """What does not say when it was replaced is not known to be old."""
    found = [VersionInfo(n, None, META, changes_data=True) for n in (2, 1, 0)]
    assert oldest_kept(found, Retention(versions=1), current=2, now=REFRESHED) == 0
