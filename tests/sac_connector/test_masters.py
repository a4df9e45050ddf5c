"""What masters decide: signs, rules over time, calendar dates."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalogue import Role
from app.errors import MixedDataError, SourceAnswerError, UnknownColumnError
from app.periods import SkipReason, parse_id
from app.records import Grain, TimeAggregation
from app.sac_connector.masters import (
    calendar_dates,
    check_accounts,
    check_days,
    check_master,
    key_column,
    text_columns,
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
    spelt = pa.table({"ID": ["A", "B", "C"], "accType": ["Inc", None, ""]})
    assert turned_accounts(spelt).to_pylist() == ["A"]


def test_signs_turn_to_the_last_digit() -> None:
    """Turning changes the sign alone: no digit, no null, and nothing that is no number."""
    values = ["-12.50", "0.0000001", None, "n/a", "-5", "+7", "+-7", "-1e3"]
    page = rows(values, ["REV", "DEBT", "REV", "REV", "COST", "REV", "REV", "REV"])
    turned = turn_signs(page, "Account", turned_accounts(MASTER), "V")
    expected = ["12.50", "-0.0000001", None, "n/a", "-5", "-7", "+-7", "1e3"]
    assert turned["V"].to_pylist() == expected
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
    """The master's dates replace the ids; an id without a date is no date, whatever it looks like.

    To the customer `202401` may be the first period of a year that begins in April.
    """
    ids = [
        *("FY24P01", "FY24P02", "FY24P03", "202401", "2024-05-06", "FY24P04", "FY24P05"),
        *("#", "0000", "0000-00-00", "", None),
    ]
    page = pa.table({"Date": ids, "V": ["1"] * len(ids)})
    master = pa.table(
        {
            "DATE": ["FY24P01", "FY24P02", "FY24P03", "FY24P04", "FY24P05"],
            "START": ["2024-04-01", "", None, "0000-00-00", "2024-07-01T00:00:00"],
        }
    )
    dated = calendar_dates(page, "Date", master)["Date"].to_pylist()
    found = [parse_id(text, Grain.MONTH) for text in dated]
    assert found == [
        date(2024, 4, 1),
        *[SkipReason.DATE_UNPARSABLE] * 5,
        date(2024, 7, 1),
        SkipReason.DATE_UNASSIGNED,
        *[SkipReason.DATE_UNUSED] * 2,
        *[SkipReason.DATE_MISSING] * 2,
    ]


def test_an_account_that_the_master_lacks_has_no_sign() -> None:
    """An unassigned account has no type; one that nobody knows is refused by name."""
    check_accounts(rows(["1", "2", "3"], ["REV", "#", "CASH"]), "Account", MASTER)
    with pytest.raises(SourceAnswerError, match="'NEW' is not in the account master"):
        check_accounts(rows(["1", "2"], ["REV", "NEW"]), "Account", MASTER)


def test_a_master_says_one_thing_of_each_member() -> None:
    """The same line twice is harmless; two lines that differ cannot both be right."""
    line = {"DATE": ["P1", "P2", "P1", None, None], "START": ["2024-01-01", None, "2024-01-01"] * 2}
    master = pa.table({name: cells[:5] for name, cells in line.items()})
    check_master(master, "DateMaster")
    other = pa.concat_tables([master, pa.table({"DATE": ["P1"], "START": ["2024-02-01"]})])
    with pytest.raises(SourceAnswerError, match="DateMaster lists the member 'P1' twice"):
        check_master(other, "DateMaster")


def test_two_ids_of_one_date_are_added_up_only_if_that_is_meant() -> None:
    """A closing period on top of the last one doubles a balance, unless one of them is empty."""
    master = pa.table(
        {"DATE": ["P12", "P13", "P01", "P02"], "START": ["2024-12-01", "2024-12-01", "", None]}
    )
    seen, last = frozenset({"P12", "P13"}), TimeAggregation.LAST
    check_days(master, seen, TimeAggregation.SUM, Grain.MONTH)
    check_days(master, frozenset({"P12", "P01", "P02"}), last, Grain.MONTH)
    with pytest.raises(MixedDataError, match="'P12' and 'P13' both stand for 2024-12-01"):
        check_days(master, seen, last, Grain.MONTH)


@pytest.mark.parametrize(
    "other", ["2024-12-01T00:00:00", "2024-12", " 202412", "/Date(1733011200000)/"]
)
def test_two_ids_of_one_date_are_found_in_whatever_form_it_stands(other: str) -> None:
    """A date and its timestamp are one date; what cannot be read is left to whoever names it."""
    master = pa.table({"DATE": ["P12", "P13", "P14"], "START": ["2024-12-01", other, "FY24"]})
    with pytest.raises(MixedDataError, match="'P12' and 'P13' both stand for"):
        check_days(master, frozenset({"P12", "P13"}), TimeAggregation.LAST, Grain.MONTH)
    check_days(master, frozenset({"P12", "P14"}), TimeAggregation.LAST, Grain.MONTH)


def test_the_key_of_a_master_is_known() -> None:
    """Date masters are keyed by DATE, others by ID; without either nothing can be looked up."""
    assert key_column(("ID", "DATE"), "DateMaster") == "DATE"
    assert key_column(("Description", "ID"), "RegionMaster") == "ID"
    with pytest.raises(UnknownColumnError, match="Description"):
        key_column(("Description",), "DateMaster")


@pytest.mark.parametrize(
    ("role", "listed", "columns"),
    [
        (Role.VERSION, ("VERSION", "ID", "Description"), ("VERSION", "Description")),
        (Role.VERSION, ("ID", "Description"), ("ID", "Description")),
        (Role.DATE, ("DATE",), ("DATE",)),
        (Role.DATE, ("START",), ()),
        (Role.DIMENSION, None, ("ID", "Description")),
        (Role.DATE, None, ("DATE", "Description")),
    ],
)
def test_ids_and_texts_are_found_in_a_master(
    role: Role, listed: tuple[str, ...] | None, columns: tuple[str, ...]
) -> None:
    """Dates and versions have ids of their own, or the usual ones; without ids there is nothing."""
    assert text_columns(role, listed) == columns
