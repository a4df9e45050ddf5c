"""The small models of the tenant: a plan with measures, accounts, quarters and years.

Everything is made from a fixed seed, so two tenants hold the same rows. The members carry the
characters that break careless URLs; the facts carry what breaks careless sums: doubled keys, nulls,
gaps, unassigned members.
"""

import random
from collections.abc import Iterator

from demo.tenant.models import Dimension, Measure, Member, Model, table_of
from demo.tenant.tables import Table

PLAN = "CSIMPLAN0000000000000000A1"
ACCOUNTS = "CSIMACCT0000000000000000B2"
QUARTERS = "CSIMQUARTER000000000000D4"
YEARS = "CSIMYEAR0000000000000000E5"

SEED = 20261031
ACTUAL, BUDGET, TARGET = "public.Actual", "public.My Budget", "public.Plan"
VERSIONS = (
    Member(ACTUAL, "Actual"),
    Member(TARGET, "Plan"),
    Member(BUDGET, "My Budget"),
)
# Facts are booked on leaves only; a filter on one of the nodes finds nothing.
REGIONS = (
    Member("WORLD", "World"),
    Member("EAST", "Eastern half", "WORLD"),
    Member("WEST", "Western half", "WORLD"),
    Member("EMEA", "Europe, Middle East and Africa", "EAST"),
    Member("AMER", "Americas", "WEST"),
    Member("APJ", "Asia, Pacific and Japan", "EAST"),
    Member("Côte d'Ivoire", "Côte d'Ivoire", "WEST"),
    Member("Zürich/Süd", "Zürich, south", "EAST"),
    Member("R&D + 50%", "Research & development, half", "WEST"),
)
REGION_LEAVES = tuple(region.id for region in REGIONS[3:])
PRODUCTS = (
    Member("P1", "Pump"),
    Member("P2", "Valve"),
    Member("Kühlgerät Ä 7", "Cooler"),
    Member("A/B+C & 100%", "Bundle"),
    Member("Rocket 🚀", "Rocket"),
)


def months(first: int, last: int) -> list[str]:
    """Return the months from `first` to `last`, both given and returned as YYYYMM."""
    numbers = range(first // 100 * 12 + first % 100 - 1, last // 100 * 12 + last % 100)
    return [f"{number // 12}{number % 12 + 1:02d}" for number in numbers]


MONTHS = months(202311, 202610)

PlanRow = tuple[str, str, str, str, str | None, str | None]


def _amount(number: int) -> str:
    """Write cents as decimal text."""
    sign, whole = ("-" if number < 0 else ""), abs(number)
    return f"{sign}{whole // 100}.{whole % 100:02d}"


def _gap(place: int, region: str, product: str) -> bool:
    """Tell whether a combination has no booking in a month: absent, not zero."""
    if region == "APJ" and product == "P2":
        return place in range(5, 8)
    if product == "Rocket 🚀":
        return place in range(12)
    return region == "R&D + 50%" and place in range(3, 36, 7)


def _plan_rows() -> Iterator[PlanRow]:
    """Yield the bookings of the plan model."""
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    for version, scale in ((ACTUAL, 100), (TARGET, 105), (BUDGET, 98)):
        for place, month in enumerate(MONTHS):
            for region in REGION_LEAVES:
                for product in (member.id for member in PRODUCTS):
                    if not _gap(place, region, product):
                        yield from _bookings(rng, (version, month, region, product), scale + place)
    yield from _oddities()


def _bookings(rng: random.Random, key: tuple[str, str, str, str], scale: int) -> Iterator[PlanRow]:
    """Yield the records of one key: the first carries the head count, others may be empty."""
    records = rng.choice((1, 1, 1, 2, 3))
    for record in range(records):
        revenue = _amount(rng.randrange(10_000, 90_000) * scale // 100 - (record > 0) * 50_000)
        empty = record > 0 and rng.random() < 0.1  # noqa: PLR2004
        heads = str(rng.randrange(10, 60)) if record == 0 else None
        yield (*key, None if empty else revenue, heads)


def _oddities() -> Iterator[PlanRow]:
    """Yield what a careful reader has to count, and numbers that a float cannot hold."""
    yield ACTUAL, "202406", "#", "P1", "125.50", None
    yield ACTUAL, "202406", "#", "#", "-25.25", "1"
    yield ACTUAL, "0000", "EMEA", "P1", "77.77", None
    yield ACTUAL, "0000", "AMER", "P2", None, None
    yield ACTUAL, "#", "APJ", "P1", "5.00", "2"
    yield BUDGET, "202511", "EMEA", "P1", "123456789012345678901.1234567", None
    yield BUDGET, "202511", "EMEA", "P1", "-123456789012345678900.1234567", None
    yield BUDGET, "202512", "EMEA", "P1", "0.0000001", None
    yield BUDGET, "202512", "EMEA", "P1", "98765432109876543210", "0"


def plan_model() -> Model:
    """Return the monthly plan: two measures, of which one is a head count."""

    def build() -> Table:
        names = ("Version", "Date", "Region", "Product", "Revenue", "Headcount")
        columns = dict(zip(names, zip(*_plan_rows(), strict=True), strict=True))
        return table_of(columns, ("Revenue", "Headcount"))

    return Model(
        PLAN,
        "Sales plan",
        "Monthly plan, measures",
        (
            Dimension("Version", "version", VERSIONS),
            Dimension("Date", "date", label="Posting period"),
            Dimension("Region", members=(*REGIONS, Member("#", "Unassigned")), hierarchy="H1"),
            Dimension("Product", members=(*PRODUCTS, Member("#", "Unassigned"))),
        ),
        (Measure("Revenue"), Measure("Headcount", exception="LAST")),
        build,
    )


def _account(name: str, description: str, kind: str, parent: str, over_time: str = "") -> Member:
    """Describe an account; `over_time` says what stands in place of a sum over dates."""
    attributes = {
        "accType": kind,
        "aggregationType": "SUM",
        "exceptionAggregationType": over_time,
    }
    return Member(name, description, parent or None, attributes)


ACCOUNT_MEMBERS = (
    Member("PL", "Profit and loss", attributes={"accType": "INC"}),
    Member("BS", "Balance sheet", attributes={"accType": "AST"}),
    _account("REVENUE", "Revenue", "INC", "PL"),
    _account("OTHER_INCOME", "Other income", "INC", "PL"),
    _account("MATERIAL", "Material", "EXP", "PL"),
    _account("PAYROLL", "Payroll", "EXP", "PL"),
    _account("CASH", "Cash", "AST", "BS", "LAST"),
    _account("DEBT", "Debt", "LEQ", "BS", "LAST"),
    _account("HEADCOUNT", "Head count", "NFIN", "", "LAST"),
    _account("PRICE", "Price per unit", "NFIN", "", "AVG"),
    _account("UNITS", "Units sold", "NFIN", ""),
)

AccountRow = tuple[str, str, str, str, str | None]


def _account_rows() -> Iterator[AccountRow]:
    """Yield the bookings of the account model, with the signs that a ledger stores."""
    rng = random.Random(SEED + 1)  # noqa: S311 - repeatable, not secret
    spans = {
        "REVENUE": (-900_000, -400_000),
        "OTHER_INCOME": (-50_000, -1_000),
        "MATERIAL": (100_000, 300_000),
        "PAYROLL": (150_000, 250_000),
        "CASH": (500_000, 900_000),
        "DEBT": (-400_000, -200_000),
        "HEADCOUNT": (1_000, 5_000),
    }
    for version in (ACTUAL, TARGET):
        for month in MONTHS:
            for account, (low, high) in spans.items():
                for centre in ("CC100", "CC200", "CC 300/ä"):
                    for _ in range(rng.choice((1, 1, 2))):
                        yield version, month, account, centre, _amount(rng.randrange(low, high))
    yield from _more_figures()
    yield ACTUAL, "202501", "REVENUE", "#", None
    yield ACTUAL, "202501", "REVENUE", "#", "-1.0000001"


def _more_figures() -> Iterator[AccountRow]:
    """Yield figures that are no money: a price, which is averaged over time, and a quantity."""
    rng = random.Random(SEED + 3)  # noqa: S311 - repeatable, not secret
    for version in (ACTUAL, TARGET):
        for month in MONTHS:
            yield version, month, "PRICE", "CC100", _amount(rng.randrange(900, 1_100))
            yield version, month, "UNITS", "CC100", str(rng.randrange(10, 99))


def account_model() -> Model:
    """Return the account model: one measure, whose meaning the account gives."""

    def build() -> Table:
        names = ("Version", "Date", "Account", "CostCenter", "SignedData")
        columns = dict(zip(names, zip(*_account_rows(), strict=True), strict=True))
        return table_of(columns, ("SignedData",))

    return Model(
        ACCOUNTS,
        "Sales plan",
        "Account model",
        (
            Dimension("Version", "version", VERSIONS),
            Dimension("Date", "date"),
            Dimension("Account", "account", ACCOUNT_MEMBERS, hierarchy="parentId"),
            Dimension("CostCenter"),
        ),
        (Measure("SignedData", 34, 6),),
        build,
    )


def _grain_model(name: str, title: str, description: str, periods: list[str]) -> Model:
    """Return a small model of one version, one region and one measure over some periods."""

    def build() -> Table:
        rng = random.Random(SEED + len(periods))  # noqa: S311 - repeatable, not secret
        keys = [(period, region) for period in periods for region in ("EMEA", "AMER", "APJ")]
        columns = {
            "Version": [ACTUAL for _ in keys],
            "Date": [period for period, _ in keys],
            "Region": [region for _, region in keys],
            "Revenue": [_amount(rng.randrange(1_000, 900_000)) for _ in keys],
        }
        return table_of(columns, ("Revenue",))

    dimensions = (
        Dimension("Version", "version", VERSIONS),
        Dimension("Date", "date"),
        Dimension("Region"),
    )
    return Model(name, title, description, dimensions, (Measure("Revenue"),), build)


def quarter_model() -> Model:
    """Return the model whose dates are YYYYQ."""
    periods = [f"{year}{quarter}" for year in range(2023, 2027) for quarter in range(1, 5)][:-1]
    return _grain_model(QUARTERS, "Quarterly sales", "Quarter grain, YYYYQ", periods)


def year_model() -> Model:
    """Return the model whose dates are YYYY."""
    periods = [str(year) for year in range(2017, 2027)]
    return _grain_model(YEARS, "Yearly sales", "Year grain, YYYY", periods)
