"""Writes the line of a request: most lines there are, so they take no detour.

On the way of all other lines, through `structlog` and `logging`, a line costs several times what a
short answer costs. This one ends in the same handler, with the same keys and the same mask. What
lines of one kind have in common is masked and encoded once, until another secret becomes known.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TextIO

import msgspec
import structlog

from app.observability.masking import Masker

EVENT: Final = "http_request"
_REQUEST_ID: Final = "request_id"
_TIME_LENGTH: Final = len("2026-11-21T14:05:00.000000")
_encode: Final = msgspec.json.Encoder().encode
# JSON lets these stand as they are, and some readers of logs take them for the end of a line.
_LINE_ENDS: Final = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
# Requests come in few kinds: the same address, names of parameters, status, caller.
_KINDS_REMEMBERED: Final = 500
_LONGEST_REMEMBERED: Final = 500

# What a line may tell; hashable, so that what is alike is written once.
Pairs = Mapping[str, str | int | tuple[str, ...] | None]


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
        self._kinds: dict[Hashable, str] = {}
        self._kinds_masked_by = masker.generation

    def write_request(
        self, name: str, level: int, pairs: Pairs, duration_ms: float, made_id: str | None
    ) -> None:
        """Write one line; see `write_request` of this module."""
        # Not strftime, which takes three times as long; without the time zone.
        time = datetime.now(UTC).isoformat("T", "microseconds")[:_TIME_LENGTH]
        context = structlog.contextvars.get_contextvars()
        first, request_id = "", context.pop(_REQUEST_ID, None)
        if request_id is not None:
            is_made = request_id == made_id
            told = (
                f'"{_REQUEST_ID}":"{made_id}"'
                if is_made
                else self._masked({_REQUEST_ID: request_id})
            )
            first = f"{told},"
        if context:
            first += f"{self._masked(context)},"
        kind = self._kind(name, level, pairs)
        line = (
            f'{{"timestamp":"{time}Z",{_head(name, level)},{first}{kind},'
            f'"duration_ms":{duration_ms:.1f}}}'
        )
        self.acquire()
        try:
            self.stream.write(line + self.terminator)
            self.stream.flush()
        finally:
            self.release()

    def _kind(self, name: str, level: int, pairs: Pairs) -> str:
        generation = self._masker.generation
        if generation != self._kinds_masked_by:
            self._kinds, self._kinds_masked_by = {}, generation
        key = (name, level, *pairs.items())
        kinds = self._kinds
        text = kinds.get(key)
        if text is None:
            text = self._masked(pairs)
            # Not if another thread has made a secret known meanwhile.
            if len(text) <= _LONGEST_REMEMBERED and generation == self._masker.generation:
                if len(kinds) >= _KINDS_REMEMBERED:
                    kinds.clear()
                kinds[key] = text
        return text

    def _masked(self, pairs: Mapping[str, object]) -> str:
        """Return the members of a JSON object, without its braces and without secrets."""
        return on_one_line(_encode(self._masker.event(None, "", dict(pairs))).decode())[1:-1]


@lru_cache(maxsize=64)
def _head(name: str, level: int) -> str:
    told = {"level": logging.getLevelName(level).lower(), "event": EVENT, "logger": name}
    return _encode(told).decode()[1:-1]


def on_one_line(line: str) -> str:
    """Return a JSON text without anything that may be taken for the end of a line.

    Whoever calls chooses the path of a request, and must not write lines of the log.
    """
    return line if line.isascii() else line.translate(_LINE_ENDS)


def write_request(
    name: str, level: int, pairs: Pairs, duration_ms: float, made_id: str | None = None
) -> None:
    """Write the line of a request, with what is bound to its context.

    Args:
        name: Of the logger.
        level: As `logging` has it.
        pairs: What to tell; at least one.
        duration_ms: How long the request took.
        made_id: The request's id if it was made of chance here, so that it can hold no secret.
    """
    if not logging.getLogger(name).isEnabledFor(level):
        return
    handlers = logging.getLogger().handlers
    handler = handlers[0] if len(handlers) == 1 else None
    if isinstance(handler, LineHandler) and handler.is_direct:
        handler.write_request(name, level, pairs, duration_ms, made_id)
    else:
        told = {**pairs, "duration_ms": round(duration_ms, 1)}
        structlog.get_logger(name).log(level, EVENT, **told)
