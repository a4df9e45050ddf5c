"""The log of the service in memory."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from app.observability.logs import configure_logging
from app.observability.masking import Masker

SECRET = "hunter2-hunter2"


class Log:
    """The log of the service, read line by line."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of an event; of all events without one."""
        lines = map(json.loads, self.stream.getvalue().splitlines())
        return [line for line in lines if event in {None, line["event"]}]


@contextmanager
def real_log() -> Iterator[Log]:
    """Let the real logging write to memory at level debug, while the context lasts."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    log = Log()
    configure_logging("debug", "json", Masker([SECRET]), log.stream)
    try:
        yield log
    finally:
        root.handlers, root.level = handlers, level
        structlog.reset_defaults()
