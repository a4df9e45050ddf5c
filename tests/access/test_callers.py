"""Who calls is known to all that is done for them, and to nothing else."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from app.access.callers import (
    ANYONE,
    EVERY_ROLE,
    MONITORS,
    OPERATORS,
    READERS,
    REFRESHERS,
    Caller,
    Role,
    calling,
    sees,
)

BOUND = Caller("key:a", frozenset({Role.READ}), frozenset({"cash"}))


def test_each_role_holds_what_it_says() -> None:
    """Refreshing includes reading, operating includes everything, monitoring no data."""
    assert {Role.READ, Role.REFRESH, Role.OPERATE} == READERS
    assert {Role.REFRESH, Role.OPERATE} == REFRESHERS
    assert all(Role.OPERATE in one for one in (READERS, REFRESHERS, OPERATORS, MONITORS))
    assert Role.MONITOR not in READERS | REFRESHERS | OPERATORS
    assert READERS | MONITORS == EVERY_ROLE


@given(st.sets(st.sampled_from(Role)), st.sets(st.sampled_from(Role)))
def test_one_of_the_roles_is_enough(own: set[Role], needed: set[Role]) -> None:
    """A caller may do something exactly if one of its roles is among those that may."""
    assert Caller("x", frozenset(own)).may(frozenset(needed)) == bool(own & needed)


@given(st.none() | st.frozensets(st.text(max_size=3)), st.text(max_size=3))
def test_a_caller_sees_its_datasets(bound: frozenset[str] | None, name: str) -> None:
    """Without a bound all datasets exist, with one exactly those of the bound."""
    assert Caller("x", EVERY_ROLE, bound).sees(name) == (bound is None or name in bound)


def test_nobody_in_particular_sees_everything() -> None:
    """Schedules and the start serve nobody, and leave nothing out."""
    assert sees("cash")
    assert sees("salaries")
    assert ANYONE.may(frozenset({Role.OPERATE}))


async def test_callers_at_the_same_time_are_kept_apart() -> None:
    """What is done for one caller, also in threads and tasks, never sees with another's eyes."""

    async def seen() -> list[bool]:
        await asyncio.sleep(0)
        here = await asyncio.to_thread(sees, "salaries")
        return [sees("cash"), sees("salaries"), here]

    async def bound() -> list[bool]:
        with calling(BOUND):
            return await asyncio.create_task(seen())

    found = list(await asyncio.gather(bound(), seen(), bound()))
    assert found == [[True, False, False], [True, True, True], [True, False, False]]
    assert sees("salaries")
