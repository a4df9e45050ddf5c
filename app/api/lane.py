"""Answers again what was answered before, as long as nothing changed that the answer tells.

A finished answer of `GET /series` is kept with the reader's stamp of its datasets. It is sent again
only while the stamp of the moment is the same: another version, another state of freshness, another
warning all change it. Only the age grows without changing the stamp, so `Age` is written anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.answer_headers import OF_UNCHANGED, age_at
from app.api.deps import Services
from app.api.fields import joined
from app.api.validators import matching
from app.pipeline.history import NEWEST, Pin

_OK: Final = HTTPStatus.OK.value
_NOT_MODIFIED: Final = HTTPStatus.NOT_MODIFIED.value
SERIES_PATH: Final = "/series"
_SLIP: Final = "sac_series.slip"
# What an entry needs beside its body: headers, key, objects.
_OVERHEAD_BYTES: Final = 4_000
# One answer must not push out all others.
_LARGEST_SHARE: Final = 16
_OF_UNCHANGED: Final = frozenset(name.encode() for name in OF_UNCHANGED)

RawHeaders = list[tuple[bytes, bytes]]
Key = tuple[Hashable, bytes, bytes, bytes]


def everyone(scope: Scope) -> Hashable:
    """Return who may be given the same answer: everybody the same."""
    del scope
    return None


@dataclass(slots=True)
class Slip:
    """What the inside notes about an answer, for the lane: filled while it is made.

    Attributes:
        datasets: Whose answer it is.
        pin: Of which version.
        stamp: The reader's stamp of what it read; None if the answer must not be kept.
        etag: The tag of the content, uncoded.
        data_time: When the oldest data in it was confirmed; None if its age cannot be told.
    """

    datasets: tuple[str, ...] = ()
    pin: Pin = NEWEST
    stamp: Hashable | None = None
    etag: str = ""
    data_time: datetime | None = None


def slip_of(scope: Scope) -> Slip | None:
    """Return where to note what the lane must know; None if nothing is kept."""
    slip: Slip | None = scope.get(_SLIP)
    return slip


@dataclass(slots=True)
class _Entry:
    """An answer that may be sent again.

    Attributes:
        slip: What it was made from.
        headers: Of the 200, without `Age` and ETag; empty if only the 304 is known.
        coded_etag: The ETag of the 200.
        body: Of the 200, as it goes over the wire; None if only the 304 is known.
        headers_304: Of the 304, without `Age` and ETag.
    """

    slip: Slip
    headers: RawHeaders
    coded_etag: bytes
    body: bytes | None
    headers_304: RawHeaders


class AnswerLane:
    """Stands before everything that makes answers, compression included.

    Requests for the same answer that arrive together wait for the first of them.

    Args:
        app: The app inside.
        room_bytes: Most bytes to keep; the answers that were not asked for longest go first.
        audience: Tells who may be given the same answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        room_bytes: int,
        audience: Callable[[Scope], Hashable] = everyone,
    ) -> None:
        self._app = app
        self._room = room_bytes
        self._audience = audience
        self._kept: OrderedDict[Key, _Entry] = OrderedDict()
        self._used = 0
        self._flights: dict[Key, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `GET /series` is looked at."""
        if scope.get("path") != SERIES_PATH or scope.get("method") != "GET":
            await self._app(scope, receive, send)
            return
        known = _Conditions(scope["headers"])
        key = (self._audience(scope), scope["query_string"], known.accept, known.accept_encoding)
        services: Services = scope["app"].state.services
        if await self._again(key, known.if_none_match, services, send):
            return
        if (flight := self._flights.get(key)) is not None:
            await flight.wait()
            if await self._again(key, known.if_none_match, services, send):
                return
        await self._first(key, scope, receive, send)

    async def _again(
        self, key: Key, if_none_match: str | None, services: Services, send: Send
    ) -> bool:
        """Send a kept answer if it is still true, and tell whether there was one."""
        entry = self._kept.get(key)
        if entry is None:
            return False
        slip = entry.slip
        stamp = await services.reader.stamp(slip.datasets, slip.pin)
        if stamp is not slip.stamp:
            if stamp != slip.stamp:
                self._drop(key)
                return False
            slip.stamp = stamp
        etag = matching(if_none_match, slip.etag)
        if etag is None and entry.body is None:
            return False
        self._kept.move_to_end(key)
        await _send(entry, etag, services.clock.now(), send)
        return True

    async def _first(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the inside answer, and keep the answer if it may be used again."""
        slip, mine = Slip(), asyncio.Event()
        self._flights.setdefault(key, mine)

        async def seen(entry: _Entry | None) -> None:
            # The stamp is of what was read, so that whatever changed since makes another.
            if entry is not None and slip.stamp is not None:
                self._keep(key, entry)
            self._land(key, mine)

        try:
            await self._app({**scope, _SLIP: slip}, receive, _Seen(slip, send, seen).send)
        finally:
            # Whoever waits looks for the answer, and makes its own if there is none.
            self._land(key, mine)

    def _land(self, key: Key, flight: asyncio.Event) -> None:
        flight.set()
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _keep(self, key: Key, entry: _Entry) -> None:
        self._drop(key)
        if entry.body is not None and len(entry.body) > self._room // _LARGEST_SHARE:
            entry.body = None
        self._kept[key] = entry
        self._used += _size(key, entry)
        while self._used > self._room:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        if (entry := self._kept.pop(key, None)) is not None:
            self._used -= _size(key, entry)


class _Conditions:
    """The request headers that decide which answer it is."""

    __slots__ = ("accept", "accept_encoding", "if_none_match")

    def __init__(self, headers: RawHeaders) -> None:
        self.accept = self.accept_encoding = b""
        self.if_none_match: str | None = None
        for name, value in headers:
            if name == b"accept":
                self.accept = joined(self.accept, value)
            elif name == b"accept-encoding":
                self.accept_encoding = joined(self.accept_encoding, value)
            elif name == b"if-none-match":
                tags = (self.if_none_match or "").encode("latin-1")
                self.if_none_match = joined(tags, value).decode("latin-1")


class _Seen:
    """Passes an answer on, and shows it before its body leaves, which a slow caller may hold up.

    Args:
        slip: What the inside notes about it.
        send: Where it goes.
        seen: Is given what may be sent again; None for problems. Called once for each answer.
    """

    def __init__(
        self, slip: Slip, send: Send, seen: Callable[[_Entry | None], Awaitable[None]]
    ) -> None:
        self._slip = slip
        self._send = send
        self._seen = seen
        self._status = 0
        self._headers: RawHeaders = []
        self._is_shown = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            # A copy: what stands further out adds headers of this one request.
            self._headers = list(message["headers"])
        elif message["type"] == "http.response.body" and not self._is_shown:
            self._is_shown = True
            is_whole = not message.get("more_body", False)
            await self._seen(self._entry(message.get("body", b"") if is_whole else None))
        await self._send(message)

    def _entry(self, body: bytes | None) -> _Entry | None:
        if self._status not in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED} or not self._slip.etag:
            return None
        kept = [(n, v) for n, v in self._headers if n not in {b"age", b"etag"}]
        short = [(n, v) for n, v in kept if n in _OF_UNCHANGED]
        if self._status == HTTPStatus.NOT_MODIFIED:
            return _Entry(self._slip, [], b"", None, short)
        etag = next(v for n, v in self._headers if n == b"etag")
        return _Entry(self._slip, kept, etag, body, short)


async def _send(entry: _Entry, etag: str | None, now: datetime, send: Send) -> None:
    slip = entry.slip
    tag = entry.coded_etag if etag is None else etag.encode("latin-1")
    own = [(b"etag", tag)]
    if slip.data_time is not None and (age := age_at(slip.data_time, now)) is not None:
        own.append((b"age", b"%d" % age))
    if etag is None:
        status, headers, body = _OK, entry.headers, entry.body
    else:
        status, headers, body = _NOT_MODIFIED, entry.headers_304, b""
    await send({"type": "http.response.start", "status": status, "headers": own + headers})
    await send({"type": "http.response.body", "body": body})


def _size(key: Key, entry: _Entry) -> int:
    texts = sum(len(part) for part in key[1:])
    return _OVERHEAD_BYTES + texts + len(entry.body or b"")
