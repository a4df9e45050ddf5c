"""Codes answers for the wire: zstd, brotli or gzip, whichever a caller takes, in this order."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
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
                _tag(MutableHeaders(raw=message["headers"]))
            await send(message)

        await self._coder(scope, receive, tagged)


def _tag(headers: MutableHeaders) -> None:
    coding, etag = headers.get("Content-Encoding"), headers.get("ETag", "W/")
    if coding is not None and not etag.startswith("W/"):
        headers["ETag"] = coded(etag, coding)
    if (vary := headers.get("Vary")) is not None:
        # The coder adds its part also to a header that has it.
        headers["Vary"] = ", ".join(dict.fromkeys(name.strip() for name in vary.split(",")))
