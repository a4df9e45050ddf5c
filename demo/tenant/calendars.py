"""Small models whose dates are unusual: weeks, ids of a customer's own, two dates, no version."""

import datetime as dt
import random
from collections.abc import Iterator, Sequence

from demo.tenant.models import Dimension, Measure, Member, Model, table_of
from demo.tenant.samples import ACTUAL, MONTHS, SEED, VERSIONS
from demo.tenant.tables import Table

WEEKS = "CSIMWEEK00000000000000000G7"
OWN_PERIODS = "CSIMOWNDATES00000000000H8"
OWN_WEEKS = "CSIMOWNDATESWEEKS0000000I9"
TWO_DATES = "CSIMTWODATES000000000000J1"
NO_VERSION = "CSIMNOVERSION00000000000K2"

START = "START_DATE"
REGIONS = ("EMEA", "AMER", "APJ")
# Neither month nor week: what is booked there has no place on a time axis.
UNDATED = (
    Member("OPENING", "Opening balance", attributes={START: None}),
    Member("FY25P13", "Closing period", attributes={START: ""}),
)


def weeks() -> Iterator[tuple[int, int]]:
    """Yield the ISO weeks from the first to the last day of the tenant, as year and week."""
    day = dt.date(2023, 10, 30)
    while day < dt.date(2027, 1, 4):
        yield day.isocalendar()[:2]
        day += dt.timedelta(weeks=1)


def _first_of(period: int) -> dt.date:
    """Return the first day of the n-th month of fiscal 2024, which begins in October 2023."""
    return dt.date(2023 + (9 + period) // 12, (9 + period) % 12 + 1, 1)


def own_periods() -> tuple[Member, ...]:
    """Return three fiscal years of periods, each with the day on which it starts."""
    dated = (
        Member(
            f"FY{24 + period // 12}P{period % 12 + 1:02d}",
            f"Period {period % 12 + 1} of fiscal {2024 + period // 12}",
            attributes={START: _first_of(period).isoformat()},
        )
        for period in range(36)
    )
    return (*dated, *UNDATED)


def own_weeks() -> tuple[Member, ...]:
    """Return weeks under ids of a customer's own, each with its Monday."""
    dated = (
        Member(
            f"W-{year}-{week:02d}",
            f"Week {week} of {year}",
            attributes={START: dt.date.fromisocalendar(year, week, 1).isoformat()},
        )
        for year, week in weeks()
    )
    return (*dated, *UNDATED[:1])


def _amounts(seed: int, count: int) -> list[str]:
    """Return amounts with two decimals, the same for each tenant."""
    rng = random.Random(SEED + seed)  # noqa: S311 - repeatable, not secret
    return [f"{rng.randrange(1_000, 900_000) / 100:.2f}" for _ in range(count)]


def _model(
    names: tuple[str, str, str],
    dates: Sequence[Dimension],
    periods: Sequence[tuple[str, ...]],
    *,
    versioned: bool = True,
) -> Model:
    """Return a model with one measure over regions and some dates.

    Args:
        names: The id, the name and the description.
        dates: The date dimensions.
        periods: The combinations of dates that are booked.
        versioned: Whether there is a version dimension.
    """
    version = [Dimension("Version", "version", VERSIONS)] if versioned else []
    dimensions = (*version, *dates, Dimension("Region"))

    def build() -> Table:
        keys = [(*period, region) for period in periods for region in REGIONS]
        columns: dict[str, Sequence[str | None]] = {}
        if versioned:
            columns["Version"] = [ACTUAL] * len(keys)
        for place, dimension in enumerate((*dates, Dimension("Region"))):
            columns[dimension.name] = [key[place] for key in keys]
        columns["Revenue"] = _amounts(len(names[0]) + len(keys), len(keys))
        return table_of(columns, ("Revenue",))

    return Model(*names, dimensions, (Measure("Revenue"),), build)


def week_model() -> Model:
    """Return the model whose dates are YYYYWW."""
    names = (WEEKS, "Weekly sales", "Week grain, YYYYWW")
    return _model(
        names, [Dimension("Date", "date")], [(f"{year}{week:02d}",) for year, week in weeks()]
    )


def own_date_models() -> Iterator[Model]:
    """Yield the models whose date ids a customer made up; only their masters know the days."""
    known = (
        ((OWN_PERIODS, "Fiscal sales", "User-managed dates, FY24P01"), own_periods()),
        ((OWN_WEEKS, "Shop sales", "User-managed dates, W-2024-05"), own_weeks()),
    )
    for names, members in known:
        dimension = Dimension("Date", "date", members, attributes=(START,))
        yield _model(names, [dimension], [(member.id,) for member in members])


def two_date_model() -> Model:
    """Return the model with a posting month and the day on which the record was added."""
    days = [f"{month}{3 + place % 25:02d}" for place, month in enumerate(MONTHS)]
    return _model(
        (TWO_DATES, "Late bookings", "Two date dimensions"),
        [Dimension("Date", "date"), Dimension("AddedDate", "date", label="Added on")],
        # A record is added in its own month, and corrected in the next one.
        [*zip(MONTHS, days, strict=True), *zip(MONTHS, days[1:], strict=False)],
    )


def no_version_model() -> Model:
    """Return the analytic model: it has no version dimension."""
    return _model(
        (NO_VERSION, "Web visits", "Analytic model, no version"),
        [Dimension("Date", "date")],
        [(month,) for month in MONTHS],
        versioned=False,
    )
