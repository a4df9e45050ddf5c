"""The large models of the tenant, made column by column: daily sales and a wide one."""

import datetime as dt

import numpy as np

from demo.tenant.models import Dimension, Measure, Model
from demo.tenant.samples import ACTUAL, SEED, TARGET, VERSIONS
from demo.tenant.tables import Column, Table

DAILY = "CSIMDAILY00000000000000C3"
WIDE = "CSIMWIDE0000000000000000F6"

DEFAULT_ROWS = 20_000
WIDE_ROWS = 100_000
FIRST_DAY, LAST_DAY = dt.date(2023, 11, 1), dt.date(2026, 10, 31)

# Members and ids of such a number and length that a row has some 220 bytes of JSON.
_DAILY_MEMBERS: dict[str, tuple[str, ...]] = {
    "Region": ("EMEA", "AMER", "APJ", "MEE", "GCN", "LAC"),
    "Product": tuple(f"PRD-{number:05d}" for number in range(60)),
    "Customer": tuple(f"CUST-{number:06d}" for number in range(400)),
    "Channel": ("Direct", "Partner", "Online"),
    "Company": tuple(f"C{number:03d}" for number in range(1, 13)),
    "CostCenter": tuple(f"CC{number:04d}" for number in range(1000, 1040)),
    "Currency": ("EUR", "USD", "JPY"),
}


def _column(rng: np.random.Generator, name: str, values: tuple[str, ...], rows: int) -> Column:
    """Return a column of random members."""
    return Column(name, rng.integers(0, len(values), rows, np.int32), values)


def _amounts(rng: np.random.Generator, name: str, size: int, rows: int) -> Column:
    """Return a measure of `size` distinct amounts with two decimals, a few of them negative."""
    cents = np.arange(size) - size // 20
    values = tuple(
        f"{'-' if c < 0 else ''}{abs(c) // 100}.{abs(c) % 100:02d}" for c in cents.tolist()
    )
    return Column(name, rng.integers(0, size, rows, np.int32), values, numeric=True)


def daily_model(rows: int = DEFAULT_ROWS) -> Model:
    """Return the daily model with this many rows."""
    days = [FIRST_DAY + dt.timedelta(days=day) for day in range((LAST_DAY - FIRST_DAY).days + 1)]

    def build() -> Table:
        rng = np.random.default_rng(SEED)
        dates = tuple(day.strftime("%Y%m%d") for day in days)
        columns = [
            Column("Version", (rng.random(rows) < 0.25).astype(np.int32), (ACTUAL, TARGET)),  # noqa: PLR2004
            _column(rng, "Date", dates, rows),
            *(_column(rng, name, values, rows) for name, values in _DAILY_MEMBERS.items()),
            _amounts(rng, "Amount", 200_000, rows),
            _amounts(rng, "Quantity", 5_000, rows),
        ]
        return Table(tuple(columns), rows)

    dimensions = (
        Dimension("Version", "version", VERSIONS),
        Dimension("Date", "date"),
        *(Dimension(name) for name in _DAILY_MEMBERS),
    )
    measures = (Measure("Amount", 34, 6), Measure("Quantity", 34, 6))
    return Model(DAILY, "Daily sales", "Day grain, YYYYMMDD", dimensions, measures, build)


def wide_model() -> Model:
    """Return the wide model: 24 dimensions and 8 measures, a month in each row."""
    members = {
        f"Attribute{place:02d}": tuple(f"A{place:02d}-{number:03d}" for number in range(3 + place))
        for place in range(1, 23)
    }
    names = [f"Measure{place}" for place in range(1, 9)]

    def build() -> Table:
        rng = np.random.default_rng(SEED + 2)
        dates = tuple(f"{year}{month:02d}" for year in (2024, 2025) for month in range(1, 13))
        columns = [
            Column("Version", np.zeros(WIDE_ROWS, np.int32), (ACTUAL,)),
            _column(rng, "Time", dates, WIDE_ROWS),
            *(_column(rng, name, values, WIDE_ROWS) for name, values in members.items()),
            *(_amounts(rng, name, 10_000, WIDE_ROWS) for name in names),
        ]
        return Table(tuple(columns), WIDE_ROWS)

    dimensions = (
        Dimension("Version", "version", VERSIONS),
        Dimension("Time", "date"),
        *(Dimension(name) for name in members),
    )
    measures = tuple(Measure(name) for name in names)
    return Model(WIDE, "Wide sales", "24 dimensions, 8 measures", dimensions, measures, build)
