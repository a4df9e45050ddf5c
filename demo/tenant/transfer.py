"""How an answer travels: compressed if the caller takes that, and in pieces of no known length."""

import asyncio
import gzip
import re

from starlette.responses import Response
from starlette.types import Message, Send

# Below this an answer grows rather than shrinks, and servers leave it alone.
LEAST_BYTES = 1_024
PIECE_BYTES = 16_384


def takes_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip; a quality of 0 forbids it."""
    qualities: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        found = re.search(r"\bq=([0-9.]+)", parameters)
        try:
            qualities[name.strip()] = float(found[1]) if found else 1.0
        except ValueError:
            qualities[name.strip()] = 0.0
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


async def compress(answer: Response, accept_encoding: str) -> None:
    """Compress the body of an answer in its place, if it is large and the caller takes gzip."""
    body = bytes(answer.body)
    if len(body) <= LEAST_BYTES or "content-encoding" in answer.headers:
        return
    answer.headers["vary"] = "Accept-Encoding"
    if not takes_gzip(accept_encoding):
        return
    answer.body = await asyncio.to_thread(gzip.compress, body, 6)
    answer.headers["content-encoding"] = "gzip"
    answer.headers["content-length"] = str(len(answer.body))


def in_pieces(send: Send) -> Send:
    """Return a `send` that cuts bodies into pieces and keeps their length to itself.

    Without a length the server has to use the chunked transfer encoding.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
            await send({**message, "headers": kept})
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            await send({"type": message["type"], "body": piece, "more_body": True})
        if not more:
            await send({"type": message["type"], "body": b"", "more_body": False})

    return sending
