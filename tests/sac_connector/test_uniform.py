"""Rows that are all laid out alike: read as the parser reads them, or left to it; never else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import SourceAnswerError
from app.sac_connector.answers import RowDecoder
from app.sac_connector.uniform import Pattern, UniformRows

TEXT: Final = "Region"
NUMBER: Final = "Amount"
# What a service writes as it is; a lone surrogate has no bytes.
PLAIN: Final = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters='"\\'),
    max_size=12,
)
COLONS: Final = st.text(":a,", max_size=4)
ODD: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(json.dumps)
NUMBERS: Final = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20}", fullmatch=True),
)
ANY_NUMBER: Final = st.one_of(
    NUMBERS,
    st.just("null"),
    st.from_regex(r"-?(0|[1-9][0-9]?)(\.[0-9]{1,3})?[eE][+-]?[0-9]{1,3}", fullmatch=True),
)
NO_NUMBERS: Final = (
    *("", "true", "nul", "nullnull", "NaN", "[1]", "{}", '{"a":1}', "1,2", "\u0661", "0x1", "1_0"),
    *("01", "-01", "-", "--1", "1-", "1-2", "+1", "1.", ".5", "-.5", "1.2.3", "1e", "1 ", " 1"),
)
# Bytes that mean something in JSON, or in UTF-8.
TELLING: Final = st.sampled_from([*b'"\\{}[],:.-+eEn019 /\n\x00\x1f\x7f\x80\xc3\xa4\xed\xff'])
EDITS: Final = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["set", "add", "cut"]), TELLING), max_size=3
)

Keys = Sequence[tuple[str, bool]]


@st.composite
def keys(draw: st.DrawFn, texts: st.SearchStrategy[str] = PLAIN) -> Keys:
    """Draw the keys of a row, and which of them hold texts; two of them are wanted."""
    others = draw(st.lists(texts.filter(lambda name: name not in {TEXT, NUMBER}), unique=True))
    kinds = [(name, draw(st.booleans())) for name in others]
    wanted = [(TEXT, True), (NUMBER, draw(st.integers(0, 9)) == 0)]
    return draw(st.permutations([*kinds, *wanted]))


def row(values: Sequence[tuple[str, str]]) -> str:
    """Write a row as the service does."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in values) + "}"


@st.composite
def uniform(
    draw: st.DrawFn,
    numbers: st.SearchStrategy[str] = NUMBERS,
    texts: st.SearchStrategy[str] = PLAIN,
) -> bytes:
    """Draw rows that are all laid out alike."""
    names = draw(keys(texts))
    values = texts.map(lambda text: f'"{text}"')
    one = st.tuples(*(values if quoted else numbers for _, quoted in names))
    rows = draw(st.lists(one, min_size=1, max_size=6))
    lines = [
        row([(name, value) for (name, _), value in zip(names, line, strict=True)]) for line in rows
    ]
    return ",".join(lines).encode()


@st.composite
def nearly_uniform(draw: st.DrawFn) -> bytes:
    """Draw rows of which some are laid out in another way, or are no rows."""
    names = draw(keys())
    plain = PLAIN.map(lambda text: f'"{text}"')
    odd = st.one_of(plain, NUMBERS, ODD, st.sampled_from(NO_NUMBERS), st.just("null"))
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        usual = [(name, draw(plain if quoted else ANY_NUMBER)) for name, quoted in names]
        change = draw(st.sampled_from(["none", "none", "value", "order", "twice", "less", "blank"]))
        place = draw(st.integers(0, len(usual) - 1))
        if change == "value":
            usual[place] = usual[place][0], draw(odd)
        if change == "order":
            usual = draw(st.permutations(usual))
        if change == "twice":
            usual.append((usual[place][0], draw(odd)))
        if change == "less":
            del usual[place]
        written = row(usual)
        lines.append(
            written.replace(":", draw(st.sampled_from([": ", " :"])), 1)
            if change == "blank"
            else written
        )
    return edited(",".join(lines).encode(), draw(EDITS))


def edited(rows: bytes, edits: Sequence[tuple[float, str, int]]) -> bytes:
    """Set, add or cut some bytes."""
    changed = bytearray(rows)
    for share, kind, byte in edits:
        place = int(share * len(changed))
        changed[place : place + (kind != "add")] = b"" if kind == "cut" else bytes([byte])
    return bytes(changed)


class Row(msgspec.Struct):
    """What is wanted of a row."""

    text: str | None = msgspec.field(name=TEXT)
    number: msgspec.Raw = msgspec.field(name=NUMBER)


def parsed(rows: bytes) -> list[tuple[str | None, str | None]] | None:
    """Read rows by msgspec alone; None if it refuses them."""
    try:
        found = msgspec.json.decode(b"[" + rows + b"]", type=list[Row])
        pairs = [(one.text, bytes(one.number).decode()) for one in found]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return [(text, None if raw == "null" else raw.strip('"')) for text, raw in pairs]


def listed(table: pa.Table) -> list[tuple[str | None, str | None]]:
    """Return the rows of a table."""
    assert table.column_names == [TEXT, NUMBER]
    assert [field.type for field in table.schema] == [pa.string()] * 2
    table.validate(full=True)
    return list(zip(table[TEXT].to_pylist(), table[NUMBER].to_pylist(), strict=True))


@given(uniform())
def test_rows_laid_out_alike_are_read_as_the_parser_reads_them(rows: bytes) -> None:
    """Whatever the names, the order and the values: these rows need no parser."""
    found = UniformRows((TEXT,), NUMBER).read(rows)
    assert found is not None
    assert listed(found) == parsed(rows)


@given(uniform(ANY_NUMBER))
def test_exponents_and_nulls_are_numbers_too(rows: bytes) -> None:
    """All forms of JSON's numbers are read, and null is null."""
    pattern = Pattern.of(rows)
    found = UniformRows((TEXT,), NUMBER).read(rows)
    assert found is not None
    assert pattern is not None
    assert listed(found) == parsed(rows)


@given(uniform(texts=COLONS))
def test_colons_in_texts_and_names_mislead_nobody(rows: bytes) -> None:
    """Where colons do not tell values apart, quotes do."""
    found = UniformRows((TEXT,), NUMBER).read(rows)
    assert found is not None
    assert listed(found) == parsed(rows)


@given(nearly_uniform())
@example(b'{"Region":"","Amount":1},{"Region":"","Amount":2}')
@example(b'{"Region":"a:b","Amount":1},{"Region""c","Amount":2}')
@example(b'{"Region":"a:","Amount":1},{"Region""c","Amount":2}')
@example(b'{"Region":"a","Amount":1},"Region":"b","Amount":1}')
@example(b'{"Amount":"1,"Region":"a"}')
@example(b'{"Region":"a","Amount":1}]')
@example(b'{"Region":"a","Amount":1},')
@example(b'{"Region":"a","Amount":},{"Region":"a","Amount":1}')
@example(b'{"Amount":1,"Region":"a","x":},{"Amount":1,"Region":"a","x":1}')
def test_any_other_rows_are_read_rightly_or_not_at_all(rows: bytes) -> None:
    """What is read is what the parser reads, and what it refuses is not read."""
    found = UniformRows((TEXT,), NUMBER).read(rows)
    if found is not None:
        json.loads(b"[" + rows + b"]")
        assert listed(found) == parsed(rows)


@given(st.lists(nearly_uniform() | uniform(ANY_NUMBER), min_size=1, max_size=4), st.integers(1, 99))
def test_a_page_is_what_the_parser_says_it_is(parts: list[bytes], part_bytes: int) -> None:
    """Wherever it is cut, and whichever parts are read in which way: the same rows, or refused."""
    rows = b",".join(parts)
    value = msgspec.Raw(b"[" + rows + b"]")
    try:
        found = RowDecoder((TEXT,), NUMBER, part_bytes=part_bytes).decode(value, 1)
    except SourceAnswerError:
        assert parsed(rows) is None
    else:
        right = parsed(rows)
        # A measure that is no text at all is kept as one that is no number.
        assert right is None or listed(found) == right


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("name", [NUMBER, "Quantity"])
def test_what_is_no_number_is_left_to_the_parser(text: str, name: str) -> None:
    """A value without quotes that is no number of JSON is never taken for one, wanted or not."""
    lines = [
        row([(TEXT, '"a"'), *({NUMBER: "1", "Quantity": "2"} | {name: value}).items()])
        for value in ("7", text, "-7.5")
    ]
    for rows in (lines[:2], lines[::-1], lines[1:2], lines):
        assert UniformRows((TEXT,), NUMBER).read(",".join(rows).encode()) is None


@pytest.mark.parametrize(
    "rows",
    [
        b"",
        b"{}",
        b'{"Amount":1}',
        b'{"Region":1,"Amount":1}',
        b'{"Region":"a"}',
        b'{"Region":"a","Region":"b","Amount":1}',
        b'{"Region":"\\u0041","Amount":1}',
        b'{"Region":"a\x1f","Amount":1}',
        b'{"Region":"\xff","Amount":1}',
        b'{"Region":"\xed\xa0\x80","Amount":1}',
        b'{"Region":"a","Amount":1,"x":"\xff"}',
        b'{"Region":"a", "Amount":1}',
        b'{"Region":"a","Amount":1}\n',
        b'{"Region":"a","Amount":[1]}',
        b'{"Region":"a","Amount":1},{"Region":null,"Amount":1}',
        b'{"Region":"a","Amount":1},{"Amount":1,"Region":"a"}',
        b'{"Region":"a","Amount":1},{"region":"a","Amount":1}',
        b'{"Region":"a","Amount":1}{"Region":"a","Amount":1}',
        b'{"Region":"a","Amount":1},{"Region":"\\u0041","Amount":1}',
        b'{"Region":"a","Amount":1},{"Region":"b","Amount":1,"c":"d"}',
        b'{"Amount":1,"Region":"a"},',
        b'{"Amount":1,"Region":"a"}x',
        b'{"Amount":1,"Region":"a"}]',
        b'{"Amount":1,"Region":"a"',
        b'{"Region":"a","Amount":1',
        b'{"Region":"a","Amount":1}}',
    ],
)
def test_rows_out_of_the_pattern_are_left_to_the_parser(rows: bytes) -> None:
    """Escapes, controls, blanks, nulls for texts, keys that lack, come twice or in other order."""
    assert UniformRows((TEXT,), NUMBER).read(rows) is None


def test_a_reader_that_knows_a_pattern_reads_another() -> None:
    """What is kept of one page is not held against the next."""
    reader = UniformRows((TEXT,), NUMBER)
    for rows in (
        b'{"Region":"a","Amount":1}',
        b'{"Amount":2,"Region":"b"},{"Amount":3,"Region":"c"}',
        b'{"Region":"d","Amount":"4"}',
        b'{"Region":"e","Amount":5},{"Region":"f","Amount":6},{"Region":"g","Amount":7}',
    ):
        found = reader.read(rows)
        assert found is not None
        assert listed(found) == parsed(rows)
    assert reader.read(b'{"Region":"e","Amount":5},{"Amount":6,"Region":"f"}') is None
