"""Grains, date ids and period starts."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import GrainError
from app.periods import (
    SkipReason,
    absence,
    id_of,
    is_finer,
    moment_of,
    names_a_period,
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
    assert moment_of(day.isoformat(), start) == datetime.combine(day, time.min)
    assert moment_of(id_of(day, grain), start) == datetime.combine(start, time.min)


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
        ("\ufeff\u00a0", SkipReason.DATE_MISSING),
        (" # ", SkipReason.DATE_UNASSIGNED),
        ("0", SkipReason.DATE_UNUSED),
        ("00000000 ", SkipReason.DATE_UNUSED),
        ("0000-00-00", SkipReason.DATE_UNUSED),
        ("0000-00-00T00:00:00Z", SkipReason.DATE_UNUSED),
        ("00.00.0000", SkipReason.DATE_UNUSED),
        ("NOT_IN_HIERARCHY", SkipReason.DATE_UNPARSABLE),
        ("T:Z", SkipReason.DATE_UNPARSABLE),
    ],
)
@pytest.mark.parametrize("grain", list(Grain))
def test_what_is_no_date_has_a_reason(text: str | None, reason: SkipReason, grain: Grain) -> None:
    """What is no date at all is skipped for its own reason, whatever the grain."""
    assert parse_id(text, grain) is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("2024", None), ("FY24", None), ("#", SkipReason.DATE_UNASSIGNED), ("no date", None)],
)
def test_what_may_be_a_date_is_not_absent(text: str, reason: SkipReason | None) -> None:
    """Only what stands for no date at all is absent."""
    assert absence(text) is reason


@given(days, grains, st.sampled_from(["", " ", "\u00a0", "\ufeff", "\t\n"]))
def test_blanks_around_a_date_do_not_count(day: date, grain: Grain, blank: str) -> None:
    """An id is the same with blanks around it, seen or unseen."""
    assert parse_id(f"{blank}{id_of(day, grain)}{blank}", grain) == period_start(day, grain)


midnights = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["T", " ", "t"]),
    st.sampled_from(["00:00", "00:00:00", "000000", "00:00:00.000", "00:00:00,0000000"]),
    st.sampled_from(["", " "]),
    st.sampled_from(["", "Z", "z", "+00:00", "-05:30", "+1400"]),
)


@given(days, grains, st.sampled_from(["%s-%s-%s", "%s/%s/%s", "%s.%s.%s", "%s%s%s"]), midnights)
def test_a_midnight_is_its_day(day: date, grain: Grain, form: str, clock: str) -> None:
    """A timestamp at midnight is the day that it names, for every grain, whatever its zone."""
    text = form % tuple(day.isoformat().split("-")) + clock.rstrip(" ")
    assert parse_id(text, grain) == period_start(day, grain)
    assert moment_of(text, day) == datetime.combine(day, time.min)


@given(st.datetimes(datetime(1, 1, 8)), grains)  # noqa: DTZ001 - moments have no zone
def test_a_moment_without_a_zone_lies_in_its_day(moment: datetime, grain: Grain) -> None:
    """A time of day is kept apart from others of its day, and belongs to it."""
    start = period_start(moment.date(), grain)
    assert parse_id(moment.isoformat(), grain) == start
    assert moment_of(moment.isoformat(), start) == moment


@given(days, grains)
def test_milliseconds_since_1970_are_a_day(day: date, grain: Grain) -> None:
    """A date of OData V2 is read if it is a midnight."""
    seconds = int(datetime.combine(day, time.min, UTC).timestamp())
    assert parse_id(f"/Date({seconds}000)/", grain) == period_start(day, grain)
    assert parse_id(f"/Date({seconds}000+0000)/", grain) == period_start(day, grain)
    with pytest.raises(GrainError, match="with a time zone"):
        parse_id(f"/Date({seconds}001)/", grain)


@pytest.mark.parametrize(
    ("text", "grain", "day"),
    [
        ("2024Q2", Grain.QUARTER, date(2024, 4, 1)),
        ("2024-Q3", Grain.QUARTER, date(2024, 7, 1)),
        ("Q4.2024", Grain.QUARTER, date(2024, 10, 1)),
        ("q4 2024", Grain.QUARTER, date(2024, 10, 1)),
        ("Q12024", Grain.QUARTER, date(2024, 1, 1)),
        ("1Q2024", Grain.QUARTER, date(2024, 1, 1)),
        ("2024/q02", Grain.QUARTER, date(2024, 4, 1)),
        ("2024W05", Grain.WEEK, date(2024, 1, 29)),
        ("2024-W07", Grain.WEEK, date(2024, 2, 12)),
        ("2024-w7", Grain.WEEK, date(2024, 2, 12)),
        ("W07.2024", Grain.WEEK, date(2024, 2, 12)),
        ("KW07/2024", Grain.WEEK, date(2024, 2, 12)),
        ("2020-W53", Grain.WEEK, date(2020, 12, 28)),
        ("2024-W07-3", Grain.DAY, date(2024, 2, 14)),
        ("2024W073", Grain.MONTH, date(2024, 2, 1)),
        ("2024-02", Grain.MONTH, date(2024, 2, 1)),
        ("2024/02", Grain.MONTH, date(2024, 2, 1)),
        ("02.2024", Grain.MONTH, date(2024, 2, 1)),
        ("2024M02", Grain.MONTH, date(2024, 2, 1)),
        ("2024-m2", Grain.MONTH, date(2024, 2, 1)),
        ("20240201000000", Grain.MONTH, date(2024, 2, 1)),
        ("2024-02-29T23:59:59", Grain.MONTH, date(2024, 2, 1)),
        ("2024-02-29Z", Grain.DAY, date(2024, 2, 29)),
    ],
)
def test_a_date_that_can_mean_one_thing_is_read(text: str, grain: Grain, day: date) -> None:
    """A period that says of which kind it is, and a day in its usual forms, are read."""
    assert parse_id(text, grain) == day


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024001", "no form that can mean one thing only"),
        ("2024.001", "no form that can mean one thing only"),
        ("٢٠٢٤", "no form that can mean one thing only"),
        ("FY24P01", "no form that can mean one thing only"),
        ("01.02.2024", "no form that can mean one thing only"),
        ("01/02/2024", "no form that can mean one thing only"),
        ("Q1 24", "no form that can mean one thing only"),
        ("1706745600000", "no form that can mean one thing only"),
        ("2024-02-01T00", "no form that can mean one thing only"),
        ("Feb 2024", "no form that can mean one thing only"),
        ("2024-02-01T00:00:00+99:00", "no form that can mean one thing only"),
        ("2024-01-31T23:00:00Z", "a moment with a time zone"),
        ("2024-02-01T00:00:00.001+01:00", "a moment with a time zone"),
        ("/Date(1706742000000)/", "a moment with a time zone"),
        ("/Date(999999999999999)/", "no period that exists"),
        ("2024Q5", "no period that exists"),
        ("2024-W54", "no period that exists"),
        ("2024-13", "no period that exists"),
        ("2024-02-30T00:00:00", "no period that exists"),
        ("2024-02-01T24:00:00", "no period that exists"),
        ("2024-W07-9", "no period that exists"),
        ("9" * 5_000, "'999999999999999999999999999…999999999999'"),
    ],
)
@pytest.mark.parametrize("grain", list(Grain))
def test_a_date_that_may_mean_several_things_stops_the_pull(
    text: str, words: str, grain: Grain
) -> None:
    """What has digits and is not surely a date is refused by name, never dropped."""
    with pytest.raises(GrainError) as caught:
        parse_id(text, grain)
    assert words in caught.value.problem
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "grain", "period"),
    [
        ("202401", Grain.MONTH, True),
        ("2024-Q3", Grain.QUARTER, True),
        ("2024-Q3", Grain.MONTH, False),
        ("20240201", Grain.DAY, True),
        ("2024-02-01", Grain.DAY, False),
        ("20240201000000", Grain.DAY, False),
        ("FY24", Grain.DAY, False),
        ("#", Grain.DAY, False),
    ],
)
def test_a_period_is_told_from_a_day_in_it(text: str, grain: Grain, *, period: bool) -> None:
    """Only a period of the very grain names one; a day belongs to periods of all grains."""
    assert names_a_period(text, grain) is period


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
        ("2024-Q3", Grain.MONTH, "grain of the dataset to quarter"),
        ("W05.2024", Grain.DAY, "grain of the dataset to week"),
        ("2024-07", Grain.WEEK, "grain of the dataset to month"),
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
