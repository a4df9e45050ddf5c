"""The direct way of a request's line ends where the long way does."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.observability.logs import configure_logging
from app.observability.masking import Masker
from app.observability.request_lines import EVENT, LineHandler, write_request

SECRET = "hunter2-hunter2"
NAME = "app.api.middleware"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [f"/a/{SECRET}", f"token={SECRET}", "Bearer abcdefgh", "password=other", "x" * 200]
)
PAIRS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST"]),
        "path": TEXT,
        "query": st.lists(TEXT, max_size=3).map(tuple),
        "status": st.none() | st.integers(100, 599),
    },
    optional={"code": TEXT, "api_key": TEXT},
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put the process-wide logging back after each test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@contextmanager
def binding(request_id: str, trace_id: str | None = None) -> Iterator[None]:
    """Bind what every line of a request tells."""
    told = {"request_id": request_id} | ({"trace_id": trace_id} if trace_id else {})
    tokens = bind_contextvars(**told)
    yield
    reset_contextvars(**tokens)


def lines(
    pairs: dict[str, Any],
    *,
    direct: bool,
    level: int = logging.INFO,
    duration_ms: float = 1.25,
    request_id: str = "abc",
) -> list[str]:
    """Return what one request writes, on the direct way or the long one."""
    stream = io.StringIO()
    configure_logging("info", "json", Masker([SECRET]), stream)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, LineHandler)
    handler.is_direct = direct
    with binding(request_id):
        write_request(NAME, level, pairs, duration_ms)
    return stream.getvalue().splitlines(keepends=True)


@given(
    pairs=PAIRS,
    duration_ms=st.floats(0, 1e6),
    request_id=st.sampled_from(["abc", SECRET, f"a-{SECRET}.b", "e" * 32]),
)
def test_both_ways_write_the_same(
    pairs: dict[str, Any], duration_ms: float, request_id: str
) -> None:
    """The same keys in the same order, the same values, and no secret on either way."""
    (short,), (long,) = (
        lines(pairs, direct=direct, duration_ms=duration_ms, request_id=request_id)
        for direct in (True, False)
    )
    found = [dict(list(json.loads(line).items())[1:]) for line in (short, long)]
    assert found[0] == found[1]
    assert set(list(json.loads(short))[:5]) == set(list(json.loads(long))[:5])
    assert SECRET not in short


def test_a_line_has_time_level_event_logger_and_id() -> None:
    """The line of a request looks like every other line."""
    (line,) = lines({"method": "GET"}, direct=True)
    told = json.loads(line)
    assert list(told) == [
        "timestamp",
        "level",
        "event",
        "logger",
        "request_id",
        "method",
        "duration_ms",
    ]
    assert (told["level"], told["event"], told["logger"]) == ("info", EVENT, NAME)
    assert told["timestamp"].endswith("Z")
    assert line.endswith("}\n")


@pytest.mark.parametrize("direct", [True, False])
def test_the_level_counts(direct: bool) -> None:
    """A line below the level of the log is not written."""
    assert lines({"method": "GET"}, direct=direct, level=logging.DEBUG) == []


def test_lines_for_people_go_the_long_way() -> None:
    """Text is coloured and laid out by the renderer that all lines share."""
    stream = io.StringIO()
    configure_logging("info", "text", Masker([SECRET]), stream)
    write_request(NAME, logging.INFO, {"path": f"/{SECRET}"}, 1.0)
    assert EVENT in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_caller_cannot_begin_a_line(end: str, *, direct: bool) -> None:
    """Whatever ends a line somewhere is escaped, and reads back as it was sent."""
    (line,) = lines({"path": f"/a{end}b"}, direct=direct)
    assert json.loads(line)["path"] == f"/a{end}b"


def test_a_secret_that_becomes_known_is_masked_in_lines_of_a_kind_seen_before() -> None:
    """What was written for a kind of requests is forgotten with every new secret."""
    stream, masker = io.StringIO(), Masker()
    configure_logging("info", "json", masker, stream)
    for _ in range(2):
        write_request(NAME, logging.INFO, {"path": "/later-secret"}, 1.0)
    assert stream.getvalue().count("/later-secret") == 2
    masker.add("later-secret")
    write_request(NAME, logging.INFO, {"path": "/later-secret"}, 1.0)
    masker.add_token("a-token-of-today")
    write_request(NAME, logging.INFO, {"path": "/a-token-of-today"}, 1.0)
    assert stream.getvalue().count("/later-secret") == 2
    assert [json.loads(line)["path"] for line in stream.getvalue().splitlines()[2:]] == ["/***"] * 2


def test_only_an_id_that_was_made_here_is_taken_as_it_is() -> None:
    """A caller may send a secret as the id of a request; it is masked like everything else."""
    stream = io.StringIO()
    configure_logging("info", "json", Masker([SECRET]), stream)
    for made_id in (None, "0123abcd"):
        with binding(SECRET):
            write_request(NAME, logging.INFO, {"path": "/"}, 1.0, made_id)
        with binding("0123abcd", SECRET):
            write_request(NAME, logging.INFO, {"path": "/"}, 1.0, made_id)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["request_id"] for line in told] == ["***", "0123abcd"] * 2
    assert [line.get("trace_id") for line in told] == [None, "***"] * 2
    assert [list(line)[4:6] for line in told] == [
        ["request_id", "path"],
        ["request_id", "trace_id"],
    ] * 2


def test_the_kinds_that_are_remembered_are_bounded() -> None:
    """Whoever asks for ever other addresses does not fill the memory, nor with long ones."""
    stream = io.StringIO()
    configure_logging("info", "json", Masker(), stream)
    (handler,) = logging.getLogger().handlers
    for number in range(1_200):
        write_request(NAME, logging.INFO, {"path": f"/{number}"}, 1.0)
    write_request(NAME, logging.INFO, {"path": "/" + "x" * 1_000}, 1.0)
    kinds: dict[Any, str] = vars(handler)["_kinds"]
    assert 0 < len(kinds) <= 500
    assert max(map(len, kinds.values())) <= 500
