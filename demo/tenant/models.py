"""What a model of the tenant is: dimensions, measures, members and its entity sets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from demo.tenant.tables import Column, Table, encode

Role = Literal["version", "date", "account", "generic"]

FACTS = "FactData"
AGGREGATION = "FactDataAggregation"
MASTER_DATA = "MasterData"


@dataclass(frozen=True)
class Member:
    """A member of a dimension; nodes of a hierarchy are members without facts."""

    id: str
    description: str = ""
    parent: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dimension:
    """A dimension: its column name, what it means, and the members with more than an id.

    Members that only the facts know are added to its master by themselves.
    """

    name: str
    role: Role = "generic"
    members: tuple[Member, ...] = ()
    hierarchy: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Measure:
    """A measure and the decimal type that metadata gives it."""

    name: str
    precision: int = 31
    scale: int = 7


@dataclass(frozen=True)
class EntitySet:
    """One set of a model: its name, its type for metadata, and where its rows come from."""

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    table: Callable[[], Table]
    measures: frozenset[str] = frozenset()
    whole_key: bool = False
    grouped: bool = False


@dataclass(eq=False)
class Model:
    """A model of the tenant. Its rows are made when they are first asked for.

    `revision` counts changes of the rows, so that what was computed from older rows can be told.
    """

    id: str
    name: str
    description: str
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    build: Callable[[], Table]
    custom: bool = False
    revision: int = 0

    @property
    def untouched(self) -> bool:
        """Whether these are still the rows that the tenant starts with."""
        return self.revision == 0 and not self.custom

    @cached_property
    def facts(self) -> Table:
        """The raw fact records."""
        return self.build()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of all dimension columns."""
        return tuple(dimension.name for dimension in self.dimensions)

    @cached_property
    def sets(self) -> dict[str, EntitySet]:
        """The entity sets by name, in the order of the service document."""
        measures = frozenset(measure.name for measure in self.measures)
        columns = (*self.keys, *(measure.name for measure in self.measures))
        ids = tuple(f"{key}___ID" for key in self.keys)
        wide = tuple(f"{key}___{part}" for key in self.keys for part in ("ID", "Description"))
        found = [
            EntitySet(FACTS, self.keys, columns, lambda: self.facts, measures, whole_key=True),
            EntitySet(AGGREGATION, self.keys, columns, lambda: self.facts, measures, grouped=True),
            EntitySet(MASTER_DATA, ids, wide, self._wide_master),
        ]
        for dimension in self.dimensions:
            found.append(_master(self, dimension, ""))
            if dimension.hierarchy:
                found.append(_master(self, dimension, "WithHierarchy"))
        return {entity.name: entity for entity in found}

    def change(self, added: int, removed: int) -> None:
        """Change the rows as a planner at work would: drop the first ones, copy some in front."""
        kept = np.arange(min(removed, self.facts.length), self.facts.length)
        rows = np.concatenate([np.arange(min(added, self.facts.length)), kept]).astype(np.int32)
        self.facts = Table(tuple(column.take(rows) for column in self.facts.columns), len(rows))
        self.revision += 1

    def members(self, dimension: Dimension) -> Iterator[Member]:
        """Yield the described members, then those that only facts know."""
        known = {member.id for member in dimension.members}
        yield from dimension.members
        column = self.facts.by_name[dimension.name]
        for value in sorted({value for value in column.values if value is not None} - known):
            yield Member(value, value)

    def _wide_master(self) -> Table:
        """Return the member combinations of the facts, with an id and a description of each."""
        every = self.facts.where(None)
        distinct = self.facts.group(every, self.keys)
        columns: list[Column] = []
        for dimension, column in zip(self.dimensions, distinct.columns, strict=True):
            names = {member.id: member.description for member in self.members(dimension)}
            described = tuple(names.get(value or "", value) for value in column.values)
            columns += [
                Column(f"{dimension.name}___ID", column.codes, column.values),
                Column(f"{dimension.name}___Description", column.codes, described),
            ]
        return Table(tuple(columns), distinct.length)


def table_of(columns: Mapping[str, Sequence[str | None]], measures: Sequence[str]) -> Table:
    """Make a table of plain columns; those named in `measures` are numeric."""
    encoded = [encode(name, values, numeric=name in measures) for name, values in columns.items()]
    return Table(tuple(encoded), len(encoded[0].codes) if encoded else 0)


# The columns by which a client can tell the roles of dimensions apart; metadata does not say.
_KEY_COLUMN: dict[Role, str] = {"version": "VERSION", "date": "DATE"}
_ACCOUNT_COLUMNS = ("accType", "aggregationType", "exceptionAggregationType")


def _master(model: Model, dimension: Dimension, suffix: str) -> EntitySet:
    """Describe the master set of a dimension, with or without its hierarchy."""
    key = _KEY_COLUMN.get(dimension.role, "ID")
    columns = [key] if dimension.role == "date" else list(dict.fromkeys([key, "ID"]))
    columns.append("Description")
    if dimension.role == "account":
        columns += _ACCOUNT_COLUMNS
    if suffix:
        columns.append(f"{dimension.hierarchy}_PARENTID")
    names = tuple(columns)
    return EntitySet(
        f"{dimension.name}Master{suffix}",
        (key,),
        names,
        lambda: _master_table(model, dimension, names),
    )


def _master_table(model: Model, dimension: Dimension, names: tuple[str, ...]) -> Table:
    """Fill the columns of a master from the members."""
    members = list(model.members(dimension))
    ids = [member.id for member in members]
    columns: dict[str, Sequence[str | None]] = {}
    for name in names:
        if name in {"VERSION", "DATE", "ID"}:
            columns[name] = ids
        elif name == "Description":
            columns[name] = [member.description for member in members]
        elif name.endswith("_PARENTID"):
            columns[name] = [member.parent for member in members]
        else:
            columns[name] = [member.attributes.get(name, "") for member in members]
    return table_of(columns, ())
