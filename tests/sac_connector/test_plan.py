"""The plan of a pull: what is asked for, and what is refused before anything is sent."""

from dataclasses import replace

import pytest

from app.errors import MixedDataError, ModelNotFoundError, UnknownColumnError
from app.records import DatasetDefinition, PullMode, Sign
from app.sac_connector.edmx import FACT_DATA, EntitySchema
from app.sac_connector.plan import AGGREGATES, plan_pull

BOTH = frozenset({FACT_DATA, AGGREGATES})
FACTS_ONLY = frozenset({FACT_DATA})
MEASURES = EntitySchema(
    ("Version", "Date", "Region", "Product"),
    ("Revenue", "Headcount"),
    masters={
        "VersionMaster": ("VERSION", "ID"),
        "DateMaster": ("DATE", "START_DATE"),
        "RegionMaster": ("ID", "Description"),
        "ProductMaster": ("ID", "Description"),
    },
)
ACCOUNTS = EntitySchema(
    ("Version", "Date", "Account", "CostCenter"),
    ("SignedData",),
    masters={"VersionMaster": ("VERSION",), "AccountMaster": ("ID", "accType")},
)
SALES = DatasetDefinition(
    name="sales",
    source="sac",
    model_id="C1",
    date_column="Date",
    value_column="Revenue",
    dimensions=("Region",),
    filter="Version eq 'public.Actual'",
)
BALANCE = replace(
    SALES,
    value_column="SignedData",
    dimensions=("CostCenter",),
    filter="Version eq 'public.Actual' and Account eq 'CASH'",
)


def test_the_tenant_adds_up_where_it_offers_to() -> None:
    """With aggregation on offer, only date, kept dimensions and measure are asked for."""
    plan = plan_pull(SALES, MEASURES, BOTH)
    assert (plan.entity_set, plan.added_up) == (AGGREGATES, True)
    assert plan.select == ("Date", "Region", "Revenue")
    assert plan.order == plan.texts == ("Date", "Region")


@pytest.mark.parametrize(("mode", "offered"), [(PullMode.AUTO, FACTS_ONLY), (PullMode.FACTS, BOTH)])
def test_facts_are_asked_for_with_all_keys(mode: PullMode, offered: frozenset[str]) -> None:
    """Without aggregation, or by wish, all key columns are selected and order the records."""
    plan = plan_pull(replace(SALES, mode=mode), MEASURES, offered)
    assert (plan.entity_set, plan.added_up) == (FACT_DATA, False)
    assert plan.select == (*MEASURES.dimensions, "Revenue")
    assert plan.order == MEASURES.dimensions
    assert plan.texts == ("Date", "Region")


def test_demanded_aggregates_that_are_not_offered_are_an_error() -> None:
    """A forced mode is not silently replaced by the other."""
    with pytest.raises(ModelNotFoundError, match="auto or facts"):
        plan_pull(replace(SALES, mode=PullMode.AGGREGATES), MEASURES, FACTS_ONLY)


def test_wrong_columns_are_all_named_with_those_that_exist() -> None:
    """Every wrong column is named with its role, and the nearest existing one comes first."""
    wrong = replace(SALES, date_column="date", value_column="Revenues", dimensions=("Produkt",))
    with pytest.raises(UnknownColumnError) as error:
        plan_pull(wrong, MEASURES, BOTH)
    text = str(error.value)
    assert "date column 'date' (it has Date," in text
    assert "dimension 'Produkt' (it has Product," in text
    assert "value column 'Revenues' (it has Revenue, Headcount)" in text


@pytest.mark.parametrize(
    ("row_filter", "dimensions"),
    [
        (None, ("Region",)),
        ("Region eq 'EMEA'", ("Region",)),
        ("Version eq 'a' or Version eq 'b'", ("Region",)),
        ("Version ne 'public.Plan'", ()),
    ],
)
def test_versions_are_not_added_up_unasked(
    row_filter: str | None, dimensions: tuple[str, ...]
) -> None:
    """A definition that neither pins nor keeps the version is refused, with the way out."""
    mixed = replace(SALES, filter=row_filter, dimensions=dimensions)
    with pytest.raises(MixedDataError, match=r"Version eq 'public.Actual'.*allow_mixed"):
        plan_pull(mixed, MEASURES, BOTH)
    assert plan_pull(replace(mixed, allow_mixed=True), MEASURES, BOTH).row_filter == row_filter
    kept = replace(mixed, dimensions=("Version",))
    assert plan_pull(kept, MEASURES, BOTH).texts == ("Date", "Version")


def test_accounts_of_an_account_model_are_not_added_up_unasked() -> None:
    """Revenue and headcount in one measure are no sum: the account is pinned or kept."""
    assert plan_pull(BALANCE, ACCOUNTS, BOTH).account == "Account"
    with pytest.raises(MixedDataError, match="account dimension 'Account'"):
        plan_pull(replace(BALANCE, filter="Version eq 'public.Actual'"), ACCOUNTS, BOTH)


def test_a_measure_model_needs_no_account() -> None:
    """The account rule holds for the one measure of account models alone."""
    schema = replace(ACCOUNTS, measures=("SignedData", "Cost"))
    cost = replace(BALANCE, value_column="Cost", filter="Version eq 'public.Actual'")
    assert plan_pull(cost, schema, BOTH).measure == "Cost"


def test_the_account_comes_along_where_it_decides_the_sign() -> None:
    """Display signs need each row's account, also if the series does not keep it."""
    plan = plan_pull(replace(BALANCE, sign=Sign.DISPLAY), ACCOUNTS, BOTH)
    assert plan.texts == ("Date", "CostCenter", "Account")
    assert plan.select == (*plan.texts, "SignedData")


def test_display_signs_without_accounts_are_an_error() -> None:
    """A model without accounts has no signs to turn."""
    with pytest.raises(UnknownColumnError, match="no account dimension"):
        plan_pull(replace(SALES, sign=Sign.DISPLAY), MEASURES, BOTH)


def test_a_condition_joins_the_filter() -> None:
    """A range of dates narrows the definition's own filter, and does not replace it."""
    plan = plan_pull(SALES, MEASURES, BOTH, "Date ge '202401'")
    assert plan.row_filter == "(Version eq 'public.Actual') and (Date ge '202401')"


def test_own_dates_need_their_master() -> None:
    """A date attribute names the master that has to be read."""
    assert plan_pull(SALES, MEASURES, BOTH).master is None
    own = replace(SALES, date_attribute="START_DATE")
    assert plan_pull(own, MEASURES, BOTH).master == "DateMaster"
