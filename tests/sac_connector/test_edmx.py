"""The model's metadata: columns, labels, masters, and what each dimension is for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalogue import FoundBy, Role
from app.errors import SourceAnswerError
from app.sac_connector.edmx import EntitySchema, parse_metadata

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True)


def entity(name: str, keys: list[str], columns: list[str], extra: str = "") -> str:
    """Write an entity type as SAC does."""
    refs = "".join(f'<PropertyRef Name="{key}"/>' for key in keys)
    properties = "".join(f'<Property Name="{c}" Type="Edm.String"/>' for c in [*keys, *columns])
    return f'<EntityType Name="{name}"><Key>{refs}</Key>{properties}{extra}</EntityType>'


def document(*entities: str) -> bytes:
    """Write a metadata document with its namespaces."""
    return (
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
        '<edmx:DataServices><Schema Namespace="sac" '
        'xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f"{''.join(entities)}</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def test_the_facts_are_found_behind_other_entities() -> None:
    """MasterData comes first in SAC's documents; the columns are those of FactData."""
    schema = parse_metadata(
        document(
            entity("MasterData", ["Region___ID"], []),
            entity("FactData", ["Version", "Date"], ["Revenue"]),
        )
    )
    assert (schema.dimensions, schema.measures) == (("Version", "Date"), ("Revenue",))


def test_attributes_of_members_are_no_measures() -> None:
    """A text that is called after a dimension and its attribute cannot be added up."""
    facts = (
        '<EntityType Name="FactData"><Key><PropertyRef Name="Region"/></Key>'
        '<Property Name="Region" Type="Edm.String"/>'
        '<Property Name="Region___Description" Type="Edm.String"/>'
        '<Property Name="Net___Amount" Type="Edm.Decimal"/>'
        '<Property Name="Amount" Type="Edm.String"/></EntityType>'
    )
    assert parse_metadata(document(facts)).measures == ("Net___Amount", "Amount")


@pytest.mark.parametrize("number", ["1E-9999999", "9" * 5_000, "-1", "many", ""])
def test_numbers_of_the_metadata_are_not_read(number: str) -> None:
    """Precision and scale are the tenant's own business, whatever stands there."""
    facts = (
        '<EntityType Name="FactData"><Key><PropertyRef Name="Region"/></Key>'
        '<Property Name="Region" Type="Edm.String"/>'
        f'<Property Name="Amount" Precision="{number}" Scale="{number}" MaxLength="{number}"/>'
        "</EntityType>"
    )
    assert parse_metadata(document(facts)).measures == ("Amount",)


@pytest.mark.parametrize(
    "annotation",
    [
        '<Annotation Term="Common.Label"><String>Posting period</String></Annotation>',
        '<Annotation Term="Common.Label" String="Posting period"/>',
        '<Annotation Term="com.sap.vocabularies.Common.Label" String="Posting period"/>',
    ],
)
def test_labels_are_read_in_every_spelling(annotation: str) -> None:
    """A label may be an attribute or a nested element, under a short or a long term."""
    facts = (
        '<EntityType Name="FactData"><Key><PropertyRef Name="Date"/></Key>'
        f'<Property Name="Date" Type="Edm.String">{annotation}</Property></EntityType>'
    )
    assert parse_metadata(document(facts)).labels == {"Date": "Posting period"}


@pytest.mark.parametrize(
    ("columns", "role"),
    [
        (["DATE", "Description"], Role.DATE),
        (["VERSION", "ID"], Role.VERSION),
        (["ID", "accType"], Role.ACCOUNT),
        (["ID", "Description"], Role.DIMENSION),
    ],
)
def test_a_master_says_what_its_dimension_is_for(columns: list[str], role: Role) -> None:
    """The marking column of the master decides, whatever the dimension is called."""
    schema = parse_metadata(
        document(entity("FactData", ["Account"], ["M"]), entity("AccountMaster", [], columns))
    )
    assert schema.role("Account") == (role, FoundBy.MASTER)
    assert schema.with_role(role) == ("Account",)


@pytest.mark.parametrize(
    ("name", "role"), [("Version", Role.VERSION), ("ProductVersion", Role.DIMENSION)]
)
def test_a_version_is_one_though_its_master_does_not_mark_it(name: str, role: Role) -> None:
    """Plans and actuals must not be added up because a master has other columns than usual."""
    schema = parse_metadata(
        document(entity("FactData", [name], ["M"]), entity(f"{name}Master", [], ["ID"]))
    )
    assert schema.role(name)[0] is role


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Version", Role.VERSION),
        ("PostingDate", Role.DATE),
        ("SAP_ALL_ACCOUNT", Role.ACCOUNT),
        ("Time", Role.DATE),
        ("Region", Role.DIMENSION),
    ],
)
def test_without_a_master_only_the_name_is_left(name: str, role: Role) -> None:
    """A tenant that lists no masters leaves names to go by, and the answer says so."""
    assert EntitySchema((name,), ()).role(name) == (role, FoundBy.NAME)


def test_what_is_no_key_is_a_measure() -> None:
    """A measure is one whatever its name says."""
    assert EntitySchema(("Date",), ("DateCount",)).role("DateCount") == (Role.MEASURE, FoundBy.KEY)


@given(st.lists(NAMES, min_size=2, max_size=8, unique=True), st.data())
def test_keys_and_measures_keep_their_order(names: list[str], data: st.DataObject) -> None:
    """Whatever the columns are called, keys are dimensions and the others measures, in order."""
    cut = data.draw(st.integers(min_value=1, max_value=len(names)))
    schema = parse_metadata(document(entity("FactData", names[:cut], names[cut:])))
    assert (schema.dimensions, schema.measures) == (tuple(names[:cut]), tuple(names[cut:]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<html></html>",
        document(entity("MasterData", ["ID"], [])),
        document(entity("FactData", [], ["Revenue"])),
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b'<?xml version="1.0" encoding="nobody-knows"?><x/>',
    ],
)
def test_what_describes_no_facts_is_refused(body: bytes) -> None:
    """Anything but a description of FactData is an error, entities and other encodings too."""
    with pytest.raises(SourceAnswerError, match="metadata"):
        parse_metadata(body)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No body makes the reader fail in another way."""
    with pytest.raises(SourceAnswerError):
        parse_metadata(body)
