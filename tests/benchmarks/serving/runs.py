"""Checks that all servers give the same rows, then drives them in turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from math import isclose
from pathlib import Path
from typing import Any, Final

import httpx

from tests.benchmarks.serving import servers
from tests.benchmarks.serving.data import SIZES, Places, chance_of
from tests.benchmarks.serving.questions import Kind, Question, questions
from tests.benchmarks.serving.servers import Load

OURS: Final = "ours"
ROAPI: Final = "roapi"
DATASETTE: Final = "Datasette"
BARE: Final = "bare FastAPI"
SMALL: Final = "the same query again, small"
LARGE: Final = "the same query again, 88 kB"
UNCHANGED: Final = "304"
_CHECKED: Final = 25
# More than any server answers in one run, so that no question comes twice.
_PER_SECOND: Final = 6_000
# 88 kB of JSON in our form, and 2 kB.
_LARGE_ROWS, _SMALL_ROWS = 575, 12

Results = dict[str, dict[str, list[Load]]]


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that one run of the benchmark shares.

    Attributes:
        places: The rows.
        keys: The members of every key.
        folder: For files that wrk reads.
        seconds: How long each drive takes.
        results: By what is asked and who answers.
    """

    places: Places
    keys: list[dict[str, str]]
    folder: Path
    seconds: int
    results: Results = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def distinct(self, rounds: int) -> None:
        """Ask different questions of ours, roapi and Datasette, in turn."""
        with ExitStack() as stack:
            urls = {
                OURS: stack.enter_context(servers.ours(self.places)),
                ROAPI: stack.enter_context(servers.roapi(self.places)),
                DATASETTE: stack.enter_context(servers.datasette(self.places)),
            }
            for kind in Kind:
                self._compare(kind, urls)
                for number in range(rounds):
                    self._drive_all(kind, urls, number)

    def repeated(self, rounds: int) -> None:
        """Ask the same question again and again, of ours and of a bare route."""
        for what, rows in ((SMALL, _SMALL_ROWS), (LARGE, _LARGE_ROWS)):
            with servers.ours(self.places) as url:
                path = f"/series?limit={rows}&start=2021-01&sort=date"
                answer = httpx.get(url + path, headers={"Accept-Encoding": "identity"})
                body = self.folder / "body"
                body.write_bytes(answer.raise_for_status().content)
                with servers.bare(body) as other:
                    # The same parameters, at another address.
                    again = path.replace("/series", "/same")
                    for _ in range(rounds):
                        self._one(what, OURS, url, path)
                        self._one(what, BARE, other, again)
                    if what == SMALL:
                        self._unchanged(url, path, answer.headers["ETag"], other, rounds)

    def _unchanged(self, url: str, path: str, etag: str, other: str, rounds: int) -> None:
        for _ in range(rounds):
            self._one(UNCHANGED, OURS, url, path, etag)
            self._one(UNCHANGED, BARE, other, "/unchanged", '"bare"')

    def _one(self, what: str, who: str, url: str, path: str, etag: str | None = None) -> None:
        lines = self._file([f"GET\t{path}\t"])
        self.results[what][who].append(servers.drive(url, lines, self.seconds, if_none_match=etag))

    def _drive_all(self, kind: Kind, urls: dict[str, str], number: int) -> None:
        names = list(urls)
        asked = list(self._some(kind, number + 1, _PER_SECOND * self.seconds))
        turned = names[number % len(names) :] + names[: number % len(names)]
        for name in turned:
            lines = self._file([_line(name, one) for one in asked])
            self.results[kind][name].append(servers.drive(urls[name], lines, self.seconds))

    def _compare(self, kind: Kind, urls: dict[str, str]) -> None:
        for asked in self._some(kind, 0, _CHECKED):
            found = {
                name: _rows(servers.ask(url, _line(name, asked))) for name, url in urls.items()
            }
            for name, rows in found.items():
                if not _same(rows, found[OURS]):
                    raise RuntimeError(f"{name} gives other rows than ours for {asked}")

    def _some(self, kind: Kind, seed: int, count: int) -> Iterator[Question]:
        return islice(questions(kind, self.keys, chance_of(seed)), count)

    def _file(self, lines: list[str]) -> Path:
        path = self.folder / "lines"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _line(name: str, asked: Question) -> str:
    return {OURS: asked.ours, ROAPI: asked.roapi, DATASETTE: asked.datasette}[name]


def _rows(answer: Any) -> list[tuple[tuple[str, ...], float]]:  # noqa: ANN401 - JSON of any server
    points = answer["points"] if isinstance(answer, dict) else answer
    columns = ("date", *SIZES)
    return sorted(
        (tuple(str(point[name]) for name in columns if name in point), float(point["value"]))
        for point in points
    )


def _same(
    one: list[tuple[tuple[str, ...], float]], other: list[tuple[tuple[str, ...], float]]
) -> bool:
    # The others add floats, ours adds exactly.
    return len(one) == len(other) and all(
        a[0] == b[0] and isclose(a[1], b[1], rel_tol=1e-9, abs_tol=1e-6)
        for a, b in zip(one, other, strict=True)
    )
