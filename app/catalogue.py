"""What a source offers: models, their columns, and what each column is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.periods import absence, names_a_period
from app.records import Grain

# The one measure of an account model; what it means depends on the account (observed).
SIGNED_DATA: Final = "SignedData"
USUAL_VERSION: Final = "public.Actual"
_GRAINS: Final = (Grain.YEAR, Grain.QUARTER, Grain.MONTH, Grain.WEEK, Grain.DAY)

JsonValue = str | list["JsonValue"]


class Role(StrEnum):
    """What a column of a model is for."""

    DATE = "date"
    VERSION = "version"
    ACCOUNT = "account"
    DIMENSION = "dimension"
    MEASURE = "measure"


class FoundBy(StrEnum):
    """How the role of a column was found."""

    KEY = "key"  # it is no key of FactData, so it is a measure
    MASTER = "master"  # its master has the column that marks the role
    NAME = "name"  # only its name says so


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model that a tenant offers.

    Attributes:
        id: The id to bind a dataset to, case-sensitive.
        name: The name for people.
        description: What its owner says of it.
        name_is_unique: Whether no other model has this name.
    """

    id: str
    name: str
    description: str
    name_is_unique: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a dimension.

    Attributes:
        id: Its id, as rows and filters write it.
        description: Its text for people; empty if it has none.
    """

    id: str
    description: str


@dataclass(frozen=True, slots=True)
class DimensionLabels:
    """What people call a dimension and its members.

    Attributes:
        label: Text of the dimension itself; empty if it has none.
        members: Text of each member by its id; members without a text are left out.
    """

    label: str = ""
    members: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What people call the dimensions of a dataset, as its source said at one time.

    Attributes:
        dataset: Name of the dataset.
        definition_hash: Fingerprint of the definition whose dimensions these are.
        content_hash: Hash of the rows whose members were asked for.
        read_at: When the source was asked (UTC).
        dimensions: By contract name, for example `dim_region`.
    """

    dataset: str
    definition_hash: str
    content_hash: str
    read_at: datetime
    dimensions: dict[str, DimensionLabels]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """One column of a model.

    Attributes:
        name: Its technical name.
        role: What it is for.
        found_by: How that was found.
        label: Its text for people; empty if it has none.
        type: Its Edm type.
        members: Some of its members, for a dimension whose master can be read.
        attributes: Further columns of its master, beside ids and texts.
    """

    name: str
    role: Role
    found_by: FoundBy
    label: str = ""
    type: str = ""
    members: tuple[Member, ...] = ()
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a tenant says of one model.

    Attributes:
        id: Its id.
        columns: Dimensions first, then measures, in the model's order.
        entity_sets: The entity sets that can be read, sorted.
    """

    id: str
    columns: tuple[ColumnInfo, ...]
    entity_sets: tuple[str, ...]


def suggested(model: ModelInfo) -> dict[str, JsonValue]:
    """Return a dataset definition to start from, as the keys of a TOML file.

    The first date column and the first measure; no dimension is kept; every version and account
    dimension is pinned to a member, `public.Actual` if there is one. Date ids that the customer
    made up get the attribute of their master that is called like a date.
    """
    columns = {role: [c for c in model.columns if c.role is role] for role in Role}
    dates = columns[Role.DATE] or columns[Role.DIMENSION]
    risky = columns[Role.VERSION]
    if [measure.name for measure in columns[Role.MEASURE]] == [SIGNED_DATA]:
        risky = risky + columns[Role.ACCOUNT]
    definition: dict[str, JsonValue] = {"model_id": model.id}
    if dates:
        definition["date_column"] = dates[0].name
    if columns[Role.MEASURE]:
        definition["value_column"] = columns[Role.MEASURE][0].name
    definition["dimensions"] = []
    if risky:
        definition["filter"] = " and ".join(f"{c.name} eq {_literal(_member(c))}" for c in risky)
    if not dates:
        return definition
    if grain := _grain(dates[0]):
        definition["grain"] = grain
    elif attribute := _date_attribute(dates[0]):
        definition["date_attribute"] = attribute
    return definition


def may_be_weeks(model: ModelInfo) -> bool:
    """Whether the ids that the suggested grain was read from are as good weeks as months."""
    definition = suggested(model)
    dates = [c for c in model.columns if c.name == definition.get("date_column")]
    return definition.get("grain") == Grain.MONTH and all(
        names_a_period(one, Grain.WEEK) for one in _period_ids(dates[0])
    )


def _member(column: ColumnInfo) -> str:
    ids = [member.id for member in column.members]
    return USUAL_VERSION if USUAL_VERSION in ids or not ids else ids[0]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _grain(column: ColumnInfo) -> str | None:
    """Return the grain whose ids all sample members are; None if there is none.

    Six digits may be months or weeks; months come first, as the usual grain of planning.
    """
    ids = _period_ids(column)
    fitting = [grain for grain in _GRAINS if ids and all(names_a_period(one, grain) for one in ids)]
    return fitting[0].value if fitting else None


def _date_attribute(column: ColumnInfo) -> str | None:
    if not _period_ids(column):
        return None
    return next((name for name in column.attributes if "date" in name.lower()), None)


def _period_ids(column: ColumnInfo) -> list[str]:
    """Return the sample members that stand for a period: `#` and zeros stand for none."""
    return [one.id for one in column.members if absence(one.id) is None]
