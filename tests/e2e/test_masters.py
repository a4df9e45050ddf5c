"""What masters decide, over a real socket: signs, rules over time, calendar dates, descriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from app.catalogue import FoundBy, Role
from app.errors import (
    MixedDataError,
    SourceError,
    UnknownColumnError,
    UnknownModelError,
)
from app.pipeline.contract import dimension_names
from app.records import DatasetDefinition, PullMode, Sign, TimeAggregation
from demo.tenant.calendars import OWN_PERIODS, START, own_periods
from demo.tenant.samples import ACCOUNT_MEMBERS, ACCOUNTS, PLAN
from tests.e2e.faulty import MONTHS, pulled
from tests.sac_connector.rig import reaching
from tests.simulated_tenant import Cell, Dimension, SimulatedTenant

LEDGER = replace(
    MONTHS,
    model_id=ACCOUNTS,
    value_column="SignedData",
    dimensions=("CostCenter",),
    sign=Sign.DISPLAY,
)
ACTUAL = "Version eq 'public.Actual'"
TURNED = {
    member.id for member in ACCOUNT_MEMBERS if member.attributes.get("accType") in {"INC", "LEQ"}
}


def shown(
    tenant: SimulatedTenant, definition: DatasetDefinition
) -> dict[tuple[date | str, ...], float]:
    """Add up the tenant's rows in plain arithmetic, with the signs that SAC shows."""
    sums: dict[tuple[date | str, ...], Decimal] = defaultdict(Decimal)
    for row in tenant.rows(ACCOUNTS, definition.filter):
        value = row["SignedData"]
        if value is not None:
            sign = -1 if row["Account"] in TURNED else 1
            month = str(row["Date"])
            members = [str(row[name]) for name in definition.dimensions]
            key: tuple[date | str, ...] = (date(int(month[:4]), int(month[4:]), 1), *members)
            sums[key] += sign * Decimal(value)
    return {key: float(total) for key, total in sums.items()}


@pytest.mark.parametrize("mode", [PullMode.FACTS, PullMode.AGGREGATES])
@pytest.mark.parametrize(
    ("row_filter", "dimensions"),
    [
        (f"{ACTUAL} and Account eq 'REVENUE'", ("CostCenter",)),
        (f"{ACTUAL} and Account eq 'DEBT'", ()),
        (f"{ACTUAL} and Account eq 'PAYROLL'", ("CostCenter",)),
        (ACTUAL, ("Account", "CostCenter")),
        (ACTUAL, ("CostCenter",)),
        (None, ()),
    ],
    ids=["income", "liability", "expense", "account kept", "account summed", "all summed"],
)
async def test_income_and_liabilities_are_shown_as_sac_shows_them(
    tenant: SimulatedTenant, mode: PullMode, row_filter: str | None, dimensions: tuple[str, ...]
) -> None:
    """Signs turn record by record, pinned or not, whether the account is kept or summed over."""
    definition = replace(
        LEDGER,
        filter=row_filter,
        dimensions=dimensions,
        mode=mode,
        time_aggregation=TimeAggregation.SUM,
    )
    async with reaching(tenant, page_rows=300, parallel=2) as rig:
        found = await pulled(rig, definition)
    names = ["date", *dimension_names(dimensions)]
    rows = found.rows.to_pylist()
    keyed = {tuple(row[name] for name in names): row["value"] for row in rows}
    assert len(keyed) == len(rows)
    assert keyed == shown(tenant, definition)


@pytest.mark.parametrize(
    ("account", "rule"),
    [
        ("CASH", TimeAggregation.LAST),
        ("DEBT", TimeAggregation.LAST),
        ("PRICE", TimeAggregation.AVG),
        ("REVENUE", TimeAggregation.SUM),
        ("UNITS", TimeAggregation.SUM),
    ],
)
@pytest.mark.parametrize("mode", [PullMode.FACTS, PullMode.AGGREGATES])
async def test_the_account_says_how_periods_combine(
    tenant: SimulatedTenant, account: str, rule: TimeAggregation, mode: PullMode
) -> None:
    """Balances take the last value, prices a mean, flows a sum, unless the definition says so."""
    pinned = replace(
        LEDGER, filter=f"{ACTUAL} and Account eq '{account}'", allow_mixed=False, mode=mode
    )
    kept = replace(pinned, dimensions=("Account",))
    async with reaching(tenant) as rig:
        for definition in (pinned, kept, replace(pinned, time_aggregation=TimeAggregation.MAX)):
            pull = rig.source.pull(definition)
            async for _ in pull.pages():
                pass
            stated = definition.time_aggregation is not None
            assert pull.report.time_aggregation == (None if stated else rule)


async def test_accounts_with_different_rules_are_not_one_series(tenant: SimulatedTenant) -> None:
    """Balances and flows side by side have no common rule; a stated one settles it."""
    mixed = replace(LEDGER, filter=ACTUAL, dimensions=("Account",), sign=Sign.STORED)
    async with reaching(tenant) as rig:
        with pytest.raises(MixedDataError, match="combined over time in different ways"):
            await pulled(rig, mixed)
        await pulled(rig, replace(mixed, time_aggregation=TimeAggregation.LAST))


async def test_a_master_that_fails_fails_the_pull(tenant: SimulatedTenant) -> None:
    """Without the account master neither sign nor rule is known, and none is guessed."""
    tenant.fault("status", match="AccountMaster", times=None, status=500)
    async with reaching(tenant) as rig:
        with pytest.raises(SourceError):
            await pulled(rig, replace(LEDGER, filter=f"{ACTUAL} and Account eq 'CASH'"))


@pytest.mark.parametrize("mode", [PullMode.FACTS, PullMode.AGGREGATES])
async def test_own_date_ids_become_the_days_of_their_master(
    tenant: SimulatedTenant, mode: PullMode
) -> None:
    """Each id stands at its own day; ids without a day are left out and counted."""
    days = {member.id: member.attributes[START] for member in own_periods()}
    own = replace(
        MONTHS, model_id=OWN_PERIODS, dimensions=("Region",), date_attribute=START, mode=mode
    )
    expected = {
        (date.fromisoformat(str(day)), str(row["Region"])): float(str(row["Revenue"]))
        for row in tenant.rows(OWN_PERIODS)
        if (day := days[str(row["Date"])])
    }
    async with reaching(tenant, page_rows=25, parallel=2) as rig:
        found = await pulled(rig, own)
    rows = found.rows.to_pylist()
    assert {(row["date"], row["dim_region"]): row["value"] for row in rows} == expected
    assert found.skipped == {"date_unparsable": found.rows_read - len(expected)}


OWN = replace(
    MONTHS, model_id="COWN", value_column="Amount", dimensions=("Region",), date_attribute="START"
)


def add_own(
    tenant: SimulatedTenant, days: Mapping[str, str | None], rows: list[list[Cell]]
) -> None:
    """Give the tenant a model whose date ids stand for these days."""
    members: list[str | dict[str, str | None]] = [
        {"id": own, "START": day} for own, day in days.items()
    ]
    date: Dimension = {"name": "Date", "role": "date", "members": members, "attributes": ["START"]}
    tenant.add_model("COWN", dimensions=[date, "Region"], measures=["Amount"], rows=rows)


@pytest.mark.parametrize("mode", [PullMode.FACTS, PullMode.AGGREGATES])
@pytest.mark.parametrize("page_rows", [2, 100])
async def test_two_own_periods_of_one_date_are_one_point(
    tenant: SimulatedTenant, mode: PullMode, page_rows: int
) -> None:
    """A closing period is added to the last one; it is no sign of data that changed."""
    days = {"P11": "2024-11-01", "P12": "2024-12-01", "P13": "2024-12-01"}
    add_own(tenant, days, [[own, f"R{n}", 2**n] for n in (0, 1) for own in days])
    async with reaching(tenant, page_rows=page_rows) as rig:
        found = await pulled(rig, replace(OWN, mode=mode, dimensions=()))
        values = found.rows["value"].to_pylist()
        with pytest.raises(MixedDataError, match="'P12' and 'P13' both stand for 2024-12-01"):
            await pulled(rig, replace(OWN, mode=mode, time_aggregation=TimeAggregation.LAST))
    assert values == [3.0, 6.0]


async def test_own_ids_that_look_like_months_are_none(tenant: SimulatedTenant) -> None:
    """`202403` without a date in the master is left out and counted; it is not March."""
    add_own(
        tenant,
        {"202401": "2023-10-01", "202402": "2023-11-01", "202403": None},
        [["202401", "R", 1], ["202402", "R", 2], ["202403", "R", 4]],
    )
    async with reaching(tenant) as rig:
        found = await pulled(rig, OWN)
    assert [str(day) for day in found.rows["date"].to_pylist()] == ["2023-10-01", "2023-11-01"]
    assert found.skipped == {"date_unparsable": 1}


async def test_a_date_attribute_that_the_master_lacks_is_named(tenant: SimulatedTenant) -> None:
    """The sentence names what there is."""
    wrong = replace(MONTHS, model_id=OWN_PERIODS, dimensions=(), date_attribute="BEGIN")
    async with reaching(tenant) as rig:
        with pytest.raises(UnknownColumnError, match="no column 'BEGIN'; it has DATE, Desc"):
            await pulled(rig, wrong)


async def test_all_models_of_a_tenant_are_listed(tenant: SimulatedTenant) -> None:
    """Models come sorted by name; two of one name are told apart by a mark."""
    async with reaching(tenant) as rig:
        models = await rig.source.directory.models()
    assert [model.name for model in models] == sorted(model.name for model in models)
    unique = {model.id: model.name_is_unique for model in models}
    assert (unique[PLAN], unique[ACCOUNTS], unique[OWN_PERIODS]) == (False, False, True)


async def test_a_model_is_described_by_its_masters(tenant: SimulatedTenant) -> None:
    """Roles come from the masters, labels from the metadata, members with their texts."""
    async with reaching(tenant) as rig:
        model = await rig.source.directory.model(PLAN)
    columns = {column.name: column for column in model.columns}
    roles = {name: column.role for name, column in columns.items()}
    assert roles == {
        "Version": Role.VERSION,
        "Date": Role.DATE,
        "Region": Role.DIMENSION,
        "Product": Role.DIMENSION,
        "Revenue": Role.MEASURE,
        "Headcount": Role.MEASURE,
    }
    assert {column.found_by for column in model.columns} == {FoundBy.MASTER, FoundBy.KEY}
    assert columns["Date"].label == "Posting period"
    assert ("P1", "Pump") in {(one.id, one.description) for one in columns["Product"].members}
    assert {one.id for one in columns["Version"].members} <= {
        "public.Actual", "public.Plan", "public.My Budget"
    }  # fmt: skip
    assert {"FactData", "FactDataAggregation", "RegionMaster"} <= set(model.entity_sets)


async def test_columns_show_though_their_masters_do_not(tenant: SimulatedTenant) -> None:
    """Masters that fail hide their members, masters that nobody lists leave names to go by."""
    tenant.settings(masters_in_metadata=False, aggregation=False)
    tenant.fault("status", match="master", times=None, status=500)
    async with reaching(tenant) as rig:
        model = await rig.source.directory.model(ACCOUNTS)
    columns = {column.name: column for column in model.columns}
    assert all(column.members == () for column in model.columns)
    found = {name: (column.role, column.found_by) for name, column in columns.items()}
    assert found == {
        "Version": (Role.VERSION, FoundBy.NAME),
        "Date": (Role.DATE, FoundBy.NAME),
        "Account": (Role.ACCOUNT, FoundBy.NAME),
        "CostCenter": (Role.DIMENSION, FoundBy.NAME),
        "SignedData": (Role.MEASURE, FoundBy.KEY),
    }


async def test_a_model_that_there_is_not_is_not_described(tenant: SimulatedTenant) -> None:
    """An unknown id is an error, not an empty model."""
    async with reaching(tenant) as rig:
        with pytest.raises(UnknownModelError):
            await rig.source.directory.model("CNOSUCHMODEL")
