"""Heads that are told apart from their bodies: as the parser of HTTP reads them, or not at all."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sac_connector.heads import parted

LENGTH = 1_000_000
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
ODD = (
    b"Content-Length: 1000000",
    b"content-length:\t300000 ",
    b"Content-Length: 9",
    b"Content-Length: 1000000, 1000000",
    b"Content-Length: +1000000",
    b"Content-Length : 1000000",
    b" Content-Length: 1000000",
    b"X-Content-Length: 1000000",
    b"Transfer-Encoding: chunked",
    b"Content-Encoding: gzip",
    b"Connection: close",
    b"Date: Fri, 27 Nov 2026 20:00:00 GMT",
    b"Set-Cookie: a=b; HttpOnly",
    b"X: content-length: 1000000",
    b"X: \xff",
    b"X:",
)


def read(head: bytes) -> tuple[list[tuple[bytes, bytes]], h11.Connection] | None:
    """Return the headers of an answer to a GET as h11 reads them; None if it refuses."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    assert isinstance(event, h11.Response)
    return list(event.headers), connection


def test_a_plain_answer_is_parted() -> None:
    """What is left is a whole answer without a body, and where the body begins is told."""
    found = parted(PLAIN + b'{"value":[')
    assert found is not None
    assert (found.size_bytes, found.body_bytes) == (len(PLAIN), LENGTH)
    assert found.head == PLAIN.replace(b"1000000", b"0")


@given(st.lists(st.sampled_from(ODD), max_size=4), st.binary(max_size=20))
def test_a_head_is_parted_as_the_parser_reads_it(lines: list[bytes], body: bytes) -> None:
    """Length and headers are those that h11 finds in the whole answer."""
    whole = b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""])
    found = parted(whole + body)
    if found is None:
        return
    before, after = read(whole), read(found.head)
    assert before is not None
    assert after is not None
    names = {b"content-length": b"0"}
    assert after[0] == [(name, names.get(name, value)) for name, value in before[0]]
    assert dict(before[0])[b"content-length"] == b"%d" % found.body_bytes
    assert found.size_bytes == len(whole)
    assert isinstance(after[1].next_event(), h11.EndOfMessage)


STATUS_LINE = b"HTTP/1.1 200 OK"
LENGTH_LINE = b"Content-Length: 1000000"


@pytest.mark.parametrize(
    ("line", "other"),
    [
        (STATUS_LINE, b"HTTP/1.0 200 OK"),
        (STATUS_LINE, b"HTTP/1.1 206 Partial Content"),
        (STATUS_LINE, b"HTTP/1.1 100 Continue"),
        (STATUS_LINE, b"HTTP/1.1 101 Switching Protocols"),
        (STATUS_LINE, b"HTTP/1.1 401 Unauthorized"),
        (LENGTH_LINE, b"Content-Length: 9"),
        (LENGTH_LINE, b"Content-Length: 300000000"),
        (LENGTH_LINE, b"Content-Length: 99999999999999999999"),
        (LENGTH_LINE, LENGTH_LINE + b"\r\nContent-Length: 1000000"),
        (LENGTH_LINE, LENGTH_LINE + b"\r\nContent-Encoding: gzip"),
        (LENGTH_LINE, LENGTH_LINE + b"\r\nTransfer-Encoding: chunked"),
        (LENGTH_LINE, LENGTH_LINE + b"\r\nX: a\r\n b"),
        (LENGTH_LINE, b"X: y"),
    ],
)
def test_all_else_is_left_to_the_parser(line: bytes, other: bytes) -> None:
    """Another status; a body that is small, huge, or coded, or of which the length is not sure."""
    assert parted(PLAIN) is not None
    assert parted(PLAIN.replace(line, other)) is None


@given(st.integers(0, len(PLAIN) - 1))
def test_a_head_that_has_not_come_whole_is_left_to_the_parser(size: int) -> None:
    """It waits for the rest."""
    assert parted(PLAIN[:size]) is None
