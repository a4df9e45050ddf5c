"""The questions, as each server takes them; every one is different."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final
from urllib.parse import quote, urlencode

from tests.benchmarks.serving.data import SIZES, TABLE

_MONTHS: Final = 12
_FIRST_YEAR, _LAST_YEAR = 2021, 2025


class Kind(StrEnum):
    """What is asked."""

    DETAIL = "full-dimension queries, three members given"
    KEY = "full-dimension queries, one key"
    ROLL_UP = "roll-ups by grain and one dimension"


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        members: The members asked for.
        start: The first month.
        end: The last month.
        kept: The dimension that is kept; None for all.
        grain: The grain of the answer.
    """

    members: dict[str, str]
    start: str
    end: str
    kept: str | None = None
    grain: str = "month"

    @property
    def ours(self) -> str:
        """The request line of our service."""
        asked = {**self.members, "start": self.start, "end": self.end}
        if self.kept is not None:
            asked |= {"group_by": self.kept, "grain": self.grain}
        return f"GET\t/series?{urlencode(asked)}\t"

    @property
    def roapi(self) -> str:
        """The request line of roapi: SQL in the body."""
        return f"POST\t/api/sql\t{self._sql({k: _quoted(v) for k, v in self._values.items()})}"

    @property
    def datasette(self) -> str:
        """The request line of Datasette: SQL with parameters, as it recommends."""
        sql = self._sql({name: f":{name}" for name in self._values})
        asked = {"sql": sql, **self._values, "_shape": "array"}
        return f"GET\t/bench.json?{urlencode(asked, quote_via=quote)}\t"

    @property
    def _values(self) -> dict[str, str]:
        return {**self.members, "first": f"{self.start}-01", "last": f"{self.end}-01"}

    def _sql(self, holes: dict[str, str]) -> str:
        wanted = " and ".join(f"{name} = {holes[name]}" for name in self.members)
        where = f"{wanted} and date >= {holes['first']} and date <= {holes['last']}"
        if self.kept is None:
            columns = f"date, value, {', '.join(SIZES)}"
            return f"select {columns} from {TABLE} where {where}"  # noqa: S608 - our own names
        columns = f"{self.grain} as date, sum(value) as value, {self.kept}"
        grouped = f"group by {self.kept}, {self.grain}"
        return f"select {columns} from {TABLE} where {where} {grouped}"  # noqa: S608 - our own names


def questions(kind: Kind, keys: Sequence[dict[str, str]], chance: Random) -> Iterator[Question]:
    """Yield different questions without end."""
    seen: set[tuple[object, ...]] = set()
    while True:
        asked = _ASK[kind](keys, chance)
        mark = (*asked.members.items(), asked.start, asked.end, asked.kept, asked.grain)
        if mark not in seen:
            seen.add(mark)
            yield asked


def _detail(keys: Sequence[dict[str, str]], chance: Random) -> Question:
    key, given = chance.choice(keys), chance.sample(list(SIZES), 3)
    return Question({name: key[name] for name in given}, *_window(chance))


def _key(keys: Sequence[dict[str, str]], chance: Random) -> Question:
    return Question(chance.choice(keys), *_window(chance))


def _roll_up(keys: Sequence[dict[str, str]], chance: Random) -> Question:
    filtered, kept = chance.sample(list(SIZES), 2)
    member = {filtered: chance.choice(keys)[filtered]}
    return Question(member, *_window(chance), kept, chance.choice(["quarter", "year"]))


_ASK: Final = {Kind.DETAIL: _detail, Kind.KEY: _key, Kind.ROLL_UP: _roll_up}


def _window(chance: Random) -> tuple[str, str]:
    first = chance.randrange(_FIRST_YEAR * _MONTHS, (_LAST_YEAR - 1) * _MONTHS)
    last = chance.randrange(_LAST_YEAR * _MONTHS, (_LAST_YEAR + 1) * _MONTHS)
    start, end = (f"{month // _MONTHS}-{month % _MONTHS + 1:02}" for month in (first, last))
    return start, end


def _quoted(text: str) -> str:
    return f"'{text}'"
