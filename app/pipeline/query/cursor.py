"""Where the next page begins: an opaque text that holds the versions read and how far.

It is no secret and proves nothing: whoever forges one reads what the same caller may read anyway.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Annotated, Final

import msgspec

from app.errors import BadQueryError
from app.pipeline.query.asked import SeriesQuery

_DIGEST_BYTES: Final = 9
_LONGEST: Final = 4_000
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Text = Annotated[str, msgspec.Meta(max_length=64)]
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A version of a dataset.

    Attributes:
        version: Its number.
        mark: Tells it from one of the same number in a cache that was filled anew.
    """

    version: _Count
    mark: _Text


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins.

    Attributes:
        offset: So many rows come before it.
        digest: Of the query that it belongs to.
        places: The version of each dataset, in the order asked.
    """

    offset: _Count
    digest: _Text
    places: tuple[Place, ...]

    def text(self) -> str:
        """Return it as a text that needs no escapes in a URL."""
        return urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()


def digest_of(query: SeriesQuery, *asked: object) -> str:
    """Return what tells queries apart; how many rows a page has makes no difference.

    Args:
        query: The query.
        asked: What else decides the answer: datasets and the version that is pinned.
    """
    text = _ENCODER.encode([replace(query, limit=None, cursor=None), *asked])
    digest = hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()
    return urlsafe_b64encode(digest).decode()


def parse_cursor(text: str, digest: str, datasets: int = 1) -> Cursor:
    """Read a cursor.

    Args:
        text: The cursor as the caller sent it.
        digest: Of the query that it is sent with.
        datasets: How many datasets that reads.

    Raises:
        BadQueryError: It is none, or belongs to another query.
    """
    try:
        padded = text[:_LONGEST] + "=" * (-len(text) % 4)
        cursor = msgspec.json.decode(urlsafe_b64decode(padded.encode("ascii")), type=Cursor)
    except ValueError:
        raise BadQueryError(
            "The cursor is none that this service made.",
            parameter="cursor",
            next_step="Send 'next' of the page before as it is, or leave the cursor out.",
        ) from None
    if cursor.digest != digest or len(cursor.places) != datasets:
        raise BadQueryError(
            "The cursor belongs to another query.",
            parameter="cursor",
            next_step="Repeat all parameters of the page before; only limit and format may change.",
        )
    return cursor
