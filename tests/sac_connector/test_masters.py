"""What masters decide: signs, rules over time, calendar dates."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import MixedDataError, UnknownColumnError
from app.records import TimeAggregation
from app.sac_connector.masters import (
    calendar_dates,
    key_column,
    time_aggregation,
    turn_signs,
    turned_accounts,
)

MASTER = pa.table(
    {
        "ID": ["REV", "COST", "CASH", "DEBT", "RATE"],
        "accType": ["INC", "EXP", "AST", "LEQ", "NFIN"],
        "exceptionAggregationType": ["", "SUM", "LAST", "LAST", "MEDIAN"],
    }
)
LARGE = 10**20
NUMBERS = st.decimals(min_value=-LARGE, max_value=LARGE, allow_nan=False, places=7)


def rows(values: list[str | None], accounts: list[str]) -> pa.Table:
    """Write rows as a page holds them."""
    texts = [pa.array(column, pa.string()) for column in (accounts, values)]
    return pa.table(texts, names=["Account", "V"])


def test_income_and_liabilities_are_turned() -> None:
    """SAC shows accounts of type INC and LEQ with the other sign; others as they are."""
    assert turned_accounts(MASTER).to_pylist() == ["REV", "DEBT"]


def test_signs_turn_to_the_last_digit() -> None:
    """Turning changes the sign alone: no digit, no null, and nothing that is no number."""
    values = ["-12.50", "0.0000001", None, "n/a", "-5"]
    page = rows(values, ["REV", "DEBT", "REV", "REV", "COST"])
    turned = turn_signs(page, "Account", turned_accounts(MASTER), "V")
    assert turned["V"].to_pylist() == ["12.50", "-0.0000001", None, "n/a", "-5"]
    assert turned.column_names == page.column_names


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["REV", "CASH"])), max_size=8))
def test_turning_twice_changes_no_value(items: list[tuple[Decimal, str]]) -> None:
    """Turned values are the negatives, and turning them back gives the same numbers."""
    page = rows([format(n, "f") for n, _ in items], [account for _, account in items])
    accounts = turned_accounts(MASTER)
    once = turn_signs(page, "Account", accounts, "V")
    twice = turn_signs(once, "Account", accounts, "V")
    expected = [-n if account == "REV" else n for n, account in items]
    assert [Decimal(text) for text in once["V"].to_pylist()] == expected
    assert [Decimal(text) for text in twice["V"].to_pylist()] == [n for n, _ in items]


@pytest.mark.parametrize(
    ("accounts", "rule"),
    [
        ({"REV", "COST"}, TimeAggregation.SUM),
        ({"CASH", "DEBT"}, TimeAggregation.LAST),
        (set(), TimeAggregation.SUM),
        ({"unknown"}, TimeAggregation.SUM),
    ],
)
def test_the_master_gives_the_rule(accounts: set[str], rule: TimeAggregation) -> None:
    """Balances take the last value, flows add up."""
    assert time_aggregation(MASTER, frozenset(accounts)) is rule


@pytest.mark.parametrize("accounts", [{"REV", "CASH"}, {"RATE"}])
def test_accounts_that_disagree_are_refused(accounts: set[str]) -> None:
    """A flow and a balance have no common rule, nor has a rule that a series does not know."""
    with pytest.raises(MixedDataError, match="time_aggregation"):
        time_aggregation(MASTER, frozenset(accounts))


def test_own_date_ids_become_calendar_dates() -> None:
    """The master's dates replace the ids; an id without a date stays to be counted."""
    page = pa.table({"Date": ["FY24P01", "FY24P02", "FY24P03", "#"], "V": ["1", "2", "3", "4"]})
    master = pa.table(
        {"DATE": ["FY24P01", "FY24P02", "FY24P03"], "START": ["2024-04-01", "", None]}
    )
    dated = calendar_dates(page, "Date", master)
    assert dated["Date"].to_pylist() == ["2024-04-01", "FY24P02", "FY24P03", "#"]


def test_the_key_of_a_master_is_known() -> None:
    """Date masters are keyed by DATE, others by ID; without either nothing can be looked up."""
    assert key_column(("ID", "DATE"), "DateMaster") == "DATE"
    assert key_column(("Description", "ID"), "RegionMaster") == "ID"
    with pytest.raises(UnknownColumnError, match="Description"):
        key_column(("Description",), "DateMaster")
