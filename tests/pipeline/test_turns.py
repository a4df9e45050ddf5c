"""What is looked at once holds for one turn of the loop, and for no request that comes later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from app.pipeline.turns import OncePerTurn


class World:
    """Something that changes, and counts who looks at it."""

    def __init__(self) -> None:
        self.state = 0
        self.looks = 0

    def look(self, name: str) -> tuple[str, int]:
        """Return how it stands."""
        self.looks += 1
        return name, self.state


@pytest.fixture
def world() -> World:
    """A world at its beginning."""
    return World()


async def test_who_came_together_shares_a_look(world: World) -> None:
    """Tasks that are ready in the same turn are answered by one look for each key."""
    once = OncePerTurn[tuple[str, int]]()

    async def ask(name: str) -> tuple[str, int]:
        return once.get(name, world.look, name)

    found = await asyncio.gather(*(ask(name) for name in "abab"))
    assert found == [("a", 0), ("b", 0)] * 2
    assert world.looks == 2


async def test_who_comes_later_is_told_what_is_true_then(world: World) -> None:
    """A request that a server reads after a look gets a look of its own."""
    once = OncePerTurn[tuple[str, int]]()
    loop = asyncio.get_running_loop()
    answers: list[int] = []

    def arrive() -> None:
        # A task is made when a request is read, as servers do, so that it runs in a later turn.
        tasks.append(loop.create_task(ask()))

    async def ask() -> None:
        answers.append(once.get("a", world.look, "a")[1])
        if world.state < 5:
            world.state += 1
            # Read in the very turn of the look, which is the earliest that can be.
            arrive()

    tasks: list[asyncio.Task[None]] = []
    arrive()
    for task in tasks:  # which grows meanwhile
        await task
    assert answers == [0, 1, 2, 3, 4, 5]


async def test_who_changes_it_says_so(world: World) -> None:
    """After `forget` the next one looks, also in the same turn."""
    once = OncePerTurn[tuple[str, int]]()
    assert once.get("a", world.look, "a") == ("a", 0)
    world.state = 1
    assert once.get("a", world.look, "a") == ("a", 0)
    once.forget()
    assert once.get("a", world.look, "a") == ("a", 1)


def test_without_a_loop_nothing_is_remembered(world: World) -> None:
    """In a thread there are no turns, so each looks."""
    once = OncePerTurn[tuple[str, int]]()
    assert [once.get("a", world.look, "a") for _ in range(2)] == [("a", 0)] * 2
    assert world.looks == 2


def test_a_loop_after_another_has_its_own_turns(world: World) -> None:
    """What a loop has seen that is closed is not told by the next one."""
    once = OncePerTurn[tuple[str, int]]()

    async def ask() -> int:
        return once.get("a", world.look, "a")[1]

    assert asyncio.run(ask()) == 0
    world.state = 1
    assert asyncio.run(ask()) == 1


async def test_loops_at_the_same_time_are_kept_apart(world: World) -> None:
    """A loop in another thread never gets what this one has seen, and the other way round."""
    once = OncePerTurn[tuple[str, int]]()

    def elsewhere(see: Callable[[], int]) -> int:
        async def ask() -> int:
            return see()

        return asyncio.run(ask())

    def see() -> int:
        return once.get("a", world.look, "a")[1]

    assert see() == 0
    world.state = 1
    assert await asyncio.to_thread(elsewhere, see) == 1
