"""Logging: one form for our own lines and those of every library, with no secret in any of them."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from app.observability.masking import Masker
from app.observability.request_lines import LineHandler, on_one_line

# Their request lines hold whole URLs; the connector logs what matters.
_CHATTY: Final = ("httpx", "httpcore")
# uvicorn gives these loggers handlers of its own; without them the lines reach ours.
_SERVER: Final = ("uvicorn", "uvicorn.error")
# The middleware writes one `http_request` line instead.
_REPLACED: Final = "uvicorn.access"
_FIRST: Final = ("timestamp", "level", "event", "logger", "request_id", "trace_id")


def configure_logging(
    level: str,
    form: Literal["auto", "json", "text"],
    masker: Masker,
    stream: TextIO | None = None,
) -> None:
    """Send every log line, ours and the libraries', through one handler.

    May be called again; the last call counts.

    Args:
        level: The lowest level to show (`debug`, `info`, `warning`, `error`), in any case.
        form: `json` for one JSON object a line, `text` for people, `auto` for text on a terminal
            and JSON elsewhere.
        masker: Knows the secrets; may learn more of them later.
        stream: Where to write; None for stderr.
    """
    stream = sys.stderr if stream is None else stream
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = LineHandler(stream, masker, as_json=as_json)
    inner = _formatter(masker, as_json=as_json, colors=stream.isatty())
    handler.setFormatter(_MaskedFormatter(inner, masker))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    _quieten()


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _json(event: EventDict, **options: Any) -> str:  # noqa: ANN401 - as structlog passes them
    return on_one_line(json.dumps(event, ensure_ascii=False, **options))


def _formatter(
    masker: Masker, *, as_json: bool, colors: bool
) -> structlog.stdlib.ProcessorFormatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # An exception becomes text first, so that the masker sees it.
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            masker.event,
            _order,
            renderer,
        ],
    )


def _order(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put what a reader looks for first to the front of the line."""
    return {**{key: event[key] for key in _FIRST if key in event}, **event}


class _MaskedFormatter(logging.Formatter):
    """Looks once more at the whole line, whatever wrote it."""

    def __init__(self, inner: logging.Formatter, masker: Masker) -> None:
        super().__init__()
        self._inner = inner
        self._masker = masker

    def format(self, record: logging.LogRecord) -> str:
        return self._masker.line(self._inner.format(record))


def _quieten() -> None:
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SERVER:
        server = logging.getLogger(name)
        server.handlers = []
        server.propagate = True
    replaced = logging.getLogger(_REPLACED)
    replaced.handlers = []
    replaced.propagate = False
