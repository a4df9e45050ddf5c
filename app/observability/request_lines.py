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
from time import time
from typing import Final, TextIO

import msgspec
import structlog

from app.observability.masking import Masker

EVENT: Final = "http_request"
REQUEST_ID: Final = "request_id"
_MICROSECONDS: Final = 1_000_000
# Without the time zone.
_TIME_LENGTH: Final = len("2026-11-21T14:05:00")
_encode: Final = msgspec.json.Encoder().encode
# To look them up takes a lock.
_root: Final = logging.getLogger()
_logger: Final = lru_cache(maxsize=64)(logging.getLogger)
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
        context = dict(sorted(structlog.contextvars.get_contextvars().items()))
        if made_id is not None and len(context) == 1 and context.get(REQUEST_ID) == made_id:
            first = f'"{REQUEST_ID}":"{made_id}",'
        else:
            first = f"{self._context(context, made_id)}," if context else ""
        seconds, part = divmod(int(time() * _MICROSECONDS), _MICROSECONDS)
        line = (
            f'{{"timestamp":"{_second(seconds)}.{part:06d}Z",{_head(name, level)},{first}'
            f'{self._kind(name, level, pairs)},"duration_ms":{duration_ms:.1f}}}{self.terminator}'
        )
        self.acquire()
        try:
            self.stream.write(line)
            self.stream.flush()
        finally:
            self.release()

    def _context(self, context: Mapping[str, str], made_id: str | None) -> str:
        """Return what is bound, masked but for an id that was made here."""
        if context.get(REQUEST_ID) != made_id or made_id is None:
            return self._masked(context)
        others = {key: text for key, text in context.items() if key != REQUEST_ID}
        return f'"{REQUEST_ID}":"{made_id}",{self._masked(others)}'

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


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Return a time as ISO 8601 has it; requests come by the thousand in one second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:_TIME_LENGTH]


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
    if not _logger(name).isEnabledFor(level):
        return
    handlers = _root.handlers
    handler = handlers[0] if len(handlers) == 1 else None
    if isinstance(handler, LineHandler) and handler.is_direct:
        handler.write_request(name, level, pairs, duration_ms, made_id)
    else:
        told = {**pairs, "duration_ms": round(duration_ms, 1)}
        structlog.get_logger(name).log(level, EVENT, **told)
