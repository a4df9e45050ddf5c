"""What the masters of a model say of its accounts and dates; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from app.catalogue import Role
from app.errors import GrainError, MixedDataError, SourceAnswerError, UnknownColumnError
from app.periods import UNASSIGNED, SkipReason, absence, moment_of, parse_id
from app.records import Grain, TimeAggregation

ID: Final = "ID"
DATE_ID: Final = "DATE"
VERSION_ID: Final = "VERSION"
DESCRIPTION: Final = "Description"
ACCOUNT_TYPE: Final = "accType"
EXCEPTION_AGGREGATION: Final = "exceptionAggregationType"
# SAC shows income, and liabilities and equity, with the other sign than it stores.
# https://userapps.support.sap.com knowledge 3614771
_TURNED_TYPES: Final = pa.array(["INC", "LEQ"])
# Stands for an id that has no date: a text that no grain takes for one.
_UNDATED: Final = "undated"
_RULES: Final[Mapping[str, TimeAggregation]] = {
    "LAST": TimeAggregation.LAST,
    "AVG": TimeAggregation.AVG,
    "AVERAGE": TimeAggregation.AVG,
    "MIN": TimeAggregation.MIN,
    "MAX": TimeAggregation.MAX,
    "SUM": TimeAggregation.SUM,
    "": TimeAggregation.SUM,
}


def text_columns(role: Role, listed: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the columns of a master that hold its members' ids and texts.

    Args:
        role: What its dimension is for; the masters of dates and versions have ids of their own.
        listed: The columns that `$metadata` lists; None if it does not list the master.

    Returns:
        The column of the ids, then that of the texts if there is one; empty without ids.
    """
    key = {Role.DATE: DATE_ID, Role.VERSION: VERSION_ID}.get(role, ID)
    if listed is None:
        return key, DESCRIPTION
    if key not in listed:
        key = ID
    return tuple(name for name in (key, DESCRIPTION) if name in listed) if key in listed else ()


def check_master(master: pa.Table, entity_set: str) -> None:
    """Refuse a master that says two things of one member.

    Args:
        master: The ids in the first column.
        entity_set: Its name, for the error.

    Raises:
        SourceAnswerError: Names the member.
    """
    key = master.column_names[0]
    said = master.group_by(master.column_names).aggregate([])
    counts = pc.value_counts(said[key])
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").drop_null()
    if len(twice):
        raise SourceAnswerError(
            f"The master {entity_set} lists the member '{twice[0]}' twice, each time with another "
            "text.",
            next_step="Correct the member in SAC, or do without what the master decides: "
            "sign = stored, a time_aggregation, no date_attribute.",
        )


def turned_accounts(master: pa.Table) -> pa.Array:
    """Return the ids of the accounts whose sign SAC turns for display."""
    turned = pc.is_in(pc.utf8_upper(master[ACCOUNT_TYPE]), value_set=_TURNED_TYPES)
    return master[ID].filter(turned).combine_chunks()


def turn_signs(rows: pa.Table, account: str, turned: pa.Array, measure: str) -> pa.Table:
    """Return rows with the values of these accounts multiplied by -1, as text, to the last digit.

    Args:
        rows: Text columns.
        account: The column of the accounts.
        turned: The accounts to turn.
        measure: The column of the values; what is no number stays as it is.
    """
    values = rows[measure]
    number = pc.match_substring_regex(values, r"^[+-]?[0-9.]")
    bare = pc.replace_substring_regex(values, r"^[+-]", "")
    negative = pc.starts_with(values, "-")
    other = pc.if_else(negative, bare, pc.binary_join_element_wise("-", bare, ""))
    turn = pc.and_(pc.is_in(rows[account], value_set=turned), number)
    changed = pc.if_else(turn, other, values)
    return rows.set_column(rows.schema.get_field_index(measure), measure, changed)


def check_accounts(rows: pa.Table, account: str, master: pa.Table) -> None:
    """Refuse rows of an account that the master does not know; an unassigned one has no sign.

    Raises:
        SourceAnswerError: Names the account.
    """
    known = pa.concat_arrays([master[ID].combine_chunks(), pa.array([UNASSIGNED])])
    strange = pc.unique(rows[account]).drop_null()
    strange = strange.filter(pc.invert(pc.is_in(strange, value_set=known)))
    if len(strange):
        raise SourceAnswerError(
            f"The account '{strange[0]}' is not in the account master, so it is not known whether "
            "its sign is turned.",
            next_step="Leave the account out in the filter, or set the sign of the dataset to "
            "stored.",
        )


def time_aggregation(master: pa.Table, accounts: frozenset[str]) -> TimeAggregation:
    """Return the rule that the account master gives for these accounts.

    Args:
        master: The account master.
        accounts: The accounts that the series holds.

    Raises:
        MixedDataError: The accounts follow different rules, or one that a series does not know.
    """
    rules: dict[str, list[str]] = {}
    for account, rule in zip(
        master[ID].to_pylist(), master[EXCEPTION_AGGREGATION].to_pylist(), strict=True
    ):
        if account in accounts:
            rules.setdefault((rule or "").upper(), []).append(account)
    known = {_RULES.get(rule) for rule in rules}
    if len(known) > 1 or None in known:
        listed = ", ".join(f"{ids[0]} {rule or 'SUM'}" for rule, ids in sorted(rules.items()))
        raise MixedDataError(
            f"The accounts of the series are combined over time in different ways ({listed}).",
            next_step="Pin one account in the filter, or state the time_aggregation of the "
            "dataset.",
        )
    return next((rule for rule in known if rule is not None), TimeAggregation.SUM)


def calendar_dates(rows: pa.Table, column: str, master: pa.Table) -> pa.Table:
    """Return rows with the customer's own date ids replaced by the dates that the master names.

    An id that the master lacks, or gives no date for, becomes a text that is no date and is
    counted later: `202401` may be any period of the customer's. What stands for no date at all
    stays as it is.

    Args:
        rows: Text columns.
        column: The column of the date ids.
        master: The ids in the first column, their dates in the second.
    """
    own = rows[column].combine_chunks().dictionary_encode()
    dates = dict(zip(master.column(0).to_pylist(), master.column(1).to_pylist(), strict=True))
    named = [_dated(text, dates.get(text)) for text in own.dictionary.to_pylist()]
    replaced = pa.array(named, pa.string()).take(own.indices)
    return rows.set_column(rows.schema.get_field_index(column), column, replaced)


def _dated(own: str, named: str | None) -> str:
    if absence(own) is not None:
        return own
    return _UNDATED if named is None or absence(named) is not None else named


def check_days(master: pa.Table, seen: frozenset[str], rule: TimeAggregation, grain: Grain) -> None:
    """Refuse two date ids of one date where the values of two dates are no sum.

    Args:
        master: The ids in the first column, their dates in the second.
        seen: The ids that rows held.
        rule: How the values of several dates are combined.
        grain: What a date is read for.

    Raises:
        MixedDataError: Names the two ids and their date.
    """
    if rule is TimeAggregation.SUM:
        return
    of_day: dict[datetime, str] = {}
    for own, day in zip(master.column(0).to_pylist(), master.column(1).to_pylist(), strict=True):
        moment = _moment(day, grain) if own in seen else None
        if moment is not None and of_day.setdefault(moment, own) != own:
            raise MixedDataError(
                f"The date ids '{of_day[moment]}' and '{own}' both stand for {day}, and values "
                f"over time are not added up but combined by {rule}.",
                next_step="Leave one of them out in the filter, choose another date_attribute, or "
                "set the time_aggregation of the dataset to sum.",
            )


def _moment(day: str | None, grain: Grain) -> datetime | None:
    """Return the moment of a date; None if there is none, or it cannot be read.

    The pipeline refuses what cannot be read, and names its place.
    """
    try:
        start = parse_id(day, grain)
    except GrainError:
        return None
    return None if day is None or isinstance(start, SkipReason) else moment_of(day, start)


def key_column(columns: tuple[str, ...], entity_set: str) -> str:
    """Return the column of a master that holds the members' ids.

    Raises:
        UnknownColumnError: It has none.
    """
    for column in (DATE_ID, ID):
        if column in columns:
            return column
    raise UnknownColumnError(
        f"The master {entity_set} has no column of ids; it has {', '.join(columns) or 'none'}.",
        next_step="Choose another date column, or leave date_attribute out.",
    )
