"""How the rows of an answer become the columns of a definition: signs, dates, rules over time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from app.errors import UnknownColumnError
from app.records import DatasetDefinition, Sign, TimeAggregation
from app.sac_connector import answers, masters
from app.sac_connector.chain import Decode
from app.sac_connector.edmx import MASTER_SUFFIX, EntitySchema
from app.sac_connector.filters import pinned
from app.sac_connector.models import Model, Session
from app.sac_connector.plan import PullPlan


@dataclass(frozen=True, slots=True)
class Reading:
    """What is needed to read the rows of a pull.

    Attributes:
        decode: Turns the rows of an answer into text columns, as the tenant wrote them.
        finish: Turns signs and names dates in such rows; None if there is nothing to do.
        accounts: The account master; None if nothing depends on it.
        dates: The customer's own date ids and their dates; None if the ids are dates.
        turned: The accounts whose sign is turned; None if none is.
    """

    decode: Decode
    finish: Callable[[pa.Table], pa.Table] | None
    accounts: pa.Table | None
    dates: pa.Table | None
    turned: pa.Array | None


async def prepare(
    session: Session,
    definition: DatasetDefinition,
    plan: PullPlan,
    model: Model,
    page_rows: int,
) -> Reading:
    """Read the masters that the definition needs, and nothing that it does not.

    Raises:
        SourceError: A master cannot be read.
        UnknownColumnError: A master lacks a column that the definition needs.
    """
    accounts = dates = None
    if plan.account is not None and _needs_accounts(definition, plan.account, model):
        accounts = await _account_master(session, plan.account, model.schema, page_rows)
        masters.check_master(accounts, f"{plan.account}{MASTER_SUFFIX}")
    if plan.master is not None and definition.date_attribute is not None:
        texts = _date_columns(plan.master, definition.date_attribute, model.schema)
        dates = await session.master(plan.master, texts, page_rows)
        masters.check_master(dates, plan.master)
    turned = None
    if accounts is not None and definition.sign is Sign.DISPLAY:
        turned = masters.turned_accounts(accounts)
    decode = answers.RowDecoder(plan.texts, plan.measure).decode
    return Reading(decode, _finisher(plan, accounts, dates, turned), accounts, dates, turned)


def rule_over_time(
    definition: DatasetDefinition, plan: PullPlan, reading: Reading, seen: frozenset[str]
) -> TimeAggregation | None:
    """Return the rule that the account master gives for the accounts of a series.

    Args:
        definition: What was pulled.
        plan: How it was pulled.
        reading: The masters.
        seen: The accounts that the rows held, if the account is kept.

    Returns:
        The rule; None if the definition states one, or no account decides.

    Raises:
        MixedDataError: The accounts follow different rules.
    """
    master = reading.accounts
    if (
        definition.time_aggregation is not None
        or plan.account is None
        or master is None
        or masters.EXCEPTION_AGGREGATION not in master.column_names
    ):
        return None
    member = pinned(definition.filter, plan.account)
    if member is None and plan.account not in definition.dimensions:
        return None
    return masters.time_aggregation(master, frozenset({member}) if member else seen)


def _needs_accounts(definition: DatasetDefinition, account: str, model: Model) -> bool:
    if definition.sign is Sign.DISPLAY:
        return True
    if f"{account}{MASTER_SUFFIX}" not in model.entity_sets:
        return False
    named = account in definition.dimensions or pinned(definition.filter, account) is not None
    return named and definition.time_aggregation is None


async def _account_master(
    session: Session, account: str, schema: EntitySchema, page_rows: int
) -> pa.Table:
    entity_set = f"{account}{MASTER_SUFFIX}"
    wanted = (masters.ID, masters.ACCOUNT_TYPE, masters.EXCEPTION_AGGREGATION)
    listed = schema.masters.get(entity_set, wanted)
    texts = tuple(column for column in wanted if column in listed)
    if masters.ID not in texts:
        raise UnknownColumnError(
            f"The master {entity_set} has no column '{masters.ID}'; it has {', '.join(listed)}.",
            next_step="Set the sign of the dataset to stored, and state its time_aggregation.",
        )
    return await session.master(entity_set, texts, page_rows)


def _date_columns(entity_set: str, attribute: str, schema: EntitySchema) -> tuple[str, str]:
    columns = schema.masters.get(entity_set, (masters.DATE_ID, attribute))
    if attribute not in columns:
        raise UnknownColumnError(
            f"The master {entity_set} has no column '{attribute}'; it has {', '.join(columns)}.",
            next_step="Correct the date_attribute of the dataset.",
        )
    return masters.key_column(columns, entity_set), attribute


def _finisher(
    plan: PullPlan, accounts: pa.Table | None, dates: pa.Table | None, turned: pa.Array | None
) -> Callable[[pa.Table], pa.Table] | None:
    if turned is None and dates is None:
        return None

    def finish(rows: pa.Table) -> pa.Table:
        if turned is not None and accounts is not None and plan.account is not None:
            masters.check_accounts(rows, plan.account, accounts)
            rows = masters.turn_signs(rows, plan.account, turned, plan.measure)
        if dates is not None:
            rows = masters.calendar_dates(rows, plan.date_column, dates)
        return rows

    return finish


def basis_of(root: str, rule: TimeAggregation | None, reading: Reading) -> str:
    """Return a hash of what decides the values beside the definition and the facts.

    That is the tenant and what its masters say. Values of two pulls belong into one series only
    if it is the same.

    Args:
        root: The service root of the model.
        rule: What the account master says of periods.
        reading: The masters.
    """
    turned = [] if reading.turned is None else sorted(reading.turned.to_pylist())
    return hashlib.sha256(json.dumps([root, rule, turned]).encode()).hexdigest()[:16]
