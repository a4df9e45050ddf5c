"""Answers again what was answered before, as long as nothing changed that the answer tells.

A finished answer of `GET /series` is kept with the reader's stamp of its datasets; one that was
quickly made only if it is asked for again. It is sent again only while the stamp of the moment is
the same: another version, another state of freshness, another warning all change it. Only the age
grows without changing the stamp, so `Age` is written anew.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.answer_headers import RAW_OF_UNCHANGED, RawHeaders, age_at
from app.api.asked_before import AskedBefore
from app.api.deps import Services
from app.api.fields import QUERY_NAMES, Conditions
from app.api.validators import matching
from app.pipeline.history import NEWEST, Pin

_OK: Final = HTTPStatus.OK.value
_NOT_MODIFIED: Final = HTTPStatus.NOT_MODIFIED.value
_MAY_BE_KEPT: Final = {_OK, _NOT_MODIFIED}
SERIES_PATH: Final = "/series"
_SLIP: Final = "sac_series.slip"
# What an entry needs beside its body: headers, key, objects.
_OVERHEAD_BYTES: Final = 4_000
# One answer must not push out all others.
_LARGEST_SHARE: Final = 16

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


# What an answer was made from, its status, its headers, and its body.
Ready = tuple[Slip, int, RawHeaders, bytes]


# Makes one without waiting, or returns None.
MakeReady = Callable[[Scope, Conditions, Services], Ready | None]


def nothing_ready(scope: Scope, known: Conditions, services: Services) -> Ready | None:
    """Return no answer: all are made inside."""
    del scope, known, services
    return None


def slip_of(scope: Scope) -> Slip | None:
    """Return where to note what the lane must know; None if nothing is kept."""
    slip: Slip | None = scope.get(_SLIP)
    return slip


def noted(ready: Ready, scope: Scope) -> tuple[Message, Message]:
    """Return what is sent of an answer that was made inside, and note what the lane must know."""
    made, status, headers, body = ready
    if (slip := slip_of(scope)) is not None:
        slip.datasets, slip.pin, slip.stamp = made.datasets, made.pin, made.stamp
        slip.etag, slip.data_time = made.etag, made.data_time
    return _both(status, headers, body)


class _Entry:
    """An answer that may be sent again.

    Most answers are never asked for again, so what that takes is made when it first happens.

    Args:
        slip: What it was made from.
        status: 200 or 304.
        headers: As they were sent.
        body: As it goes over the wire; None if only the 304 is known.
        query_names: The names of the query string, if they are known.

    Attributes:
        size: Bytes that it takes, once it is kept.
    """

    __slots__ = (
        *("_headers", "_status", "_unchanged", "_whole"),
        *("body", "query_names", "size", "slip"),
    )

    def __init__(
        self,
        slip: Slip,
        status: int,
        headers: RawHeaders,
        body: bytes | None,
        query_names: tuple[str, ...] | None = None,
    ) -> None:
        self.slip = slip
        self.query_names = query_names
        self.body = body if status == _OK else None
        self._status = status
        self._headers = headers
        self.size = 0
        self._whole: RawHeaders | None = None
        self._unchanged: RawHeaders | None = None

    def whole(self) -> RawHeaders:
        """Return the headers of the 200 but for `Age`."""
        if self._whole is None:
            self._whole = [(n, v) for n, v in self._headers if n != b"age"]
        return self._whole

    def unchanged(self) -> RawHeaders:
        """Return the headers of the 304 but for `Age` and ETag."""
        if self._unchanged is None:
            kept = (one for one in self._headers if one[0] in RAW_OF_UNCHANGED)
            self._unchanged = [(n, v) for n, v in kept if n != b"age"]
        return self._unchanged


class _Flight:
    """A request that is being answered, and those who wait for its answer.

    Attributes:
        is_over: Whether it is answered.
    """

    __slots__ = ("_waiting", "is_over")

    def __init__(self) -> None:
        self._waiting: list[asyncio.Event] = []
        self.is_over = False

    async def landed(self) -> None:
        """Wait until it is answered."""
        event = asyncio.Event()
        self._waiting.append(event)
        await event.wait()

    def land(self) -> None:
        """Let those go who wait."""
        self.is_over = True
        for event in self._waiting:
            event.set()


class AnswerLane:
    """Stands before everything that makes answers, compression included.

    Requests for the same answer that arrive together wait for the first of them.

    Args:
        app: The app inside.
        room_bytes: Most bytes to keep; the answers that were not asked for longest go first.
        audience: Tells who may be given the same answer.
        ready: Makes an answer that can be made without waiting; else it returns None.
    """

    def __init__(
        self,
        app: ASGIApp,
        room_bytes: int,
        audience: Callable[[Scope], Hashable] = everyone,
        ready: MakeReady = nothing_ready,
    ) -> None:
        self._app = app
        self._room = room_bytes
        self._audience = audience
        self._ready = ready
        self._kept: OrderedDict[Key, _Entry] = OrderedDict()
        self._used = 0
        self._flights: dict[Key, _Flight] = {}
        self._was_asked = AskedBefore()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `GET /series` is looked at."""
        if scope.get("path") != SERIES_PATH or scope.get("method") != "GET":
            await self._app(scope, receive, send)
            return
        known = Conditions(scope["headers"])
        key = (self._audience(scope), scope["query_string"], known.accept, known.accept_encoding)
        services: Services = scope["app"].state.services
        state = scope.setdefault("state", {})
        again = self._again(key, known.if_none_match, services, state)
        if again is None and (flight := self._flights.get(key)) is not None:
            await flight.landed()
            again = self._again(key, known.if_none_match, services, state)
        if again is None:
            again = self._at_once(key, scope, known, services)
        if again is None:
            await self._first(key, scope, receive, send)
            return
        for message in again:
            await send(message)

    def _at_once(
        self, key: Key, scope: Scope, known: Conditions, services: Services
    ) -> tuple[Message, Message] | None:
        """Return an answer that can be made without waiting; keep it if it is asked for again."""
        ready = self._ready(scope, known, services)
        if ready is None:
            return None
        slip, status, headers, body = ready
        # Most are never asked for again, and to keep one and let it go costs as much as to make it.
        if slip.stamp is not None and self._was_asked(key):
            self._keep(key, _Entry(slip, status, headers, body, scope["state"].get(QUERY_NAMES)))
        return _both(status, headers, body)

    def _again(
        self, key: Key, if_none_match: str | None, services: Services, state: dict[str, Any]
    ) -> tuple[Message, Message] | None:
        """Return a kept answer if it is still true."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        slip = entry.slip
        stamp = services.reader.stamp(slip.datasets, slip.pin)
        if stamp is not slip.stamp:
            if stamp != slip.stamp:
                self._drop(key)
                return None
            slip.stamp = stamp
        etag = None if if_none_match is None else matching(if_none_match, slip.etag)
        if etag is None and entry.body is None:
            return None
        self._kept.move_to_end(key)
        state[QUERY_NAMES] = entry.query_names
        return _messages(entry, etag, services.clock.now())

    async def _first(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the inside answer, and keep the answer if it may be used again."""
        slip, mine = Slip(), _Flight()
        self._flights.setdefault(key, mine)

        def seen(entry: _Entry | None) -> None:
            # The stamp is of what was read, so that whatever changed since makes another.
            if entry is not None and slip.stamp is not None:
                entry.query_names = scope["state"].get(QUERY_NAMES)
                self._keep(key, entry)
            self._land(key, mine)

        scope[_SLIP] = slip
        try:
            await self._app(scope, receive, _Seen(slip, send, seen).send)
        finally:
            # Whoever waits looks for the answer, and makes its own if there is none.
            self._land(key, mine)

    def _land(self, key: Key, flight: _Flight) -> None:
        if flight.is_over:
            return
        flight.land()
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _keep(self, key: Key, entry: _Entry) -> None:
        self._drop(key)
        if entry.body is not None and len(entry.body) > self._room // _LARGEST_SHARE:
            entry.body = None
        entry.size = _size(key, entry)
        self._kept[key] = entry
        self._used += entry.size
        while self._used > self._room:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        if (entry := self._kept.pop(key, None)) is not None:
            self._used -= entry.size


class _Seen:
    """Passes an answer on, and shows it before its body leaves, which a slow caller may hold up.

    Args:
        slip: What the inside notes about it.
        send: Where it goes.
        seen: Is given what may be sent again; None for problems. Called once for each answer.
    """

    __slots__ = ("_headers", "_is_shown", "_seen", "_send", "_slip", "_status")

    def __init__(self, slip: Slip, send: Send, seen: Callable[[_Entry | None], None]) -> None:
        self._slip = slip
        self._send = send
        self._seen = seen
        self._status = 0
        self._headers: RawHeaders = []
        self._is_shown = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            # A copy: what stands further out adds headers of this one request.
            self._headers = list(message["headers"])
        elif kind == "http.response.body" and not self._is_shown:
            self._is_shown = True
            self._seen(self._entry(None if message.get("more_body") else message.get("body", b"")))
        await self._send(message)

    def _entry(self, body: bytes | None) -> _Entry | None:
        if self._status not in _MAY_BE_KEPT or not self._slip.etag:
            return None
        return _Entry(self._slip, self._status, self._headers, body)


def _messages(entry: _Entry, etag: str | None, now: datetime) -> tuple[Message, Message]:
    """Return what is sent; with a tag it is the 304 that carries it."""
    data_time = entry.slip.data_time
    age = None if data_time is None else age_at(data_time, now)
    own = [] if age is None else [(b"age", b"%d" % age)]
    if etag is None:
        status, body = _OK, entry.body
        headers = own + entry.whole()
    else:
        status, body = _NOT_MODIFIED, b""
        headers = [(b"etag", etag.encode("latin-1")), *own, *entry.unchanged()]
    return _both(status, headers, body)


def _both(status: int, headers: RawHeaders, body: bytes | None) -> tuple[Message, Message]:
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def _size(key: Key, entry: _Entry) -> int:
    _, query, accept, coding = key
    body = 0 if entry.body is None else len(entry.body)
    return _OVERHEAD_BYTES + len(query) + len(accept) + len(coding) + body
