"""What was asked for of late is known again, and little else is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.api.asked_before import AskedBefore


@given(st.lists(st.tuples(st.none() | st.text(), st.binary()), unique=True, max_size=50))
def test_the_second_time_is_known(questions: list[tuple[str | None, bytes]]) -> None:
    """Whatever the hash of a question is, also a negative one."""
    for question in questions:
        was_asked = AskedBefore()
        assert not was_asked(question)
        assert was_asked(question)


def test_few_are_mistaken_for_others() -> None:
    """Of ten thousand others at most one in a hundred, or the room of the answers is wasted."""
    was_asked = AskedBefore()
    assert sum(was_asked(("asked", number)) for number in range(10_000)) < 100
    assert sum(was_asked(("asked", number)) for number in range(10_000)) > 8_000


def test_what_is_long_ago_is_forgotten() -> None:
    """Millions of questions take no more room than the first."""
    was_asked = AskedBefore()
    size = len(vars(was_asked)["_marks"])
    for number in range(500_000):
        was_asked(number)
    assert len(vars(was_asked)["_marks"]) == size
    assert not was_asked(0)
