"""Reads a model's `$metadata`: its columns, its masters, and what each dimension is for; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from app.catalogue import FoundBy, Role
from app.errors import SourceAnswerError

FACT_DATA: Final = "FactData"
MASTER_SUFFIX: Final = "Master"
_LABEL_TERM: Final = "Common.Label"
# `<Dim>___<Attribute>` carries an attribute of the members; some tenants list them here (observed).
_ATTRIBUTE: Final = ("Edm.String", "___")
# The name of the version dimension of every planning model (observed).
_VERSION: Final = "version"


# The columns of a master that mark the role of its dimension.
# https://blogs.sap.com/2023/01/24/ (the Python wrapper, part 2)
_MARKS: Final[Mapping[str, Role]] = {
    "DATE": Role.DATE,
    "VERSION": Role.VERSION,
    "accType": Role.ACCOUNT,
}
_NAMES: Final[Mapping[str, Role]] = {
    "version": Role.VERSION,
    "account": Role.ACCOUNT,
    "date": Role.DATE,
    "time": Role.DATE,
}


@dataclass(frozen=True, slots=True)
class EntitySchema:
    """The columns of a model's fact rows, and of its masters.

    Attributes:
        dimensions: The key columns: every dimension of the model, in the model's order.
        measures: The other columns, without texts that are attributes of members.
        labels: Labels of columns, where the model has them.
        types: Edm types of columns.
        masters: Columns of each master by the name of its entity set.
    """

    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    masters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def role(self, column: str) -> tuple[Role, FoundBy]:
        """Return what a column is for, and how that was found.

        A dimension whose master is listed is what the master's columns say. Without a master only
        the name is left, as for a `Version` whose master has none of the marks: taken for any other
        dimension, its plans and actuals would be added up unasked.
        """
        if column in self.measures:
            return Role.MEASURE, FoundBy.KEY
        master = self.masters.get(column + MASTER_SUFFIX)
        if master is None:
            named = [role for word, role in _NAMES.items() if word in column.lower()]
            return (named or [Role.DIMENSION])[0], FoundBy.NAME
        marked = [role for mark, role in _MARKS.items() if mark in master]
        if not marked and column.lower() == _VERSION:
            return Role.VERSION, FoundBy.NAME
        return (marked or [Role.DIMENSION])[0], FoundBy.MASTER

    def with_role(self, role: Role) -> tuple[str, ...]:
        """Return the dimensions of a role, in the model's order."""
        return tuple(column for column in self.dimensions if self.role(column)[0] is role)


def parse_metadata(body: bytes) -> EntitySchema:
    """Read the columns of `FactData` and of the masters from the model's `$metadata`.

    Key properties are the dimensions, the others the measures. Element names are matched
    without their namespaces, which differ between tenants.

    Raises:
        SourceAnswerError: The body is no EDMX document, or has no `FactData`.
    """
    try:
        document: Element = fromstring(body, forbid_dtd=True)
    # LookupError: an encoding that nobody knows.
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SourceAnswerError(
            "The $metadata of the model is not readable XML.",
            next_step="Open the model's $metadata with curl (docs/access.md, step 4).",
        ) from error
    entities = {item.get("Name", ""): item for item in _elements(document.iter(), "EntityType")}
    if FACT_DATA not in entities:
        raise SourceAnswerError(
            "The $metadata of the model describes no FactData.",
            next_step="Check that the model id names an acquired model, not a live one.",
        )
    return _entity_schema(entities)


def _entity_schema(entities: Mapping[str, Element]) -> EntitySchema:
    facts = entities[FACT_DATA]
    keys = [ref.get("Name", "") for ref in _elements(facts.iter(), "PropertyRef")]
    properties = {item.get("Name", ""): item for item in _elements(facts, "Property")}
    if not keys or not set(keys) <= set(properties):
        raise SourceAnswerError("The $metadata of the model names no key columns of FactData.")
    labels = {name: _label(item) for name, item in properties.items()}
    return EntitySchema(
        dimensions=tuple(keys),
        measures=tuple(
            name
            for name, item in properties.items()
            if name not in set(keys) and not _is_attribute(name, item)
        ),
        labels={name: label for name, label in labels.items() if label},
        types={name: item.get("Type", "") for name, item in properties.items()},
        masters={
            name: tuple(item.get("Name", "") for item in _elements(entity, "Property"))
            for name, entity in entities.items()
            if name.endswith(MASTER_SUFFIX)
        },
    )


def _is_attribute(name: str, item: Element) -> bool:
    kind, mark = _ATTRIBUTE
    return item.get("Type") == kind and mark in name


def _label(column: Element) -> str:
    """Return the label of a property: an attribute, or the text of a nested element."""
    for annotation in _elements(column, "Annotation"):
        if annotation.get("Term", "").endswith(_LABEL_TERM):
            nested = [item.text or "" for item in _elements(annotation, "String")]
            return annotation.get("String") or "".join(nested)
    return ""


def _elements(elements: Iterable[Element], name: str) -> list[Element]:
    return [element for element in elements if element.tag.rpartition("}")[2] == name]
