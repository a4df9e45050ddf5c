"""One answer: which kind of body it has, in whatever charset, and which error it reports."""

from __future__ import annotations

import codecs
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sac_connector.http_answer import Answer
from tests.sac_connector.rig import PAGE_URL, as_json

MARK = "do-not-quote-me"
KNOWN = frozenset({1205, 3401})
EVERY = frozenset(range(10_000))
XML_ERROR = (
    '<?xml version="1.0" encoding="utf-8"?><m:error xmlns:m="http://docs.oasis-open.org/odata">'
    "<m:code>3f0c</m:code><m:message>Client is not allowed [3401]</m:message></m:error>"
)


def answer(body: bytes, kind: str = "application/json") -> Answer:
    """Return an answer with a body."""
    request = httpx.Request("GET", PAGE_URL)
    return Answer.of(httpx.Response(400, headers={"content-type": kind}, request=request), body)


@pytest.mark.parametrize(
    ("kind", "body", "page"),
    [
        ("text/html", b"", True),
        ("application/json", b"\xef\xbb\xbf <!DOCTYPE HTML><p>", True),
        ("", b"<html>", True),
        ("application/xml", b"<!-- x --><html lang='de'>", True),
        ("application/xhtml+xml", b"<?xml version='1.0'?><html>", True),
        ("text/plain", b"<p>Bad gateway</p>", True),
        ("text/html", b'{"error":{}}', False),
        ("text/html", XML_ERROR.encode(), False),
        ("", XML_ERROR.encode(), False),
        ("", b"<edmx:Edmx>", False),
        ("application/xml", b"<Edmx>", False),
        ("text/plain", b"Bad gateway", False),
    ],
)
def test_a_web_page_is_known_by_its_begin(kind: str, body: bytes, page: bool) -> None:
    """Proxies send pages under any type, and services send errors under the type of pages."""
    assert answer(body, kind).looks_like_html is page


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"message":"x"}}', True),
        (b'\xef\xbb\xbf{"error":"x"}', True),
        (b'{"@odata.context":"x","error":{}}', True),
        (b'{"odata.error":{}}', True),
        (XML_ERROR.encode(), True),
        (b"<error/>", True),
        (b'{"value":[],"error":{}}', False),
        (b'{"value":[{"error":1}]}', False),
        (b'{"x":"' + b"x" * 70_000 + b'","error":{}}', False),
        (b"<errors/>", False),
        (b"[]", False),
        (b"", False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_error_is_known_by_its_form(body: bytes, error: bool) -> None:
    """Errors of OData are known under every status; what has rows is no error."""
    assert answer(body).reports_error is error


@given(st.integers(0, 9999), st.text(max_size=150).filter(lambda text: "[" not in text))
def test_the_number_of_a_message_is_found_in_each_envelope(number: int, text: str) -> None:
    """The four digits in brackets count, in a plain message and in one with a language."""
    message = f"{text} [{number:04}]"
    shapes = (message, {"message": message}, {"message": {"value": message}})
    for shape in (*shapes, {"message": "no", "details": [1, {"message": message}]}):
        assert answer(as_json({"error": shape})).number(KNOWN) == number


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
@pytest.mark.parametrize("text", [XML_ERROR, '{"error":{"message":"nö [3401]"}}', "no: [3401]"])
def test_the_number_is_found_under_every_byte_order_mark(mark: bytes, text: str) -> None:
    """In JSON, in XML and in plain text, in UTF-8 and UTF-16."""
    charset = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(mark)
    assert answer(mark + text.encode(charset or "utf-8"), "text/plain").number(KNOWN) == 3401


@pytest.mark.parametrize(
    ("kind", "charset"),
    [
        ("application/json; charset=ISO-8859-1", "latin-1"),
        ('application/json;charset="utf-16"', "utf-16"),
        ("application/json", "latin-1"),  # it says nothing, and is not UTF-8
        ("application/json; charset=nonsense", "utf-8"),
        ("application/json; charset=hex", "utf-8"),
    ],
)
def test_the_number_is_found_in_every_charset(kind: str, charset: str) -> None:
    """A message with letters that are no UTF-8 does not hide the number."""
    body = '{"error":{"message":"für Sie nicht erlaubt [3401]"}}'.encode(charset)
    found = answer(body, kind).number(EVERY if charset == "hex" else KNOWN)
    assert found == (None if "hex" in kind else 3401)


@given(st.text(), st.sampled_from(["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"]))
def test_text_that_says_its_charset_is_turned_into_utf_8(text: str, charset: str) -> None:
    """By a mark, or by the content type; and without loss."""
    body = json.dumps({"value": text.encode(charset, "ignore").decode(charset)})
    kind = f"application/json; charset={charset}"
    for content, said in ((body.encode(charset), kind), (body.encode(), "application/json")):
        assert answer(content, said).data == body.encode()


def test_xml_is_left_to_say_its_own_charset() -> None:
    """Its declaration would be wrong after a change."""
    body = '<?xml version="1.0" encoding="utf-16"?><Edmx/>'.encode("utf-16")
    assert answer(body, "application/xml; charset=utf-16").data == body


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"error": {"message": "[1111] then [2222]"}}, 2222),
        ({"error": {"message": "digits [123] or [12345] do not count"}}, None),
        ({"error": {"message": None}}, None),
        ({"error": None}, None),
        ({"error": {"code": "[1402]"}}, None),
        ({"message": "[1402]"}, None),
        ({"error": {"message": "x" * 5_000 + "[1205]"}}, 1205),
        ({"error": {"message": "no", "innererror": {"message": "[1205]"}}}, 1205),
    ],
    ids=lambda value: None,
)
def test_only_the_last_number_of_a_message_counts(
    body: dict[str, object], number: int | None
) -> None:
    """The last four digits in brackets are the number, and other fields have none."""
    assert answer(as_json(body)).number(KNOWN) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It was refused [3401]", 3401),
        ("<html>It was refused [3401]</html>", 3401),
        ('{"error":{"message":"cut off [3401]', 3401),
        ("from 1999 to [2024]", None),
        ("[3401] and then [9999]", None),
    ],
)
def test_of_what_is_no_json_only_numbers_that_are_known_count(
    text: str, number: int | None
) -> None:
    """In a page or a text anything may stand in brackets."""
    assert answer(text.encode(), "text/html").number(KNOWN) == number


@given(st.binary(max_size=60))
def test_a_body_that_is_no_error_has_no_number(body: bytes) -> None:
    """Anything at all may stand in a body."""
    assert answer(body).number(KNOWN) is None or b"[" in body


def test_an_answer_does_not_show_its_body() -> None:
    """The answer of the token endpoint may stand in a trace-back: its body holds the token."""
    assert MARK not in repr(Answer(200, {}, MARK.encode()))
