"""What a request binds stands in its lines, and in those of the tasks that it starts."""

from __future__ import annotations

import asyncio

from app.observability.bound import add_bound, bind, bound, unbind


def test_what_is_bound_is_told_until_it_is_not() -> None:
    """Request and trace are added to an event; what was told before comes back."""
    assert bound() == {}
    outer = bind("one")
    inner = bind("two", "trace")
    assert add_bound(None, "info", {"event": "x"}) == {
        "event": "x",
        "request_id": "two",
        "trace_id": "trace",
    }
    unbind(inner)
    assert bound() == {"request_id": "one"}
    unbind(outer)
    assert add_bound(None, "info", {"event": "x"}) == {"event": "x"}


def test_an_event_may_name_another_request() -> None:
    """What a line says by itself is not overwritten."""
    token = bind("mine")
    assert add_bound(None, "info", {"request_id": "theirs"}) == {"request_id": "theirs"}
    unbind(token)


async def test_tasks_inherit_and_do_not_leak() -> None:
    """A task tells of the request that started it; its own binding stays in it."""

    async def act() -> str:
        before = bound()["request_id"]
        bind("of the task")
        await asyncio.sleep(0)
        return before

    token = bind("of the request")
    assert await asyncio.create_task(act()) == "of the request"
    assert bound() == {"request_id": "of the request"}
    unbind(token)
