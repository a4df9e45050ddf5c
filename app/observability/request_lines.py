"""Writes the line of a request: most lines there are, so they take no detour.

On the way of all other lines, through `structlog` and `logging`, a line costs several times what a
short answer costs. This one ends in the same handler, with the same keys and the same mask.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec
import structlog

from app.observability.masking import Masker

EVENT: Final = "http_request"
_encode: Final = msgspec.json.Encoder().encode
# JSON lets these stand as they are, and some readers of logs take them for the end of a line.
_LINE_ENDS: Final = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


class LineHandler(logging.StreamHandler[TextIO]):
    """The handler of all lines; if they are JSON, it takes those of requests directly.

    Args:
        stream: Where lines go.
        masker: Knows the secrets.
        as_json: Whether lines are JSON objects.
    """

    def __init__(self, stream: TextIO, masker: Masker, *, as_json: bool) -> None:
        super().__init__(stream)
        self._masker = masker
        self.is_direct = as_json

    def write_request(self, name: str, level: int, pairs: Mapping[str, object]) -> None:
        """Write one line.

        Args:
            name: Of the logger.
            level: As `logging` has it.
            pairs: What to tell.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        first = {
            # Not strftime, which takes three times as long.
            "timestamp": f"{now.isoformat('T', 'microseconds')}Z",
            "level": logging.getLevelName(level).lower(),
            "event": EVENT,
            "logger": name,
        }
        told = {**structlog.contextvars.get_contextvars(), **pairs}
        line = on_one_line(_encode({**first, **self._masker.event(None, "", told)}).decode())
        self.acquire()
        try:
            self.stream.write(line + self.terminator)
            self.flush()
        finally:
            self.release()


def on_one_line(line: str) -> str:
    """Return a JSON text without anything that may be taken for the end of a line.

    Whoever calls chooses the path of a request, and must not write lines of the log.
    """
    return line if line.isascii() else line.translate(_LINE_ENDS)


def write_request(name: str, level: int, pairs: Mapping[str, object]) -> None:
    """Write the line of a request, with what is bound to its context.

    Args:
        name: Of the logger.
        level: As `logging` has it.
        pairs: What to tell; plain values.
    """
    if not logging.getLogger(name).isEnabledFor(level):
        return
    handlers = logging.getLogger().handlers
    handler = handlers[0] if len(handlers) == 1 else None
    if isinstance(handler, LineHandler) and handler.is_direct:
        handler.write_request(name, level, pairs)
    else:
        structlog.get_logger(name).log(level, EVENT, **pairs)
