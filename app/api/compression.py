"""Codes answers for the wire: zstd, brotli or gzip, whichever a caller takes, in this order."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from app.api.media import MEDIA_TYPES, Format
from app.api.problems import MEDIA_TYPE
from app.api.validators import coded

# Measured on 75 kB and 1.9 MB of series (docs/decisions/0008): beyond these levels time doubles
# for less than a tenth of the bytes, and the loop stands still meanwhile.
_ZSTD_LEVEL, _BROTLI_QUALITY, _GZIP_LEVEL = 1, 2, 2
# A packet holds about this much; less is not worth a header.
_MINIMUM_BYTES: Final = 1_000
# Parquet is compressed inside.
_CODED: Final = {
    MEDIA_TYPE,
    *(kind.partition(";")[0] for form, kind in MEDIA_TYPES.items() if form is not Format.PARQUET),
}
_WEAK: Final = b"W/"
_VARY: Final = b"vary"
_ACCEPT_ENCODING: Final = b"accept-encoding"
_BODILESS: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED}
_STREAM_OF_EVENTS: Final = "text/event-stream"
_NEVER_CODED: Final = {_STREAM_OF_EVENTS, MEDIA_TYPES[Format.PARQUET]}


class CompressionMiddleware:
    """Compresses answers, and gives what it compressed an ETag of its own (RFC 9110, 8.8.3.3).

    Args:
        app: The app inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        for kind in _CODED:
            add_compress_type(kind)
        # An event must leave at once, and is too short to gain anything.
        remove_compress_type(_STREAM_OF_EVENTS)
        self._app = app
        self._coder = CompressMiddleware(
            app,
            minimum_size=_MINIMUM_BYTES,
            zstd_level=_ZSTD_LEVEL,
            brotli_quality=_BROTLI_QUALITY,
            gzip_level=_GZIP_LEVEL,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        if not _takes_coding(scope["headers"]):
            await self._app(scope, receive, _Uncoded(send).send)
            return

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _tagged(message["headers"])
            await send(message)

        await self._coder(scope, receive, tagged)


class _Uncoded:
    """Passes an answer on as it is, and tells caches if another caller may get it coded.

    The coder would do the same, at several times the price of a short answer.

    Args:
        send: Where it goes.
    """

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] not in _BODILESS:
            headers = message["headers"]
            if not _is_told(headers) and _may_be_coded(headers):
                message["headers"] = [*headers, (_VARY, b"Accept-Encoding")]
        await self._send(message)


def _takes_coding(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a caller speaks of codings at all."""
    return _ACCEPT_ENCODING in dict(headers)


def _is_told(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return _ACCEPT_ENCODING in dict(headers).get(_VARY, b"").lower()


def _may_be_coded(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    listed = {name.lower(): value for name, value in headers}
    kind = listed.get(b"content-type", b"").partition(b";")[0].strip().decode("latin-1")
    is_short = int(listed.get(b"content-length", _MINIMUM_BYTES)) < _MINIMUM_BYTES
    return bool(kind) and kind not in _NEVER_CODED and not is_short


def _tagged(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    listed = [(name.lower(), value) for name, value in headers]
    coding = next((value for name, value in listed if name == b"content-encoding"), None)
    return [(name, _told(name, value, coding)) for name, value in listed]


def _told(name: bytes, value: bytes, coding: bytes | None) -> bytes:
    if name == b"vary":
        # The coder adds its part also to a header that has it.
        return b", ".join(dict.fromkeys(part.strip() for part in value.split(b",")))
    if name == b"etag" and coding is not None and not value.startswith(_WEAK):
        return coded(value.decode("latin-1"), coding.decode("latin-1")).encode("latin-1")
    return value
