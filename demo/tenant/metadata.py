"""The EDMX and CSDL JSON of a model, and of the administration service."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from demo.tenant.models import (
    AGGREGATION,
    FACTS,
    MASTER_DATA,
    Dimension,
    EntitySet,
    Measure,
    Model,
)

_OPENING = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
    "<edmx:DataServices>"
    '<Schema Namespace="sac" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
)
_CLOSING = "</Schema></edmx:DataServices></edmx:Edmx>\n"

_LENGTHS = {"version": 300, "date": 8, "account": 256, "generic": 256}


def described_sets(model: Model, *, aggregation: bool, masters: bool) -> list[EntitySet]:
    """Return the sets with MasterData in front: a reader that takes the first type must fail."""
    sets = [
        entity
        for entity in model.sets.values()
        if (aggregation or entity.name != AGGREGATION)
        and (masters or entity.name in {FACTS, AGGREGATION, MASTER_DATA})
    ]
    return sorted(sets, key=lambda entity: (entity.name != MASTER_DATA, entity.name == AGGREGATION))


def edmx(model: Model, sets: Sequence[EntitySet]) -> str:
    """Return the metadata of a model as XML, with these of its sets."""
    parts = [_OPENING]
    for entity in sets:
        keys = "".join(f"<PropertyRef Name={quoteattr(key)}/>" for key in entity.keys)
        parts.append(f"<EntityType Name={quoteattr(entity.name)}><Key>{keys}</Key>")
        parts.extend(_properties(model, entity))
        parts.append("</EntityType>")
    parts.append('<EntityContainer Name="Container">')
    for entity in sets:
        name = quoteattr(entity.name)
        parts.append(f"<EntitySet Name={name} EntityType={quoteattr('sac.' + entity.name)}/>")
    parts.append("</EntityContainer>")
    parts.append(_CLOSING)
    return "".join(parts)


def _properties(model: Model, entity: EntitySet) -> Iterator[str]:
    """Yield the properties of a set; facts have decimals, masters only text."""
    if entity.name not in {FACTS, AGGREGATION}:
        for column in entity.columns:
            yield f'<Property Name={quoteattr(column)} Type="Edm.String" MaxLength="256"/>'
        return
    for dimension in model.dimensions:
        nullable = ' Nullable="false"' if dimension.role in {"version", "date"} else ""
        yield (
            f"<Property Name={quoteattr(dimension.name)}"
            f' Type="Edm.String" MaxLength="{_length(dimension)}"{nullable}>'
            f"{_annotation('Common.Label', dimension.label or dimension.name)}"
            f"{_annotation('Integration.OriginalDataType', 'NVARCHAR')}</Property>"
        )
    for measure in model.measures:
        facets = "".join(f" {name}={quoteattr(text)}" for name, text in _facets(measure))
        # Both spellings of an annotation exist on tenants, so both stand here.
        yield (
            f"<Property Name={quoteattr(measure.name)} Type={quoteattr(measure.kind)}"
            f'{facets} Nullable="true">'
            f'<Annotation Term="Common.Label" String={quoteattr(measure.label or measure.name)}/>'
            f"{_annotation('Integration.OriginalDataType', _original(measure))}</Property>"
        )


def _length(dimension: Dimension) -> int:
    """Return how long an id may be; dates that customers manage themselves are any text."""
    managed = dimension.role == "date" and bool(dimension.attributes)
    return _LENGTHS["generic" if managed else dimension.role]


def _facets(measure: Measure) -> Iterator[tuple[str, str]]:
    """Yield the facets of a measure's type that there are."""
    if measure.precision is not None:
        yield "Precision", str(measure.precision)
    if measure.scale is not None:
        yield "Scale", str(measure.scale)


def _original(measure: Measure) -> str:
    """Return the name of a measure's type in the database."""
    return measure.kind.removeprefix("Edm.").upper()


def _annotation(term: str, text: str) -> str:
    """Return an annotation in its nested spelling."""
    return f"<Annotation Term={quoteattr(term)}><String>{escape(text)}</String></Annotation>"


def csdl(model: Model, sets: Sequence[EntitySet]) -> dict[str, object]:
    """Return the metadata of a model as CSDL JSON, with these of its sets."""
    schema: dict[str, object] = {}
    container: dict[str, object] = {"$Kind": "EntityContainer"}
    for entity in sets:
        kind: dict[str, object] = {"$Kind": "EntityType", "$Key": list(entity.keys)}
        if entity.name in {FACTS, AGGREGATION}:
            kind |= {each.name: _csdl_dimension(each) for each in model.dimensions}
            kind |= {each.name: _csdl_measure(each) for each in model.measures}
        else:
            for column in entity.columns:
                kind[column] = {"$Type": "Edm.String", "$MaxLength": 256}
        schema[entity.name] = kind
        container[entity.name] = {"$Collection": True, "$Type": f"sac.{entity.name}"}
    schema["Container"] = container
    return {"$Version": "4.0", "$EntityContainer": "sac.Container", "sac": schema}


def _csdl_dimension(dimension: Dimension) -> dict[str, object]:
    """Describe the column of a dimension."""
    label = dimension.label or dimension.name
    return {"$Type": "Edm.String", "$MaxLength": _length(dimension), "@Common.Label": label}


def _csdl_measure(measure: Measure) -> dict[str, object]:
    """Describe the column of a measure."""
    facets = {"$Precision": measure.precision, "$Scale": measure.scale}
    return {
        "$Type": measure.kind,
        **{name: value for name, value in facets.items() if value is not None},
        "$Nullable": True,
        "@Common.Label": measure.label or measure.name,
    }


# The sets of the administration, with the columns that make their keys in front.
_ADMINISTRATION = {
    "Namespaces": (("NamespaceID",), ()),
    "Providers": (
        ("NamespaceID", "ProviderID"),
        ("ProviderName", "Description", "ServiceURL"),
    ),
    "Subscriptions": (
        ("NamespaceID", "ProviderID", "SubscriptionID"),
        (
            "EntitySetName", "ExternalID", "ChainID", "PreviousSubscriptionID", "Filter",
            "Selection", "Description", "StartTime", "EndTime", "LastAccessed", "CurrentDeltaLink",
        ),
    ),
}  # fmt: skip


def administration_edmx() -> str:
    """Return the metadata of the administration service."""
    parts = [_OPENING]
    for name, (keys, rest) in _ADMINISTRATION.items():
        refs = "".join(f'<PropertyRef Name="{key}"/>' for key in keys)
        columns = (f'<Property Name="{each}" Type="Edm.String"/>' for each in (*keys, *rest))
        kind = f'<EntityType Name="{name}"><Key>{refs}</Key>{"".join(columns)}</EntityType>'
        parts.append(kind)
    parts.append('<EntityContainer Name="Container">')
    parts += [f'<EntitySet Name="{name}" EntityType="sac.{name}"/>' for name in _ADMINISTRATION]
    return "".join([*parts, "</EntityContainer>", _CLOSING])
