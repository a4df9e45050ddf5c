"""Who calls, and what they may do and see."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a key or a token may be made for."""

    READ = "read"  # series, datasets and their versions
    REFRESH = "refresh"  # the same, and refreshes
    OPERATE = "operate"  # everything: also rollbacks, the tenant's models, the metrics
    MONITOR = "monitor"  # the metrics and the state of the login, and no data


READERS: Final = frozenset({Role.READ, Role.REFRESH, Role.OPERATE})
REFRESHERS: Final = frozenset({Role.REFRESH, Role.OPERATE})
OPERATORS: Final = frozenset({Role.OPERATE})
MONITORS: Final = frozenset({Role.MONITOR, Role.OPERATE})
EVERY_ROLE: Final = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        name: For the log and for counting requests; never a secret.
        roles: What the caller may do.
        datasets: The only ones that exist for the caller; None for all.
    """

    name: str
    roles: frozenset[Role]
    datasets: frozenset[str] | None = None

    def may(self, roles: frozenset[Role]) -> bool:
        """Tell whether the caller has one of the roles."""
        return not self.roles.isdisjoint(roles)

    def sees(self, dataset: str) -> bool:
        """Tell whether a dataset exists for the caller."""
        return self.datasets is None or dataset in self.datasets


ANYONE: Final = Caller("anyone", EVERY_ROLE)
# Schedules and start-up serve nobody in particular, and see everything.
_calling: ContextVar[Caller] = ContextVar("calling", default=ANYONE)


class calling:  # noqa: N801 - reads like the context managers of the standard library
    """Serve a caller while the context lasts, in this task and those that it starts.

    A class, because every request enters it, and a generator costs several times as much.

    Args:
        caller: Who is served.
    """

    __slots__ = ("_caller", "_token")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __enter__(self) -> None:
        self._token = _calling.set(self._caller)

    def __exit__(self, *_: object) -> None:
        _calling.reset(self._token)


def visible(datasets: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of some datasets that exist for whoever is being served."""
    caller = _calling.get()
    return datasets if caller.datasets is None else tuple(filter(caller.sees, datasets))


def sees(dataset: str) -> bool:
    """Tell whether a dataset exists for whoever is being served."""
    return _calling.get().sees(dataset)
