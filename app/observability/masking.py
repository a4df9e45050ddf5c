"""Keeps secrets out of log lines: by value, by the name of a key, and by shape."""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
# A shorter value would stand in too many innocent words.
MIN_SECRET_LENGTH: Final = 6
TOKENS_KEPT: Final = 16
_LONGEST_REMEMBERED: Final = 100
_REMEMBERED: Final = 2_000

_NAME = r"secret|passw(?:or)?d|token|authorization|cookie|api[_-]?key|credential|private[_-]?key"
# The bounds keep a search through a long text linear.
_KEY = rf"(?P<key>[\w.-]{{0,40}}(?:{_NAME})[\w.-]{{0,40}})"
_SECRET_KEY: Final = re.compile(_NAME, re.IGNORECASE)
# `token_url` and `token_renewals` tell an operator something and hold no secret.
_HARMLESS_KEY: Final = re.compile(
    r"[_-](?:url|uri|endpoint|renewals|count|type|expir\w*|seconds|at)$", re.IGNORECASE
)
_SHAPES: Final = (
    # Our own API keys; the first part is an id, and tells an operator which key it was.
    (re.compile(r"(sacs_[a-z0-9]{1,32}_)[\w-]{16,}"), rf"\1{MASK}"),
    # JWT: three base64url parts; the first starts with an encoded `{`, or all are long.
    (re.compile(r"(?<![\w-])e[wy][\w-]{6,}\.[\w-]{6,}\.[\w-]*"), MASK),
    (re.compile(r"(?<![\w-])[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}"), MASK),
    # The parameters of a challenge (`Bearer realm="x"`) and plain prose stay readable.
    (
        re.compile(
            r"\b(bearer|basic)\s+(?!(?:realm|error|scope)=|(?:tokens?|auth\w*)\b)[\w.~+/=-]{3,}",
            re.IGNORECASE,
        ),
        rf"\1 {MASK}",
    ),
)
_NAMED: Final = (
    (re.compile(rf"{_KEY}(?P<is>=)(?![\"'])[^\s&;,\"']+", re.IGNORECASE), ("=",)),
    (
        re.compile(
            rf"(?P<q>[\"']){_KEY}(?P=q)(?P<is>\s*[:=]\s*)(?P<v>[\"']).*?(?<!\\)(?P=v)",
            re.IGNORECASE,
        ),
        ('"', "'"),
    ),
)


class Masker:
    """Replaces secrets by stars, wherever they stand.

    A secret is known by its value (`add`), by the name of its key (`secret`, `password`, `token`,
    `authorization`, `cookie`, `api_key` and the like), or by its shape (a JWT, `Bearer xxx`).

    Args:
        secrets: Values to register at once.

    Attributes:
        generation: Another number whenever another secret became known; what was masked before
            must be masked anew.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.generation = 0
        self._lasting: set[str] = set()
        self._passing: deque[set[str]] = deque(maxlen=TOKENS_KEPT)
        self._values: re.Pattern[str] | None = None
        self._masked: dict[str, str] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str, *, user: str | None = None) -> None:
        """Register a value to mask, also as it looks in a URL, in JSON and in base64.

        Args:
            secret: The value; one shorter than 6 characters is ignored.
            user: The name that is sent with it in an HTTP Basic pair; None if there is none.
        """
        if len(secret) < MIN_SECRET_LENGTH:
            return
        self._lasting |= _forms(secret)
        if user is not None:
            self._lasting |= {_base64(f"{user}:{secret}"), _base64(_form_pair(user, secret))}
        self._compile()

    def add_token(self, token: str) -> None:
        """Register a value that will expire; only the last 16 of them are remembered."""
        if len(token) < MIN_SECRET_LENGTH:
            return
        self._passing.append(_forms(token))
        self._compile()

    def mask(self, text: str) -> str:
        """Return the text with all secrets replaced.

        >>> Masker(["hunter2-hunter2"]).mask("tried hunter2-hunter2 and Bearer abc.def")
        'tried *** and Bearer ***'
        """
        # Keys, methods and addresses come again with every request.
        if (known := self._masked.get(text)) is not None:
            return known
        values, masked = self._values, text
        # Each of these searches costs more than the look for what it cannot do without.
        for named, needed in _NAMED:
            if any(mark in masked for mark in needed):
                masked = named.sub(_without_value, masked)
        masked = self._known(masked)
        # Not if another thread has made a secret known meanwhile.
        if len(text) <= _LONGEST_REMEMBERED and values is self._values:
            if len(self._masked) >= _REMEMBERED:
                self._masked.clear()
            self._masked[text] = masked
        return masked

    def value(self, value: object) -> object:
        """Return the value with all secrets replaced, at any depth.

        Plain numbers, dates, booleans and None are kept; what is no plain value becomes text.
        """
        if value is None or isinstance(value, int | float | date):
            return value
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, bytes | bytearray):
            return self.mask(value.decode(errors="replace"))
        if isinstance(value, Mapping):
            return {self.mask(str(key)): self._entry(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        return self.mask(repr(value))

    def event(
        self, _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> dict[str, Any]:
        """Mask a whole event; a structlog processor, to stand right before the renderer."""
        return {self.mask(key): self._entry(key, item) for key, item in event.items()}

    def line(self, line: str) -> str:
        """Mask a rendered line.

        A renderer may put text together that nobody has looked at. Keys were looked at before;
        here the rules by name would only break the quotes of the line.
        """
        return self._known(line)

    def _entry(self, key: str, value: object) -> object:
        if _is_secret(key) and value is not None and not isinstance(value, bool):
            return MASK
        return self.value(value)

    def _compile(self) -> None:
        longest_first = sorted(self._lasting.union(*self._passing), key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first)))
        self._masked.clear()
        # Last, so that whoever sees it finds the new secret masked.
        self.generation += 1

    def _known(self, text: str) -> str:
        masked = self._once(text)
        # What a replacement leaves behind may spell another secret.
        while masked != text:
            text, masked = masked, self._once(masked)
        return masked

    def _once(self, text: str) -> str:
        if self._values is not None:
            text = self._values.sub(MASK, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text


@lru_cache(maxsize=1_000)
def _is_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None and _HARMLESS_KEY.search(key) is None


def _without_value(match: re.Match[str]) -> str:
    if not _is_secret(match["key"]):
        return match[0]
    parts = match.groupdict(default="")
    quoted, inner = parts.get("q", ""), parts.get("v", "")
    return f"{quoted}{parts['key']}{quoted}{parts['is']}{inner}{MASK}{inner}"


def _forms(secret: str) -> set[str]:
    """The value as it stands, and as URLs, JSON, `repr` and base64 write it."""
    written = {secret, repr(secret)[1:-1], ascii(secret)[1:-1]}
    written |= {json.dumps(form)[1:-1] for form in written}
    written |= {json.dumps(secret, ensure_ascii=False)[1:-1]}
    # Lone surrogates have no bytes, so neither a URL nor base64 can carry them.
    if not re.search(r"[\ud800-\udfff]", secret):
        written |= {quote(secret, safe=""), quote(secret), quote_plus(secret), _base64(secret)}
    return written


def _form_pair(user: str, secret: str) -> str:
    # RFC 6749, 2.3.1: both halves of a client's Basic pair are form-encoded first.
    return f"{quote_plus(user)}:{quote_plus(secret)}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")
