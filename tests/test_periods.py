"""Grains, date ids and period starts."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import GrainError
from app.periods import (
    SkipReason,
    day_of,
    id_of,
    is_finer,
    next_period,
    parse_id,
    period_start,
    period_starts,
    window_start,
)
from app.records import Grain, Window

grains = st.sampled_from(Grain)
days = st.dates(min_value=date(1, 1, 8))


@given(days, grains)
def test_an_id_and_its_period_are_inverse(day: date, grain: Grain) -> None:
    """The id of a day's period reads back as the first day of that period."""
    assert parse_id(id_of(day, grain), grain) == period_start(day, grain)


@given(days, grains)
def test_an_iso_date_is_aligned_down(day: date, grain: Grain) -> None:
    """An ISO date is accepted for every grain and moved to the start of its period."""
    assert parse_id(day.isoformat(), grain) == period_start(day, grain)


@given(days, grains)
def test_a_period_start_is_its_own_start(day: date, grain: Grain) -> None:
    """The start of a period lies at or before the day, and starts itself."""
    start = period_start(day, grain)
    assert start <= day
    assert period_start(start, grain) == start


@given(days, grains)
def test_a_date_keeps_its_day_if_it_names_one(day: date, grain: Grain) -> None:
    """An ISO date is its own day; an id is the first day of its period."""
    start = period_start(day, grain)
    assert day_of(day.isoformat(), start) == day
    assert day_of(id_of(day, grain), start) == start


@given(st.dates(min_value=date(1, 1, 8), max_value=date(9990, 1, 1)), grains)
def test_the_next_period_follows_without_a_gap(day: date, grain: Grain) -> None:
    """The day before the next period belongs to this one."""
    following = next_period(day, grain)
    assert following > day
    eve = date.fromordinal(following.toordinal() - 1)
    assert period_start(eve, grain) == period_start(day, grain)


@given(st.lists(days | st.none(), min_size=1), grains)
def test_arrow_and_python_agree_on_period_starts(found: list[date | None], grain: Grain) -> None:
    """The vectorised period starts are those of the plain function, and null stays null."""
    starts = period_starts(pa.chunked_array([pa.array(found, pa.date32())]), grain)
    assert starts.type == pa.date32()
    assert starts.to_pylist() == [day and period_start(day, grain) for day in found]


@given(st.text(max_size=12) | st.none(), grains)
def test_any_text_is_a_date_a_reason_or_a_grain_error(text: str | None, grain: Grain) -> None:
    """No text whatever raises anything but a grain error."""
    with suppress(GrainError):
        assert isinstance(parse_id(text, grain), date | SkipReason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, SkipReason.DATE_MISSING),
        ("", SkipReason.DATE_MISSING),
        ("  ", SkipReason.DATE_MISSING),
        ("#", SkipReason.DATE_UNASSIGNED),
        ("0000", SkipReason.DATE_UNUSED),
        ("000000", SkipReason.DATE_UNUSED),
        ("NOT_IN_HIERARCHY", SkipReason.DATE_UNPARSABLE),
        ("2024001", SkipReason.DATE_UNPARSABLE),
        ("٢٠٢٤", SkipReason.DATE_UNPARSABLE),
        (" 202401", SkipReason.DATE_UNPARSABLE),
    ],
)
@pytest.mark.parametrize("grain", list(Grain))
def test_what_is_no_date_has_a_reason(text: str | None, reason: SkipReason, grain: Grain) -> None:
    """What is no date at all is skipped for its own reason, whatever the grain."""
    assert parse_id(text, grain) is reason


@pytest.mark.parametrize(
    ("text", "grain", "hint"),
    [
        ("20243", Grain.MONTH, "grain of the dataset to quarter"),
        ("2024", Grain.DAY, "grain of the dataset to year"),
        ("20240131", Grain.MONTH, "grain of the dataset to day"),
        ("202401", Grain.DAY, "grain of the dataset to week or month"),
        ("202413", Grain.MONTH, "grain of the dataset to week"),
        ("202401", Grain.QUARTER, "grain of the dataset to week or month"),
        ("202453", Grain.WEEK, "Correct the date"),
        ("202400", Grain.MONTH, "Correct the date"),
        ("20240230", Grain.DAY, "Correct the date"),
        ("20240230", Grain.MONTH, "Correct the date"),
        ("20245", Grain.QUARTER, "Correct the date"),
        ("2024-02-30", Grain.MONTH, "Correct the date"),
    ],
)
def test_a_date_of_another_grain_stops_the_pull(text: str, grain: Grain, hint: str) -> None:
    """An id of another grain names that grain; an impossible one asks for a correction."""
    with pytest.raises(GrainError) as caught:
        parse_id(text, grain)
    assert f"'{text}'" in caught.value.problem
    assert hint in caught.value.next_step


@given(grains, grains)
def test_finer_is_a_strict_order(one: Grain, other: Grain) -> None:
    """Of two different grains exactly one is finer; none is finer than itself."""
    assert is_finer(one, other) + is_finer(other, one) == (one is not other)
    assert is_finer(Grain.DAY, Grain.YEAR)


@pytest.mark.parametrize(
    ("window", "grain", "start"),
    [
        (Window(1, Grain.MONTH), Grain.MONTH, date(2026, 11, 1)),
        (Window(3, Grain.MONTH), Grain.MONTH, date(2026, 9, 1)),
        (Window(12, Grain.MONTH), Grain.MONTH, date(2025, 12, 1)),
        (Window(2, Grain.MONTH), Grain.QUARTER, date(2026, 10, 1)),
        (Window(2, Grain.QUARTER), Grain.MONTH, date(2026, 7, 1)),
        (Window(7, Grain.DAY), Grain.DAY, date(2026, 11, 15)),
        (Window(1, Grain.WEEK), Grain.DAY, date(2026, 11, 16)),
        (Window(1, Grain.YEAR), Grain.MONTH, date(2026, 1, 1)),
        (Window(9999, Grain.YEAR), Grain.YEAR, date(1, 1, 1)),
    ],
)
def test_a_window_ends_with_the_present_period(window: Window, grain: Grain, start: date) -> None:
    """The present period counts, and the window starts with a whole period of the series."""
    assert window_start(date(2026, 11, 21), window, grain) == start


@given(st.dates(), st.integers(min_value=1, max_value=40), grains, grains)
def test_a_window_starts_with_a_whole_period(
    today: date, count: int, length: Grain, grain: Grain
) -> None:
    """Whatever the window, its first day starts a period and is not in the future."""
    start = window_start(today, Window(count, length), grain)
    assert start == period_start(start, grain)
    assert start <= today
