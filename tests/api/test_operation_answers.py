"""A stream of events tells the newest of an operation, ends with it, and holds nobody up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sse_starlette import ServerSentEvent
from starlette.types import Message, Scope

from app.api import operation_answers
from app.api.operation_answers import events_answer, operation_events
from app.pipeline.operations import Asked, Operation
from app.records import Progress
from tests.fakes import FakeClock

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/refreshes/x/events", "headers": []}


@pytest.fixture
def operation() -> Operation:
    """An operation that was just asked for."""
    return Operation(Asked("default"), FakeClock())


def page(operation: Operation, number: int) -> None:
    """Note a page."""
    operation.progressed(Progress(rows=10 * number, pages=number, bytes=1, expected_rows=None))


def told(event: ServerSentEvent) -> tuple[str | None, str | None, dict[str, Any]]:
    """Return name, id and content of an event."""
    return event.event, event.id, json.loads(str(event.data))


async def test_a_reader_gets_what_is_and_then_what_changes(operation: Operation) -> None:
    """First the operation as it is, then each change, at last its end; then no more."""
    events = operation_events(operation, 0)
    name, number, body = told(await anext(events))
    assert (name, number, body["state"]) == ("progress", "1", "queued")
    operation.begins()
    assert told(await anext(events))[2]["state"] == "running"
    page(operation, 1)
    assert told(await anext(events))[2]["progress"]["rows"] == 10
    operation.ends(None, None)
    name, number, body = told(await anext(events))
    assert (name, number, body["state"]) == ("done", str(operation.revision), "succeeded")
    assert [event async for event in events] == []


async def test_a_slow_reader_misses_steps_and_holds_nobody_up(operation: Operation) -> None:
    """A thousand pages while nobody reads are one event, which holds the newest."""
    events = operation_events(operation, 0)
    await anext(events)
    for number in range(1, 1001):
        page(operation, number)
    assert told(await anext(events))[2]["progress"]["pages"] == 1000
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert not waiting.done()
    page(operation, 1001)
    assert told(await waiting)[2]["progress"]["pages"] == 1001


async def test_a_reader_that_comes_back_goes_on(operation: Operation) -> None:
    """With the id of the last event it saw, it waits for the next one."""
    events = operation_events(operation, operation.revision)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert not waiting.done()
    operation.begins()
    assert told(await waiting)[1] == str(operation.revision)


class Connection:
    """The server's side of a connection, whose reader takes messages one by one.

    Attributes:
        messages: What was taken.
        stuck: Whether the reader takes nothing more.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.stuck = False
        self.gone = asyncio.Event()
        self._sent = asyncio.Event()

    async def receive(self) -> Message:
        """Wait until the reader hangs up."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message, or wait for ever."""
        self.messages.append(message)
        self._sent.set()
        if self.stuck:
            await asyncio.Event().wait()

    @property
    def text(self) -> str:
        """What was sent so far."""
        return b"".join(message.get("body", b"") for message in self.messages).decode()

    async def until(self, text: str) -> None:
        """Wait until something was sent."""
        while text not in self.text:
            self._sent.clear()
            await self._sent.wait()


@pytest.fixture
def connection() -> Connection:
    """A connection whose reader takes everything."""
    return Connection()


async def test_heartbeats_keep_an_idle_stream_open(
    operation: Operation, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing happens a comment is sent now and then, which readers pass over."""
    monkeypatch.setattr(operation_answers, "HEARTBEAT_S", 0.01)
    answer = events_answer(operation, None)
    serving = asyncio.ensure_future(answer(SCOPE, connection.receive, connection.send))
    await connection.until(": ping")
    operation.ends(None, None)
    await serving
    assert "event: done" in connection.text
    assert connection.messages[-1]["more_body"] is False


async def test_a_reader_that_hangs_up_is_cleaned_up(
    operation: Operation, connection: Connection
) -> None:
    """The stream ends with its reader; the operation goes on."""
    answer = events_answer(operation, None)
    serving = asyncio.ensure_future(answer(SCOPE, connection.receive, connection.send))
    await connection.until("event: progress")
    connection.gone.set()
    await serving
    assert not operation.is_over


async def test_a_reader_that_takes_nothing_is_given_up(
    operation: Operation, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is stuck does not stay open for ever."""
    monkeypatch.setattr(operation_answers, "SEND_TIMEOUT_S", 0.01)
    answer = events_answer(operation, None)
    serving = asyncio.ensure_future(answer(SCOPE, connection.receive, connection.send))
    await connection.until("event: progress")
    connection.stuck = True
    operation.begins()
    await serving
    assert not operation.is_over


@pytest.mark.parametrize("seen", [None, "", "x", "-1", "٣", "99", "9" * 400])
async def test_an_id_from_elsewhere_begins_at_the_beginning(
    operation: Operation, connection: Connection, seen: str | None
) -> None:
    """What is no event of this operation says nothing of what was seen of it."""
    operation.ends(None, None)
    await events_answer(operation, seen)(SCOPE, connection.receive, connection.send)
    assert "event: done" in connection.text


async def test_whoever_saw_the_end_is_told_to_stay_away(operation: Operation) -> None:
    """A browser connects again after the end; a 204 tells it not to."""
    operation.ends(None, None)
    assert events_answer(operation, str(operation.revision)).status_code == 204
