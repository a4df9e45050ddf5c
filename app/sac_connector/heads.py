"""Tells a large body of known length from the head before it; pure.

The parser of HTTP copies what it reads some times over, which is much for a large body of which it
has nothing to say but its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 16_384
_LEAST_BYTES: Final = 262_144
_MOST_BYTES: Final = 268_435_456
_HEAD: Final = re.compile(rb"HTTP/1\.1 200 [ -~]*\r\n((?:[!-9;-~]+:[ \t!-~]*\r\n)+)\r\n")
_LENGTH: Final = re.compile(rb"(?im)^content-length:[ \t]*([0-9]{1,10})[ \t]*\r$")
_NAMES: Final = re.compile(rb"(?im)^(?:content-length|content-encoding|transfer-encoding|upgrade):")


@dataclass(frozen=True, slots=True)
class Parted:
    """A head, apart from its body.

    Attributes:
        head: The head, as that of an answer without a body.
        size_bytes: Bytes of the head as it came.
        body_bytes: Bytes of the body.
    """

    head: bytes
    size_bytes: int
    body_bytes: int


def parted(begin: bytes) -> Parted | None:
    """Return the head of a plain answer with a large body; None if it is anything else.

    Args:
        begin: How the answer begins.
    """
    found = _HEAD.match(begin)
    length = None if found is None else _LENGTH.search(found[0])
    # One of these names, and it is the length; more leave it to the parser what they mean.
    if found is None or length is None or len(_NAMES.findall(found[0])) > 1:
        return None
    size = int(length[1])
    if not _LEAST_BYTES <= size <= _MOST_BYTES:
        return None
    head = b"%bContent-Length: 0%b" % (found[0][: length.start()], found[0][length.end() - 1 :])
    return Parted(head, found.end(), size)
