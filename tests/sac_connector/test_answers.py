"""Envelopes and rows as pure functions: every digit as it was sent, or refused in words."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.errors import SourceAnswerError
from app.sac_connector.answers import (
    Provider,
    RowDecoder,
    decode_envelope,
    outline,
    parse_providers,
    parse_service_document,
)
from tests.sac_connector.rig import as_json

# Lone surrogates have no bytes, so no JSON document can hold them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}", fullmatch=True),
    st.from_regex(r"-?[1-9](\.[0-9]{1,20})?[eE][+-]?[0-9]{1,3}", fullmatch=True),
)


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


@given(st.none() | st.integers(0, 9), st.none() | TEXTS)
def test_a_list_that_is_null_is_empty(number: int | None, link: str | None) -> None:
    """Some services write null for a list of nothing, and all else of the answer holds."""
    said = {"@odata.count": number, "@odata.nextLink": link}
    nothing, empty = as_json({**said, "value": None}), as_json({**said, "value": []})
    assert decode_envelope(nothing) == decode_envelope(empty)
    assert outline(nothing) in {None, outline(empty)}


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
        (b'{"value":[],"@odata.count":' + b"9" * 5_000 + b"}", "no text or number"),
        (b'{"value":[],"@odata.count":1E-9999999}', "no whole number"),
        (b'{"value":[],"@des.entitiesInPage":' + b"9" * 60 + b"e-7969}", "no whole number"),
        (b'{"value":[],"@odata.nextLink":"\xff"}', "no text or number"),
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


ANNOTATIONS = st.dictionaries(
    st.sampled_from(
        ["@odata.nextLink", "@odata.count", "@des.entitiesInPage", "@odata.context", "more"]
    ),
    st.integers(0, 99).map(str) | st.sampled_from(["a]", ']}","value":[1]', "[", "\\"]),
    max_size=3,
)
VALUES = st.lists(
    st.fixed_dictionaries({"Date": st.sampled_from(["1", "]", '"value":[', "\\"])}), max_size=3
)
EXTRA = st.none() | st.sampled_from([[], ["a"], [[1], {"b": ["]"]}], {"value": [1]}, {"Value": []}])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw an answer: what it says of its rows before or after them, and perhaps some bytes cut."""
    parts: dict[str, object] = {**draw(ANNOTATIONS), "value": draw(VALUES)}
    if draw(st.booleans()):
        parts = {"value": parts.pop("value"), **parts}
    extra = draw(EXTRA)
    if extra is not None:
        parts = {**parts, "extra": extra} if draw(st.booleans()) else {"extra": extra, **parts}
    body = msgspec.json.encode(parts)
    if draw(st.booleans()):
        return body
    start, size = draw(st.integers(0, len(body))), draw(st.integers(0, 9))
    more = draw(st.sampled_from([b"", b"]", b"[", b"}", b'"', b',"value":[]', b',"Value":[1]']))
    return body[:start] + more + body[start + size :]


@settings(max_examples=300)
@given(bodies())
@example(b'{"value":[1],"more":["a"],"@odata.nextLink":"b"}')
@example(b'{"a":{"value":[1]}}')
@example(b'{"a":"\\"value":[1]"}')
@example(b'{"value":[1],"Value":[2]}')
@example(b'{"Value":[1],"value":[2]}')
@example(b'{"value":[1],"value":[2]}')
@example(b'{"value":["rows of this page"]}')
def test_an_outline_with_rows_that_can_be_read_is_the_envelope(body: bytes) -> None:
    """An outline and the rows in it prove each other: together they are the whole answer."""
    found = outline(body)
    if found is None:
        return
    try:
        msgspec.json.decode(found.value)
    except msgspec.DecodeError:
        return
    whole = decode_envelope(body)
    assert replace(found, value=whole.value) == whole
    assert bytes(found.value) == bytes(whole.value)


@given(VALUES, st.integers(0, 10**12), st.booleans())
def test_a_usual_answer_has_an_outline(rows: list[object], number: int, last: bool) -> None:
    """What the service says of its rows stands before or after them; neither needs the rows."""
    said = {"@odata.nextLink": "more", "@odata.count": number, "@des.entitiesInPage": str(number)}
    parts = {**said, "value": rows} if last else {"value": rows, **said}
    found = outline(msgspec.json.encode(parts))
    assert found is not None
    assert (found.next_link, found.count, found.entities) == ("more", number, number)
    assert bytes(found.value) == msgspec.json.encode(rows)


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


SEAMS = st.lists(st.sampled_from(["},{", "[", "]", '"', "\\", "a", ","])).map("".join)


@given(st.lists(st.tuples(SEAMS, NUMBERS)), st.integers(1, 90))
def test_a_page_in_parts_is_the_page(rows: list[tuple[str, str]], part_bytes: int) -> None:
    """Wherever a page is cut, also where a text or a nested array looks like a seam."""
    listed = ",".join(
        f'{{"Date":{json.dumps(date)},"Extra":[{{"a":1}},{{"a":2}}],"Amount":{amount}}}'
        for date, amount in rows
    )
    value = msgspec.Raw(f"[{listed}]".encode())
    found = RowDecoder(("Date",), "Amount", part_bytes=part_bytes).decode(value, 1)
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_a_bad_row_of_a_page_in_parts_is_named_by_its_place_in_the_page() -> None:
    """Parts are ours alone: row 3 of the page is row 3 to the reader."""
    value = msgspec.Raw(b'[{"Date":"1"},{"Date":"2"},{"Date":3}]')
    with pytest.raises(SourceAnswerError, match=r"page 7, row 3, column Date"):
        RowDecoder(("Date",), None, part_bytes=5).decode(value, 7)


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


@given(st.lists(st.tuples(TEXTS, TEXTS, st.none() | TEXTS)), TEXTS)
def test_models_and_sets_are_listed_as_they_are(
    models: list[tuple[str, str, str | None]], extra: str
) -> None:
    """Each model and each set of a model is in the list, and what else stands there is ignored."""
    rows = [
        {"ProviderID": key, "ProviderName": name, "Description": text, "ServiceURL": extra}
        for key, name, text in models
    ]
    assert parse_providers(as_json({"value": rows})) == [Provider(*model) for model in models]
    sets = [{"name": key, "url": extra} for key, _, _ in models]
    assert parse_service_document(as_json({"value": sets})) == {key for key, _, _ in models}


@given(st.binary(max_size=40))
def test_any_bytes_are_lists_or_refused(value: bytes) -> None:
    """No bytes at all make the readers fail in another way."""
    for parse in (parse_providers, parse_service_document):
        with pytest.raises(SourceAnswerError):
            parse(b'{"value":[' + value + b",]}")
