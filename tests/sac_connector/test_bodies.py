"""Memory that is used again: never while anything still refers to it, and not without bound."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sac_connector.answers import RowDecoder, outline
from app.sac_connector.bodies import Bodies

SIZE = 5_000
KINDS = {
    "view": lambda body: body,
    "part": lambda body: body[1:-1][:9],
    "array": lambda body: np.frombuffer(body, np.uint8)[3:],
    "arrow": pa.py_buffer,
    "slice of arrow": lambda body: pa.py_buffer(body).slice(7, 9),
}


def page(letter: str, rows: int = 200) -> bytes:
    """Return a page whose texts are one letter."""
    text = ",".join(f'{{"Region":"{8 * letter}","Amount":{row}}}' for row in range(rows))
    return f'{{"value":[{text}]}}'.encode()


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_used_again_only_when_nothing_refers_to_it(kind: str) -> None:
    """Whatever was made of a body without a copy keeps it; without, its memory is the next."""
    bodies = Bodies()
    body = bodies.room(SIZE)
    body[:] = SIZE * b"x"
    kept = KINDS[kind](body)
    del body
    other = bodies.room(SIZE)
    other[:] = SIZE * b"y"
    assert set(bytes(kept)) == {ord("x")}
    del kept
    assert bytes(bodies.room(SIZE)) == SIZE * b"x"


@given(st.lists(st.tuples(st.integers(1, 3 * SIZE), st.integers(0, 6)), max_size=30))
def test_what_is_held_never_changes(steps: list[tuple[int, int]]) -> None:
    """However many are held, of whatever sizes, and in whatever order they are let go."""
    bodies, held = Bodies(), dict[int, tuple[memoryview, int]]()
    for number, (size, place) in enumerate(steps):
        room = bodies.room(size)
        assert len(room) == size
        room[:] = bytes([number]) * size
        held[place] = room, number
        del room
        assert all(set(bytes(body)) == {of} for body, of in held.values())


def test_few_are_kept_for_later() -> None:
    """Of many bodies that were held at once, all but three are given back to the system."""
    bodies = Bodies()
    held = [bodies.room(SIZE) for _ in range(10)]
    for room in held:
        room[:] = SIZE * b"x"
    del room
    held.clear()
    assert sum(room[0] > 0 for room in [bodies.room(SIZE) for _ in range(10)]) == 3


def test_what_is_too_small_makes_room() -> None:
    """A page that does not fit is not waited for by memory that no page fits into."""
    bodies = Bodies()
    bodies.room(SIZE)[:] = SIZE * b"x"
    assert bytes(bodies.room(2 * SIZE)) == bytes(2 * SIZE)
    assert bytes(bodies.room(SIZE)) == bytes(SIZE)


def test_a_pull_that_is_over_keeps_nothing() -> None:
    """Neither what was spare, nor what somebody still held; that does not change."""
    bodies = Bodies()
    held, spare = bodies.room(SIZE), bodies.room(SIZE)
    held[:] = spare[:] = SIZE * b"x"
    del spare
    bodies.close()
    assert bytes(bodies.room(SIZE)) == bytes(SIZE)
    assert bytes(held) == SIZE * b"x"
    del held
    assert bytes(bodies.room(SIZE)) == bytes(SIZE)


def test_decoded_rows_outlive_the_body() -> None:
    """What was decoded from memory does not change when the next page is read into it."""
    bodies, decoder, tables = Bodies(), RowDecoder(("Region",), "Amount"), []
    for letter in "abc":
        content = page(letter)
        body = bodies.room(len(content))
        body[:] = content
        found = outline(body)
        assert found is not None
        tables.append(decoder.decode(found.value, 1))
        del body, found
    # It was one and the same memory.
    assert bytes(bodies.room(len(page("c")))) == page("c")
    for letter, table in zip("abc", tables, strict=True):
        assert set(table["Region"].to_pylist()) == {8 * letter}
        assert table["Amount"].to_pylist() == [str(row) for row in range(200)]
