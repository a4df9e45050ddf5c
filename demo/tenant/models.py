"""What a model of the tenant is: dimensions, measures, members and its entity sets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Literal

from demo.tenant.changes import Change, apply_change
from demo.tenant.tables import Column, Table, encode

Role = Literal["version", "date", "account", "generic"]

FACTS = "FactData"
AGGREGATION = "FactDataAggregation"
MASTER_DATA = "MasterData"

HEAVY_ROWS = 50_000


@dataclass(frozen=True)
class Member:
    """A member of a dimension; nodes of a hierarchy are members without facts."""

    id: str
    description: str = ""
    parent: str | None = None
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Dimension:
    """A dimension: its column name, what it means, and the members with more than an id.

    Members that only the facts know are added to its master by themselves.

    Attributes:
        attributes: Columns of the master beyond those of the role, filled from the members.
    """

    name: str
    role: Role = "generic"
    members: tuple[Member, ...] = ()
    hierarchy: str | None = None
    label: str | None = None
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """A measure, the type that metadata gives it, and how it is summed over time.

    Attributes:
        precision: `None` leaves the facet out of the metadata.
        scale: A number, `variable`, or `None` to leave it out.
        exception: The exception aggregation over dates; empty for a plain sum.
    """

    name: str
    precision: int | None = 31
    scale: int | str | None = 7
    kind: str = "Edm.Decimal"
    label: str | None = None
    exception: str = ""


@dataclass(frozen=True)
class EntitySet:
    """One set of a model: its name, its type for metadata, and how facts make its rows."""

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    table: Callable[[Table], Table]
    measures: frozenset[str] = frozenset()
    whole_key: bool = False
    grouped: bool = False


@dataclass(eq=False)
class Model:
    """A model of the tenant. Its rows are made when they are first asked for.

    A change puts another table in the place of the old one, so whoever reads `facts` once holds
    rows that stay.
    """

    id: str
    name: str
    description: str
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    build: Callable[[], Table]
    custom: bool = False
    _facts: Table | None = None
    _changed: bool = False
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def untouched(self) -> bool:
        """Whether these are still the rows that the tenant starts with."""
        return not self._changed and not self.custom

    @property
    def heavy(self) -> bool:
        """Whether work on the rows, or making them, would hold up everyone else."""
        return self._facts is None or self._facts.length >= HEAVY_ROWS

    @property
    def facts(self) -> Table:
        """The raw fact records."""
        with self._lock:
            if self._facts is None:
                self._facts = self.build()
            return self._facts

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
            EntitySet(FACTS, self.keys, columns, _itself, measures, whole_key=True),
            EntitySet(AGGREGATION, self.keys, columns, _itself, measures, grouped=True),
            EntitySet(MASTER_DATA, ids, wide, self._wide_master),
        ]
        for dimension in self.dimensions:
            found.append(_master(dimension, ""))
            if dimension.hierarchy:
                found.append(_master(dimension, "WithHierarchy"))
        return {entity.name: entity for entity in found}

    def role(self, role: Role) -> str | None:
        """Return the name of the first dimension of a role."""
        return next((each.name for each in self.dimensions if each.role == role), None)

    def distinct(self, column: str) -> EntitySet:
        """Describe the set of the distinct values of a dimension column."""
        return EntitySet(
            f"{column}___Distinct",
            (column,),
            (column,),
            lambda facts: facts.group(facts.where(None), (column,)),
        )

    def change(self, change: Change) -> None:
        """Change the rows as a planner at work would."""
        with self._lock:
            self._facts = apply_change(self._facts or self.build(), change)
            self._changed = True

    def _wide_master(self, facts: Table) -> Table:
        """Return the member combinations of the facts, with an id and a description of each."""
        distinct = facts.group(facts.where(None), self.keys)
        columns: list[Column] = []
        for dimension, column in zip(self.dimensions, distinct.columns, strict=True):
            names = {member.id: member.description for member in _members(facts, dimension)}
            described = tuple(names.get(value or "", value) for value in column.values)
            columns += [
                Column(f"{dimension.name}___ID", column.codes, column.values),
                Column(f"{dimension.name}___Description", column.codes, described),
            ]
        return Table(tuple(columns), distinct.length)


def _itself(facts: Table) -> Table:
    """Return the facts as they are."""
    return facts


def _members(facts: Table, dimension: Dimension) -> Iterator[Member]:
    """Yield the described members, then those that only facts know."""
    known = {member.id for member in dimension.members}
    yield from dimension.members
    column = facts.by_name[dimension.name]
    for value in sorted({value for value in column.values if value is not None} - known):
        yield Member(value, value)


def table_of(columns: Mapping[str, Sequence[str | None]], measures: Sequence[str]) -> Table:
    """Make a table of plain columns; those named in `measures` are numeric."""
    encoded = [encode(name, values, numeric=name in measures) for name, values in columns.items()]
    return Table(tuple(encoded), len(encoded[0].codes) if encoded else 0)


# The columns by which a client can tell the roles of dimensions apart; metadata does not say.
_KEY_COLUMN: dict[Role, str] = {"version": "VERSION", "date": "DATE"}
_ACCOUNT_COLUMNS = ("accType", "aggregationType", "exceptionAggregationType")


def _master(dimension: Dimension, suffix: str) -> EntitySet:
    """Describe the master set of a dimension, with or without its hierarchy."""
    key = _KEY_COLUMN.get(dimension.role, "ID")
    columns = [key] if dimension.role == "date" else list(dict.fromkeys([key, "ID"]))
    columns.append("Description")
    if dimension.role == "account":
        columns += _ACCOUNT_COLUMNS
    columns += dimension.attributes
    if suffix:
        columns.append(f"{dimension.hierarchy}_PARENTID")
    names = tuple(dict.fromkeys(columns))
    return EntitySet(
        f"{dimension.name}Master{suffix}",
        (key,),
        names,
        lambda facts: _master_table(facts, dimension, names),
    )


def _master_table(facts: Table, dimension: Dimension, names: tuple[str, ...]) -> Table:
    """Fill the columns of a master from the members."""
    members = list(_members(facts, dimension))
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
