"""Answers are read as far as this client knows them."""

from __future__ import annotations

import msgspec
import pytest

from app.client.answers import Operation, RefreshResult, ServiceError, read
from tests.client.wire import DONE, REFRESHED, RUNNING, URL


def test_fields_of_a_later_service_are_passed_over() -> None:
    """A client does not break because a service grows."""
    result = read(msgspec.json.encode(REFRESHED | {"new": [1]}), RefreshResult, URL)
    assert (result.status, result.freshness.state, result.metadata) == (
        "refreshed",
        "fresh",
        {"row_count": 3},
    )


def test_a_byte_order_mark_is_no_part_of_an_answer() -> None:
    """Some gateways put one before JSON."""
    assert read(b"\xef\xbb\xbf" + msgspec.json.encode(DONE), Operation, URL).done


def test_an_operation_knows_whether_it_has_ended() -> None:
    """Queued and running are on their way; all else is an end."""
    running = read(msgspec.json.encode(RUNNING), Operation, URL)
    done = read(msgspec.json.encode(DONE), Operation, URL)
    assert (running.done, done.done) == (False, True)
    assert done.result is not None
    assert done.result.version == 4


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"dataset": 1}', b"\xff"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    """The message names the address and what was expected."""
    with pytest.raises(ServiceError, match=f"{URL} answered something that is no RefreshResult"):
        read(body, RefreshResult, URL)
