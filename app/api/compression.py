"""Codes answers for the wire: zstd, brotli or gzip, whichever a caller takes, in this order."""

from __future__ import annotations

from collections.abc import Iterable
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
_STREAM_OF_EVENTS: Final = "text/event-stream"


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

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _tagged(message["headers"])
            await send(message)

        await self._coder(scope, receive, tagged)


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
