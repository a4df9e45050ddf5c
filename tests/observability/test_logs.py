"""Every line, whoever writes it, has one form and holds no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.observability.logs import configure_logging
from app.observability.masking import MASK, MIN_SECRET_LENGTH, Masker

SECRET = "hunter2-hunter2"
NAMES = ("", "httpx", "httpcore", "uvicorn", "uvicorn.error", "uvicorn.access")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put the process-wide logging back after each test."""
    before = [
        (log, log.handlers, log.level, log.propagate) for log in map(logging.getLogger, NAMES)
    ]
    yield
    structlog.reset_defaults()
    for log, handlers, level, propagate in before:
        log.handlers, log.level, log.propagate = handlers, level, propagate


def fail(text: str) -> None:
    """Fail with a text that holds a secret."""
    raise ValueError(text)


def written(act: Callable[[], object], *, level: str = "INFO") -> list[dict[str, Any]]:
    """Return the JSON lines that an action writes."""
    stream = io.StringIO()
    configure_logging(level, "auto", Masker([SECRET]), stream)
    act()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_are_json_with_time_level_and_request_id() -> None:
    """A line of ours is one JSON object with a UTC time, its logger and the request's id."""
    tokens = bind_contextvars(request_id="abc")
    (line,) = written(lambda: structlog.get_logger("app.x").info("refresh_done", rows=3))
    reset_contextvars(**tokens)
    assert list(line) == ["timestamp", "level", "event", "logger", "request_id", "rows"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "refresh_done",
        "level": "info",
        "logger": "app.x",
        "request_id": "abc",
        "rows": 3,
    }


def test_lines_of_libraries_have_the_same_form() -> None:
    """A line through the standard library carries the same fields as ours."""
    tokens = bind_contextvars(request_id="abc")
    (line,) = written(lambda: logging.getLogger("uvicorn.error").warning("tried %s", SECRET))
    reset_contextvars(**tokens)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": f"tried {MASK}",
        "level": "warning",
        "logger": "uvicorn.error",
        "request_id": "abc",
    }


def test_an_exception_is_written_without_the_secret_in_it() -> None:
    """The traceback is in the line; the secret in the exception's text is not."""

    def act() -> None:
        try:
            fail(SECRET)
        except ValueError:
            structlog.get_logger("app.x").exception("bad")

    (line,) = written(act)
    assert "ValueError: ***" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_chatty_libraries_are_quiet() -> None:
    """The request lines of httpx and uvicorn's access log do not appear."""

    def act() -> None:
        logging.getLogger("httpx").info("GET https://tenant")
        logging.getLogger("httpcore.http11").debug("send")
        logging.getLogger("uvicorn.access").info("GET /")

    assert written(act, level="debug") == []


def test_lines_below_the_level_are_left_out() -> None:
    """A debug line is not shown at level INFO, and is at DEBUG."""
    assert written(lambda: structlog.get_logger("a").debug("x")) == []
    assert len(written(lambda: structlog.get_logger("a").debug("x"), level="debug")) == 1


def test_a_terminal_gets_lines_for_people() -> None:
    """On a terminal the lines are coloured text, exceptions included, and still masked."""
    stream = Terminal()
    configure_logging("INFO", "auto", Masker([SECRET]), stream)
    try:
        fail(SECRET)
    except ValueError:
        structlog.get_logger("app.x").exception("bad", value=SECRET)
    shown = stream.getvalue()
    assert not shown.startswith("{")
    assert "\x1b[" in shown
    assert "ValueError: ***" in shown
    assert SECRET not in shown


def test_the_form_can_be_asked_for() -> None:
    """JSON comes on a terminal, and text elsewhere, if that is what the settings say."""
    terminal, pipe = Terminal(), io.StringIO()
    configure_logging("INFO", "json", Masker(), terminal)
    structlog.get_logger("a").info("x")
    configure_logging("INFO", "text", Masker(), pipe)
    structlog.get_logger("a").info("x")
    assert json.loads(terminal.getvalue())["event"] == "x"
    assert "[info     ] x" in pipe.getvalue()


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream the lines go to stderr and leave stdout to programs."""
    configure_logging("INFO", "auto", Masker())
    structlog.get_logger("a").info("x")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "x"


@given(
    secret=st.text(min_size=MIN_SECRET_LENGTH, max_size=20),
    form=st.sampled_from(["json", "text"]),
    before=st.text(max_size=5),
)
def test_no_registered_value_survives_in_a_line(
    secret: str, form: Literal["json", "text"], before: str
) -> None:
    """Whatever the secret looks like, and whoever logs it, no line holds it."""
    stream = io.StringIO()
    configure_logging("INFO", form, Masker([secret]), stream)
    structlog.get_logger("a").info(before + secret, deep=[{"k": secret}], obj=ValueError(secret))
    logging.getLogger("b").info("%s and %r", secret, secret)
    try:
        fail(before + secret)
    except ValueError:
        logging.getLogger("b").exception("failed")
    assert stream.getvalue()
    for line in stream.getvalue().splitlines():
        assert secret not in line
        assert json.dumps(secret, ensure_ascii=False)[1:-1] not in line
