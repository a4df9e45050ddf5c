"""Decides what a pull asks for: which rows, which columns, which filter; pure.

What cannot give a meaningful series is refused here, before anything is pulled.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from app.catalogue import SIGNED_DATA, Role
from app.errors import MixedDataError, ModelNotFoundError, UnknownColumnError
from app.records import DatasetDefinition, PullMode, Sign
from app.sac_connector.edmx import FACT_DATA, MASTER_SUFFIX, EntitySchema
from app.sac_connector.filters import joined, pinned

AGGREGATES: Final = "FactDataAggregation"
_SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class PullPlan:
    """What a pull asks for.

    Attributes:
        entity_set: Where the rows come from.
        select: All columns that are asked for.
        order: The columns that order the rows; they tell every row apart as far as rows can be.
        texts: The text columns that are decoded: date first, then dimensions, and the account if
            it is needed for the sign.
        measure: The measure.
        row_filter: The whole filter; None for all rows.
        account: The account dimension of an account model, if it is kept or decides the sign.
        master: The entity set of the date dimension's master, if it holds the calendar dates.
    """

    entity_set: str
    select: tuple[str, ...]
    order: tuple[str, ...]
    texts: tuple[str, ...]
    measure: str
    row_filter: str | None
    account: str | None = None
    master: str | None = None

    @property
    def date_column(self) -> str:
        """The date column."""
        return self.texts[0]

    @property
    def added_up(self) -> bool:
        """Whether the tenant adds the records up, so that each key comes once."""
        return self.entity_set == AGGREGATES


def plan_pull(
    definition: DatasetDefinition,
    schema: EntitySchema,
    entity_sets: frozenset[str],
    condition: str | None = None,
) -> PullPlan:
    """Decide what to ask for.

    Args:
        definition: What is wanted.
        schema: The model's columns.
        entity_sets: The entity sets that the tenant offers for the model.
        condition: A further filter, such as a range of dates.

    Raises:
        UnknownColumnError: The definition names columns that the model does not have.
        MixedDataError: Versions or accounts would be added up without having been asked for.
        ModelNotFoundError: The definition demands an entity set that the tenant does not offer.
    """
    check_columns(definition, schema)
    check_mixture(definition, schema)
    entity_set = _entity_set(definition, entity_sets)
    account = _account(definition, schema)
    turned = (account,) if account and definition.sign is Sign.DISPLAY else ()
    texts = tuple(dict.fromkeys((definition.date_column, *definition.dimensions, *turned)))
    keys = texts if entity_set == AGGREGATES else schema.dimensions
    return PullPlan(
        entity_set=entity_set,
        select=(*keys, definition.value_column),
        order=keys,
        texts=texts,
        measure=definition.value_column,
        row_filter=joined(definition.filter, condition),
        account=account,
        master=f"{definition.date_column}{MASTER_SUFFIX}" if definition.date_attribute else None,
    )


def check_columns(definition: DatasetDefinition, schema: EntitySchema) -> None:
    """Refuse a definition that names columns which the model does not have.

    Raises:
        UnknownColumnError: Names each such column, its role, and the nearest that exist.
    """
    wanted = [("date column", definition.date_column, schema.dimensions)]
    wanted += [("dimension", name, schema.dimensions) for name in definition.dimensions]
    wanted += [("value column", definition.value_column, schema.measures)]
    unknown = [
        f"{role} '{name}' ({_suggestion(name, existing)})"
        for role, name, existing in wanted
        if name not in existing
    ]
    if unknown:
        raise UnknownColumnError(
            f"The model {definition.model_id} has no {', no '.join(unknown)}.",
            next_step="Correct the columns of the dataset; names are case-sensitive. "
            "`python -m demo.discover` lists them.",
        )


def _suggestion(name: str, existing: tuple[str, ...]) -> str:
    folded = {column.lower(): column for column in existing}
    near = [folded[match] for match in get_close_matches(name.lower(), folded, n=_SUGGESTIONS)]
    others = [column for column in existing if column not in near]
    return "it has " + ", ".join((*near, *others)) if existing else "it has none"


def check_mixture(definition: DatasetDefinition, schema: EntitySchema) -> None:
    """Refuse to add up what does not belong together.

    Actuals and plans of one month are not a sum, nor are revenue and headcount in the one
    measure of an account model. A dimension is safe if it is kept, or pinned to one member.

    Raises:
        MixedDataError: Names the dimension, and the filter or setting that would mend it.
    """
    if definition.allow_mixed:
        return
    risky = schema.with_role(Role.VERSION)
    if definition.value_column == SIGNED_DATA:
        risky += schema.with_role(Role.ACCOUNT)
    for column in risky:
        if column not in definition.dimensions and pinned(definition.filter, column) is None:
            kind = schema.role(column)[0]
            member = "public.Actual" if kind is Role.VERSION else "REVENUE"
            raise MixedDataError(
                f"The dataset '{definition.name}' would add up all members of the {kind} "
                f"dimension '{column}'.",
                next_step=f"Pin one in the filter ({column} eq '{member}'), keep '{column}' as a "
                "dimension, or set allow_mixed = true if the sum is meant.",
            )


def _entity_set(definition: DatasetDefinition, entity_sets: frozenset[str]) -> str:
    offered = AGGREGATES in entity_sets
    if definition.mode is PullMode.AGGREGATES and not offered:
        raise ModelNotFoundError(
            f"The tenant offers no {AGGREGATES} for the model {definition.model_id}.",
            next_step="Set the mode of the dataset to auto or facts.",
        )
    return AGGREGATES if offered and definition.mode is not PullMode.FACTS else FACT_DATA


def _account(definition: DatasetDefinition, schema: EntitySchema) -> str | None:
    """Return the account dimension if the values depend on it."""
    accounts = schema.with_role(Role.ACCOUNT)
    if definition.sign is Sign.DISPLAY and not accounts:
        raise UnknownColumnError(
            f"The model {definition.model_id} has no account dimension that could tell which "
            "signs to turn.",
            next_step="Set the sign of the dataset to stored.",
        )
    return accounts[0] if accounts else None
