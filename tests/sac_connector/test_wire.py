"""URLs, `$metadata`, pages and links as pure functions: exact, or refused in words."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SourceAnswerError, UnknownColumnError, UnsafeLinkError
from app.records import DatasetDefinition
from app.sac_connector.wire import (
    EntitySchema,
    RowDecoder,
    check_columns,
    count_url,
    decode_envelope,
    literal,
    origin,
    page_url,
    parse_metadata,
    provider_url,
    query_string,
    resolve_link,
)
from tests.sac_connector.rig import DEFINITION, METADATA, PAGE_URL, ROOT, TENANT_URL, as_json

# Lone surrogates have no bytes, so no URL and no JSON document can hold them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,9}", fullmatch=True)
SCHEMA = EntitySchema(("Date", "Region"), ("Amount",))
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}", fullmatch=True),
    st.from_regex(r"-?[1-9](\.[0-9]{1,20})?[eE][+-]?[0-9]{1,3}", fullmatch=True),
)


@given(st.dictionaries(NAMES.map(lambda name: f"${name}"), TEXTS, min_size=1))
def test_a_query_string_decodes_to_what_was_meant(options: dict[str, str]) -> None:
    """Whatever stands in an option, decoding gives it back, and no `+` or bare `#` appears."""
    query = query_string(options)
    parts = [part.partition("=") for part in query.split("&")]
    assert {unquote(name): unquote(value) for name, _, value in parts} == options
    assert not set(query) & set('+# "<>\\')
    assert query.isascii()


@given(TEXTS)
def test_the_client_sends_a_query_as_it_was_written(text: str) -> None:
    """The HTTP client encodes nothing a second time and decodes nothing on the way."""
    query = query_string({"$filter": f"Region eq {literal(text)}", "pagesize": 10})
    assert httpx.URL(f"{PAGE_URL}?{query}").raw_path.decode() == (
        f"/api/v1/dataexport/providers/sac/CMODEL/FactData?{query}"
    )


def test_a_query_is_encoded_as_the_service_reads_it() -> None:
    """A blank is `%20`, a number sign `%23`, an ampersand `%26`, and names keep their `$`."""
    options: dict[str, str | int] = {"$filter": "R&D eq '#' and A+B gt 5%", "pagesize": 5}
    assert query_string(options) == (
        "$filter=R%26D%20eq%20'%23'%20and%20A%2BB%20gt%205%25&pagesize=5"
    )


@given(TEXTS)
def test_a_literal_cannot_be_left(text: str) -> None:
    """A quote inside is doubled, so the text ends where it should and reads back as it was."""
    written = literal(text)
    assert (written[0], written[-1]) == ("'", "'")
    assert written[1:-1].replace("''", "'") == text
    assert re.fullmatch(r"'(?:[^']|'')*'", written, re.DOTALL)


@given(TEXTS)
def test_a_model_is_one_step_of_the_path(model_id: str) -> None:
    """No id of a model can reach another path or a query."""
    path = urlsplit(provider_url(TENANT_URL, model_id)).path
    assert unquote(path.split("/")[6]) == model_id
    assert provider_url(TENANT_URL, model_id).count("/") == ROOT.count("/")


@given(st.one_of(st.none(), TEXTS))
def test_the_size_is_asked_for_without_a_selection(row_filter: str | None) -> None:
    """The probe counts the rows of the same filter and asks for none of them."""
    options = parse_qs(urlsplit(count_url(ROOT, "FactData", row_filter)).query)
    assert options.pop("$filter", [""]) == [row_filter or ""]
    assert options == {"$count": ["true"], "$top": ["0"]}


@given(st.lists(NAMES, min_size=1, unique=True), TEXTS, st.integers(1, 9), st.integers(0, 9))
def test_a_page_selects_and_orders_by_all_keys_and_the_value(
    keys: list[str], row_filter: str, size: int, skip: int
) -> None:
    """Nothing that is read is left to chance; only the page's own size and skip differ."""
    definition = DatasetDefinition(
        name="d", source="sac", model_id="C", date_column=keys[0], value_column="M",
        filter=row_filter,
    )  # fmt: skip
    url = page_url(ROOT, definition, EntitySchema(tuple(keys), ("M",)), size=size, skip=skip)
    options = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert options.pop("$filter", [""]) == [row_filter]
    assert options.pop("$skip", ["0"]) == [str(skip)]
    assert options == {
        "$select": [",".join([*keys, "M"])],
        "$orderby": [",".join([*keys, "M"])],
        "pagesize": [str(size)],
    }
    assert url.startswith(f"{ROOT}FactData?")


HOSTS = st.sampled_from(["tenant.example", "TENANT.example", "evil.example", "tenant.example.evil"])
PORTS = st.sampled_from(["", ":443", ":80", ":0", ":8443", ":65536", ":x"])
USERS = st.sampled_from(["", "", "user@", "user:pw@", "tenant.example@", "evil.example\\@"])
SCHEMES = st.sampled_from(["https:", "http:", "ftp:", "", "HTTPS:", "javascript:", "https"])
SLASHES = st.sampled_from(["//", "/", "\\\\", "/\\", "///", "////", ""])
TAILS = st.sampled_from(["", "/x", "?$skiptoken=a", "/FactData?$skiptoken=a:b//c@d\\e", "#f"])
LINKS = st.one_of(
    TEXTS,
    st.builds(lambda *parts: "".join(parts), SCHEMES, SLASHES, USERS, HOSTS, PORTS, TAILS),
)


@given(LINKS)
def test_a_link_leads_to_the_tenant_or_nowhere(link: str) -> None:
    """Whatever the link: refused, or the HTTP client too reads it as the tenant's own origin."""
    try:
        target = resolve_link(PAGE_URL, link)
    except UnsafeLinkError:
        return
    assert urlsplit(target).netloc.lower() in {"tenant.example", "tenant.example:443"}
    assert "\\" not in target.partition("?")[0]
    try:
        url = httpx.URL(target)
    except httpx.InvalidURL:
        return
    assert (url.scheme, url.host, url.port, url.userinfo) == ("https", "tenant.example", None, b"")


@given(st.from_regex(r"[A-Za-z0-9_=-]{1,40}", fullmatch=True), st.sampled_from(["", ":443"]))
def test_a_link_may_have_three_shapes(token: str, port: str) -> None:
    """Absolute, relative to the host, or relative to the service root: all name one page."""
    tail = f"FactData?$skiptoken={token}"
    path = "/api/v1/dataexport/providers/sac/CMODEL/"
    assert resolve_link(PAGE_URL, f"{TENANT_URL}{path}{tail}") == f"{ROOT}{tail}"
    assert resolve_link(f"{PAGE_URL}?pagesize=9", f"{path}{tail}") == f"{ROOT}{tail}"
    assert resolve_link(f"{PAGE_URL}?$skiptoken=b", tail) == f"{ROOT}{tail}"
    assert resolve_link(PAGE_URL, f"https://TENANT.example{port}{path}{tail}").endswith(tail)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/FactData",
        "http://tenant.example/FactData",
        "https://tenant.example:8443/FactData",
        "https://tenant.example:0/FactData",
        "https://tenant.example:99999/FactData",
        "https://user@tenant.example/FactData",
        "https://user:pw@tenant.example/FactData",
        "https://tenant.example@evil.example/FactData",
        "https://evil.example\\@tenant.example/FactData",
        "//evil.example/FactData",
        "//user@tenant.example/FactData",
        "/\\evil.example/FactData",
        "\\\\evil.example/FactData",
        "https:\\\\evil.example/FactData",
        "https://tenant.example./FactData",
        "https://tenant\u3002example/FactData",
        "https://[bad",
        "ftp://tenant.example/FactData",
        "javascript:alert(1)",
        "ht\ntp://tenant.example/",
    ],
)
def test_a_link_that_could_carry_the_bearer_away_is_refused(link: str) -> None:
    """Another host, scheme or port, a user, or a backslash: refused, and the link not quoted."""
    with pytest.raises(UnsafeLinkError, match="no token was sent there") as caught:
        resolve_link(PAGE_URL, link)
    assert "evil" not in str(caught.value)


@given(
    st.sampled_from(["http", "https"]), NAMES, st.one_of(st.none(), st.integers(0, 65_535)), TEXTS
)
def test_an_origin_is_scheme_host_and_port(
    scheme: str, host: str, port: int | None, tail: str
) -> None:
    """Neither path nor letter case of the host plays a part; the scheme's port is filled in."""
    written = "" if port is None else f":{port}"
    tail = re.sub(r"[\\@\[\]]", "", tail)
    usual = {"http": 80, "https": 443}[scheme]
    assert origin(f"{scheme}://{host.upper()}{written}/{tail}") == (
        scheme,
        host.lower(),
        usual if port is None else port,
    )


def edmx(*types: str, namespace: str = "") -> bytes:
    """Wrap entity types as an EDMX document."""
    inner = "".join(types)
    return (
        f'<?xml version="1.0" encoding="utf-8"?><e:Edmx xmlns:e="urn:a"><e:DataServices>'
        f'<Schema Namespace="sac"{namespace}>{inner}</Schema></e:DataServices></e:Edmx>'
    ).encode()


def entity(name: str, keys: list[str], others: list[str]) -> str:
    """Write an entity type, with annotations nested in its properties."""
    refs = "".join(f'<PropertyRef Name="{key}"/>' for key in keys)
    properties = "".join(
        f'<Property Name="{each}" Type="Edm.String"><Annotation Term="Label">'
        f"<String>{each}</String></Annotation></Property>"
        for each in [*others, *keys]
    )
    return f'<EntityType Name="{name}"><Key>{refs}</Key>{properties}</EntityType>'


@given(
    st.lists(NAMES, min_size=2, unique=True),
    st.integers(1),
    st.sampled_from(["", ' xmlns="http://docs.oasis-open.org/odata/ns/edm"', ' xmlns="urn:other"']),
)
def test_keys_are_dimensions_and_the_rest_measures(
    names: list[str], cut: int, namespace: str
) -> None:
    """FactData is found behind other types, in any namespace; orders are the model's own."""
    keys, others = names[: cut % len(names) or 1], names[cut % len(names) or 1 :]
    master = entity("MasterData", ["ID"], ["Description"])
    body = edmx(master, entity("FactData", keys, others), master, namespace=namespace)
    assert parse_metadata(body) == EntitySchema(tuple(keys), tuple(others))


def test_metadata_without_any_namespace_is_read() -> None:
    """A document with bare element names is as good as any."""
    assert parse_metadata(METADATA.encode()) == SCHEMA


BOMB = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
NO_XML = "is not readable XML"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", NO_XML),
        (b"\xff\xfe\x00", NO_XML),
        (b'{"$Version":"4.0"}', NO_XML),
        (b"<Edmx>", NO_XML),
        (b"<a>&undefined;</a>", NO_XML),
        (BOMB.encode(), NO_XML),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', NO_XML),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', NO_XML),
        (b'<?xml version="1.0" encoding="utf-32"?><a/>', NO_XML),
        (b"<Edmx/>", "describes no FactData"),
        (edmx(entity("MasterData", ["ID"], [])), "describes no FactData"),
        (edmx('<EntityType Name="FactData"/>'), "names no key columns"),
        (edmx(entity("FactData", [], ["Amount"])), "names no key columns"),
        (
            edmx('<EntityType Name="FactData"><Key><PropertyRef Name="A"/></Key></EntityType>'),
            "names no key columns",
        ),
    ],
    ids=lambda value: None,
)
def test_metadata_that_is_none_is_refused(body: bytes, words: str) -> None:
    """No XML, an entity declaration, an unknown encoding, no facts or no keys: told in words."""
    with pytest.raises(SourceAnswerError, match=words):
        parse_metadata(body)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_metadata_or_refused(body: bytes) -> None:
    """No bytes at all make the reader fail in another way."""
    with pytest.raises(SourceAnswerError):
        parse_metadata(body)


@given(st.lists(NAMES, min_size=3, unique=True))
def test_columns_of_the_model_pass(names: list[str]) -> None:
    """A definition made of the model's own columns is never refused."""
    schema = EntitySchema(tuple(names[:-1]), (names[-1],))
    definition = DatasetDefinition(
        name="d", source="sac", model_id="C", date_column=names[0], value_column=names[-1],
        dimensions=tuple(names[1:-1]),
    )  # fmt: skip
    check_columns(definition, schema)


@pytest.mark.parametrize(
    ("date", "value", "dimensions", "words"),
    [
        ("date", "Amount", (), "no date column 'date' (it has Date, Region)"),
        ("Amount", "Amount", (), "no date column 'Amount' (it has Date, Region)"),
        ("Date", "Region", (), "no value column 'Region' (it has Amount)"),
        ("Date", "Ammount", (), "no value column 'Ammount' (it has Amount)"),
        ("Date", "Amount", ("Regoin",), "no dimension 'Regoin' (it has Region, Date)"),
        (
            "Datum",
            "Betrag",
            ("Region", "REGION"),
            "no dimension 'REGION' (it has Region, Date), no value column 'Betrag' (it has",
        ),
    ],
)
def test_an_unknown_column_is_named_with_the_nearest(
    date: str, value: str, dimensions: tuple[str, ...], words: str
) -> None:
    """All wrong names are told at once, with their roles and the nearest columns first."""
    definition = DatasetDefinition(
        name="d", source="sac", model_id="CMODEL", date_column=date, value_column=value,
        dimensions=dimensions,
    )  # fmt: skip
    with pytest.raises(UnknownColumnError, match="names are case-sensitive") as caught:
        check_columns(definition, SCHEMA)
    assert words in str(caught.value)


def test_a_model_without_measures_says_so() -> None:
    """A model that has no column of a kind is told apart from one that has others."""
    with pytest.raises(UnknownColumnError, match=r"no value column 'Amount' \(it has none\)"):
        check_columns(DEFINITION, EntitySchema(("Date", "Region"), ()))


def in_any_case(text: str) -> st.SearchStrategy[str]:
    """Return the text in every mixture of letter cases."""
    return st.tuples(*(st.sampled_from([c.lower(), c.upper()]) for c in text)).map("".join)


@given(
    in_any_case("@odata.nextLink"),
    in_any_case("@odata.count"),
    in_any_case("@des.entitiesInPage"),
    st.integers(0, 10**12),
    st.booleans(),
    TEXTS,
)
def test_an_envelope_is_read_in_any_letter_case(
    link_name: str, count_name: str, size_name: str, number: int, quoted: bool, link: str
) -> None:
    """Annotations count in any letter case, and numbers may be written as strings."""
    written = str(number) if quoted else number
    found = decode_envelope(
        as_json({count_name: written, "value": [], link_name: link, size_name: written})
    )
    assert (found.count, found.entities, found.next_link) == (number, number, link or None)
    assert bytes(found.value) == b"[]"


@pytest.mark.parametrize("absent", [{}, {"@odata.nextLink": None, "@odata.count": None}])
def test_what_an_envelope_does_not_say_is_none(absent: dict[str, None]) -> None:
    """A missing annotation and one that is null are alike."""
    found = decode_envelope(as_json({"value": [], "@odata.context": {"any": ["thing"]}, **absent}))
    assert (found.count, found.entities, found.next_link) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "malformed JSON"),
        (b"[]", "malformed JSON"),
        (b'{"value":[{"Version":public}]}', "malformed JSON"),
        (b'{"value":[1,2', "malformed JSON"),
        (b'\xef\xbb\xbf{"value":[]}', "malformed JSON"),
        (b'{"\xff":1,"value":[]}', "malformed JSON"),
        (b'{"value":' + b"[" * 100_000, "malformed JSON"),
        (b'{"value":NaN}', "malformed JSON"),
        (b'{"d":{"results":[]}}', "JSON without a 'value'"),
        (b'{"value":[],"@odata.count":10.5}', "no whole number"),
        (b'{"value":[],"@odata.count":-1}', "no whole number"),
        (b'{"value":[],"@odata.count":"many"}', "no whole number"),
        (b'{"value":[],"@odata.count":"1_000"}', "no whole number"),
        (b'{"value":[],"@odata.count":true}', "no text or number"),
        (b'{"value":[],"@odata.count":1e99}', "no whole number"),
        (b'{"value":[],"@odata.count":"' + b"9" * 5_000 + b'"}', "no whole number"),
        (b'{"value":[],"@odata.nextLink":["x"]}', "no text or number"),
        (b'{"value":[],"@des.entitiesInPage":{}}', "no text or number"),
    ],
    ids=lambda value: None,
)
def test_an_envelope_that_is_none_is_refused(body: bytes, words: str) -> None:
    """Malformed JSON, another shape, or a count that counts nothing: told in words."""
    with pytest.raises(SourceAnswerError, match=words):
        decode_envelope(body)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_envelope_or_refused(body: bytes) -> None:
    """No bytes at all make the reader fail in another way."""
    with pytest.raises(SourceAnswerError):
        decode_envelope(body)


Row = tuple[str | None, str | None, str | None]
ROWS = st.lists(st.tuples(st.none() | TEXTS, st.none() | TEXTS, st.none() | NUMBERS), max_size=8)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def written(row: Row, extra: object, *, quoted: bool, blank: str) -> str:
    """Write a row as JSON text, with a column that nobody asked for in the middle."""
    date, region, number = row
    amount = "null" if number is None else f'"{number}"' if quoted else number
    parts = [
        f'"Region"{blank}:{blank}{json.dumps(region)}',
        f'"Extra"{blank}:{blank}{json.dumps(extra)}',
        f'"Amount"{blank}:{blank}{amount}',
        f'"Date"{blank}:{blank}{json.dumps(date, ensure_ascii=False)}',
    ]
    return "{" + f"{blank},{blank}".join(parts) + blank + "}"


@given(ROWS, ANYTHING, st.booleans(), st.sampled_from(["", " ", "\n\t "]))
def test_rows_come_back_as_the_texts_they_were(
    rows: list[Row], extra: object, quoted: bool, blank: str
) -> None:
    """Rows to JSON and back are the same texts: every digit, null as null, others ignored."""
    listed = f",{blank}".join(written(row, extra, quoted=quoted, blank=blank) for row in rows)
    value = decode_envelope(f'{{"value":{blank}[{listed}]}}'.encode()).value
    found = RowDecoder(("Date", "Region"), "Amount").decode(value, 1)
    assert found.column_names == ["Date", "Region", "Amount"]
    assert [field.type for field in found.schema] == [pa.string()] * 3
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("12345678901234567890123.4567890123456789", "12345678901234567890123.4567890123456789"),
        ("-0.000", "-0.000"),
        ("1E+2", "1E+2"),
        ('"98765432109876543210.10"', "98765432109876543210.10"),
        ("null", None),
        ('"null"', "null"),
        ('""', ""),
        ('"abc"', "abc"),
        ("true", "true"),
        ('{"a":1}', '{"a":1}'),
        ('"\xff"', "\xff"),
    ],
)
def test_a_measure_is_the_text_of_its_number(amount: str, text: str | None) -> None:
    """Digits, zeros and exponents stay; what is no number stays too, for the pipeline to name."""
    value = msgspec.Raw(f'[{{"Amount":{amount}}}]'.encode())
    assert RowDecoder((), "Amount").decode(value, 1)["Amount"].to_pylist() == [text]


def test_a_measure_that_is_no_text_at_all_does_not_break_the_page() -> None:
    """Bytes that are no UTF-8 become a text that is no number."""
    body = b'{"value":[{"Amount":"\xff1"}]}'
    found = RowDecoder((), "Amount").decode(decode_envelope(body).value, 1)
    assert found["Amount"].to_pylist() == ["\ufffd1"]


def test_a_date_that_is_a_dimension_too_is_read_once() -> None:
    """The date column may stand among the dimensions."""
    found = RowDecoder(("Date", "Date"), "Amount").decode(msgspec.Raw(b"[]"), 1)
    assert found.column_names == ["Date", "Amount"]


GOOD = '{"Date":"202601","Region":"EMEA","Amount":1}'


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ('{"Date":202601,"Region":"x","Amount":1}', "(page 3, row 2, column Date): Expected `str"),
        ('{"Date":"1","Region":["x"],"Amount":1}', "(page 3, row 2, column Region): Expected"),
        ('{"Date":"1","Amount":1}', "(page 3, row 2): Object missing required field `Region`"),
        ('{"Date":"1","Region":"x"}', "(page 3, row 2): Object missing required field `Amount`"),
        ("17", "(page 3, row 2): Expected `object`, got `int`"),
        ("null", "(page 3, row 2): Expected `object`, got `null`"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(bad: str, words: str) -> None:
    """A column of the wrong type or none: the message has page, row and column."""
    value = msgspec.Raw(f"[{GOOD},{bad},{GOOD}]".encode())
    with pytest.raises(SourceAnswerError) as caught:
        RowDecoder(("Date", "Region"), "Amount").decode(value, 3)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [b"{}", b"null", b"17", b'"x"', b'[{"Date":"\xff"}]'])
def test_rows_that_are_no_list_are_refused(value: bytes) -> None:
    """Something else in place of the rows, or bytes that are no text, name the page."""
    with pytest.raises(SourceAnswerError, match=r"\(page 3\)"):
        RowDecoder(("Date",), "Amount").decode(msgspec.Raw(value), 3)


@given(st.binary(max_size=40))
def test_any_bytes_are_rows_or_refused(value: bytes) -> None:
    """No bytes at all make the decoder fail in another way."""
    try:
        found = RowDecoder(("Date",), "Amount").decode(msgspec.Raw(value), 1)
    except SourceAnswerError:
        return
    assert found.num_rows == 0
