"""A tenant of a few pages for tests of chains: rows by `$skip`, and what may be asked of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

from app.errors import SourceUnavailableError
from app.sac_connector.answers import RowDecoder
from app.sac_connector.wire import SetQuery
from tests.sac_connector.rig import ROOT, turns

DECODE = RowDecoder(("Date",), "Amount").decode
Answers = Callable[[str], Awaitable[bytes]]


def query(entity_set: str = "FactData", page_rows: int = 2) -> SetQuery:
    """Return a query of a set with a date and an amount."""
    return SetQuery(ROOT, entity_set, ("Date", "Amount"), ("Date",), None, page_rows)


def skipped(url: str) -> int:
    """Return how many rows an address leaves out."""
    return int(parse_qs(urlsplit(url).query).get("$skip", ["0"])[0])


def body(first: int, rows: int, **annotations: object) -> bytes:
    """Return a page whose amounts count upwards."""
    value = [{"Date": "202601", "Amount": number} for number in range(first, first + rows)]
    return json.dumps({"value": value, **annotations}).encode()


class Tenant:
    """Serves rows by `$skip`, a capped page at a time, and remembers what runs at once.

    Args:
        rows: How many rows each entity set has.
        cap: Rows per page at the most.
    """

    def __init__(self, rows: dict[str, int], cap: int = 2) -> None:
        self._rows = rows
        self._cap = cap
        self.asked: list[str] = []
        self.running = self.most = 0
        self.failing: str | None = None

    async def __call__(self, url: str) -> bytes:
        """Answer a page."""
        self.asked.append(url)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await turns(3)
            name = urlsplit(url).path.rpartition("/")[2]
            if name == self.failing:
                raise SourceUnavailableError("It failed.", status=503)
            skip = skipped(url)
            return body(skip, max(0, min(self._cap, self._rows[name] - skip)))
        finally:
            self.running -= 1
