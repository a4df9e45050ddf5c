"""The models whose dates are unusual, and what their masters say of them."""

import datetime as dt
import itertools
import re

import pytest

from demo.tenant.bulk import DAILY, FIRST_DAY, LAST_DAY
from demo.tenant.calendars import NO_VERSION, OWN_PERIODS, OWN_WEEKS, TWO_DATES, WEEKS
from tests.demo.tenant.conftest import SERVICE, Caller


async def dates_of(caller: Caller, model: str, column: str = "Date") -> list[str]:
    """Return the distinct dates of a model, as the service tells them."""
    url = f"{SERVICE}/{model}/{column}___Distinct?$orderby={column}&pagesize=5000"
    return [row[column] for row in await caller.pull(url)]


async def test_the_models_cover_every_grain(caller: Caller) -> None:
    """Days, weeks, months, quarters and years, in the forms that SAC uses."""
    forms: set[int] = set()
    for model in caller.state.models.values():
        column = model.role("date") or ""
        dates = {v for v in model.facts.by_name[column].values if v and v not in {"#", "0000"}}
        if all(date.isdigit() for date in dates):
            lengths = {len(date) for date in dates}
            assert len(lengths) == 1, model.id
            forms |= lengths
    assert forms == {4, 5, 6, 8}


async def test_weeks_go_beyond_the_twelfth_and_up_to_the_53rd(caller: Caller) -> None:
    """Six digits that no reader of months can take; without a gap from week to week."""
    dates = await dates_of(caller, WEEKS)
    mondays = [dt.date.fromisocalendar(int(d[:4]), int(d[4:]), 1) for d in dates]
    steps = {b - a for a, b in itertools.pairwise(mondays)}
    assert steps == {dt.timedelta(weeks=1)}
    assert {"202344", "202401", "202452", "202653"} <= set(dates)


@pytest.mark.parametrize(
    ("model", "form", "known", "undated"),
    [
        (OWN_PERIODS, r"FY\d\dP\d\d", ("FY24P01", "2023-10-01"), {"OPENING": None, "FY25P13": ""}),
        (OWN_WEEKS, r"W-\d{4}-\d\d", ("W-2024-05", "2024-01-29"), {"OPENING": None}),
    ],
)
async def test_only_the_master_dates_the_ids_that_a_customer_made_up(
    caller: Caller,
    model: str,
    form: str,
    known: tuple[str, str],
    undated: dict[str, str | None],
) -> None:
    """The master gives each id a day in ISO form, but to a few it gives none."""
    rows = (await caller.page(f"{SERVICE}/{model}/DateMaster"))["value"]
    assert all(list(row) == ["DATE", "Description", "START_DATE"] for row in rows)
    days = {row["DATE"]: row["START_DATE"] for row in rows}
    assert {name: day for name, day in days.items() if not day} == undated
    dated = {name: dt.date.fromisoformat(day) for name, day in days.items() if day}
    assert all(re.fullmatch(form, name) for name in dated)
    assert days[known[0]] == known[1]
    assert len(set(dated.values())) == len(dated)
    assert sorted(dated) == sorted(dated, key=dated.__getitem__)
    assert set(await dates_of(caller, model)) == set(days)


async def test_a_model_can_have_two_dates(caller: Caller) -> None:
    """A month and a day, both with a master that calls them dates; a month was added twice."""
    months = await dates_of(caller, TWO_DATES)
    days = await dates_of(caller, TWO_DATES, "AddedDate")
    assert {len(month) for month in months} == {6}
    assert {len(day) for day in days} == {8}
    for name in ("Date", "AddedDate"):
        master = await caller.page(f"{SERVICE}/{TWO_DATES}/{name}Master")
        assert "DATE" in master["value"][0]
    where = "Date%20eq%20'202401'%20and%20Region%20eq%20'EMEA'"
    rows = (await caller.page(f"{SERVICE}/{TWO_DATES}/FactData?$filter={where}"))["value"]
    assert len({row["AddedDate"][:6] for row in rows}) == 2


async def test_a_model_can_lack_a_version(caller: Caller) -> None:
    """Neither its facts nor its sets know one."""
    page = await caller.page(f"{SERVICE}/{NO_VERSION}/FactData?pagesize=1")
    assert list(page["value"][0]) == ["Date", "Region", "Revenue"]
    sets = (await caller.page(f"{SERVICE}/{NO_VERSION}/"))["value"]
    assert "VersionMaster" not in [entry["name"] for entry in sets]


async def test_a_day_model_has_a_date_master(caller: Caller) -> None:
    """It holds every day of three years, and is selected, filtered, cut, counted and paged."""
    url = f"{SERVICE}/{DAILY}/DateMaster"
    length = (LAST_DAY - FIRST_DAY).days + 1
    days = [f"{FIRST_DAY + dt.timedelta(days=day):%Y%m%d}" for day in range(length)]
    assert set(await dates_of(caller, DAILY)) < set(days)
    page = await caller.page(f"{url}?$count=true&$top=0")
    assert (page["@odata.count"], page["value"]) == (len(days), [])
    rows = await caller.pull(f"{url}?$select=DATE&pagesize=40&$orderby=DATE")
    assert rows == [{"DATE": day} for day in days]
    where = "DATE%20ge%20'2025'%20and%20not%20startswith(DATE,'2026')"
    page = await caller.page(f"{url}?$filter={where}&$count=true&$top=2&$orderby=DATE")
    wanted = [day for day in days if day.startswith("2025")]
    assert page["@odata.count"] == len(wanted)
    assert [row["DATE"] for row in page["value"]] == wanted[:2]


async def test_distinct_values_are_told_once(caller: Caller) -> None:
    """Under the context of their own set, and paged like any other."""
    page = await caller.page(f"{SERVICE}/{WEEKS}/Region___Distinct?pagesize=2&$orderby=Region")
    assert page["@odata.context"] == "$metadata#Region___Distinct"
    assert page["value"] == [{"Region": "AMER"}, {"Region": "APJ"}]
    rest = await caller.page(page["@odata.nextLink"])
    assert rest["value"] == [{"Region": "EMEA"}]
