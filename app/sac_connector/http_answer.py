"""One HTTP answer as it came: what kind of body it has, and which error it reports; pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx
import msgspec

# The number in brackets at the end of a message is the stable part of an error; `code` is a new
# id in each answer (observed).
_NUMBER: Final = re.compile(r"\[(\d{4})\]")
_LONGEST_MESSAGE: Final = 200
# Errors are short. What is longer is data, and is not looked through.
_LONGEST_ERROR_BYTES: Final = 65_536
_BEGIN_BYTES: Final = 4096
# The longer mark first: that of UTF-16 is how that of UTF-32 begins.
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
# What may stand before the first element.
_PROLOGUE: Final = r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
_PAGE: Final = re.compile(_PROLOGUE + r"(?:<!doctype\s+html|<html\b)", re.IGNORECASE | re.DOTALL)
_XML_ERROR: Final = re.compile(_PROLOGUE + r"<(?:\w+:)?error\b", re.IGNORECASE | re.DOTALL)
_XML: Final = re.compile(r"<\?xml|<(?:\w+:)?(?:edmx|service|feed|entry)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer without its client library.

    Attributes:
        status: The status code.
        headers: Names in lower case.
        body: The whole body, decompressed; never shown.
        url: The address that was asked; empty if nobody knows.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = ""

    @classmethod
    def of(cls, response: httpx.Response, body: bytes) -> Self:
        """Return an answer of the client library.

        Args:
            response: Its status, headers and address.
            body: Its body, decompressed.
        """
        return cls(response.status_code, response.headers, body, str(response.url))

    @property
    def kind(self) -> str:
        """The declared content type, in lower case."""
        return self.headers.get("content-type", "").lower()

    @property
    def data(self) -> bytes:
        """The body; JSON is in UTF-8 and without a byte order mark, whatever it came in."""
        charset = _charset(self.body, self.kind)
        if charset is None or "xml" in self.kind:  # which says itself in which charset it is
            return self.body.removeprefix(codecs.BOM_UTF8)
        try:
            return self.body.decode(charset).encode()
        except (UnicodeError, LookupError):
            return self.body

    @property
    def begin(self) -> str:
        """How the text of the body begins."""
        return _text(self.body[:_BEGIN_BYTES], self.kind).lstrip()

    @property
    def looks_like_html(self) -> bool:
        """Whether the body is a web page, whatever its declared type."""
        if self.is_structured:
            return False
        begin = self.begin
        page = _PAGE.match(begin) or not ("xml" in self.kind or _XML.match(begin))
        return "html" in self.kind or (begin.startswith("<") and bool(page))

    @property
    def is_structured(self) -> bool:
        """Whether the body is JSON or an error in XML, as services write and proxies do not."""
        return self.begin[:1] in {"{", "["} or _XML_ERROR.match(self.begin) is not None

    @property
    def is_text(self) -> bool:
        """Whether the body is a text, in no form that the service writes."""
        return bool(self.begin) and not self.is_structured

    @property
    def reports_error(self) -> bool:
        """Whether the body is an error in the form of OData, in JSON or XML."""
        if _XML_ERROR.match(self.begin):
            return True
        found = self.json
        return "value" not in found and ("error" in found or "odata.error" in found)

    @property
    def json(self) -> dict[str, Any]:
        """The object in the body; empty if there is none, or if it is too large for an error."""
        if len(self.body) > _LONGEST_ERROR_BYTES or self.begin[:1] != "{":
            return {}
        try:
            return msgspec.json.decode(_text(self.body, self.kind), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return {}

    def number(self, known: frozenset[int]) -> int | None:
        """Return the export service's number of the error in the body; None if it has none.

        Args:
            known: Of a body that is no JSON, only these numbers count.
        """
        if found := self.json:
            return next((n for n in map(_last_number, _messages(found)) if n is not None), None)
        number = _last_number(_text(self.body[-_LONGEST_ERROR_BYTES:], self.kind))
        return number if number in known else None

    @property
    def retry_after(self) -> str | None:
        """The header that asks to wait; None if there is none."""
        return self.headers.get("retry-after")

    def says(self, words: re.Pattern[str]) -> bool:
        """Whether words stand near the begin of the body."""
        return words.search(self.begin) is not None


def _messages(found: Mapping[str, Any]) -> list[str]:
    """Return the messages of an error: its own first, and those of its details."""
    error = found.get("error", found.get("odata.error"))
    if not isinstance(error, dict):
        return [str(error or "")[-_LONGEST_MESSAGE:]]
    details = error.get("details")
    parts = [error, *(details if isinstance(details, list) else ()), error.get("innererror")]
    messages = [part.get("message") for part in parts if isinstance(part, dict)]
    texts = [text.get("value") if isinstance(text, dict) else text for text in messages]
    return [str(text or "")[-_LONGEST_MESSAGE:] for text in texts]


def _last_number(text: str) -> int | None:
    found = _NUMBER.findall(text)
    return int(found[-1]) if found else None


def _charset(body: bytes, kind: str) -> str | None:
    """Return in which charset a body says that it is; None for UTF-8 without a mark."""
    marked = next((name for mark, name in _MARKS.items() if body.startswith(mark)), None)
    declared = _CHARSET.search(kind)
    if marked is not None or declared is None:
        return marked
    try:
        name = codecs.lookup(declared[1]).name
    except LookupError:
        return None
    return None if name in {"utf-8", "ascii"} else name


def _text(body: bytes, kind: str) -> str:
    """Return a body as text; what cannot be read is replaced."""
    try:
        return body.decode(_charset(body, kind) or "utf-8", "replace").lstrip("\ufeff")
    except (UnicodeError, LookupError):  # no charset of text, such as `hex`
        return ""
