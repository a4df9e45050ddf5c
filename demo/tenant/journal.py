"""The request log: what arrived, as it arrived, and how many at once."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from demo.tenant.oauth import Standing


class Entry(msgspec.Struct, kw_only=True):
    """One request. `started` and `finished` count on one scale, so overlaps can be read off."""

    n: int
    method: str
    raw_path: str
    raw_query: str
    headers: dict[str, str]
    has_authorization: bool
    bearer: Standing
    kind: str
    started: int
    finished: int | None = None
    status: int | None = None
    fault: str | None = None


class Journal:
    """Every request outside the admin path since the last reset."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget every request; those in flight finish unseen."""
        self.entries: list[Entry] = []
        self._events = 0
        self._parallel = 0
        self._most_parallel = 0
        self.tokens_issued = 0

    def open(
        self,
        method: str,
        target: tuple[str, str],
        headers: Iterable[tuple[str, str]],
        bearer: Standing,
        kind: str,
    ) -> Entry:
        """Note the beginning of a request."""
        shown = {name: _masked(name, value) for name, value in headers}
        self._parallel += 1
        self._most_parallel = max(self._most_parallel, self._parallel)
        entry = Entry(
            n=len(self.entries) + 1,
            method=method,
            raw_path=target[0],
            raw_query=target[1],
            headers=shown,
            has_authorization="authorization" in shown,
            bearer=bearer,
            kind=kind,
            started=self._tick(),
        )
        self.entries.append(entry)
        return entry

    def close(self, entry: Entry, status: int | None) -> None:
        """Note the end of a request; `None` when no status went out."""
        entry.status = status
        entry.finished = self._tick()
        self._parallel = max(0, self._parallel - 1)

    def report(self) -> dict[str, object]:
        """Return the requests and their counts."""
        kinds = Counter(entry.kind for entry in self.entries)
        bearers = Counter(entry.bearer for entry in self.entries)
        return {
            "requests": msgspec.to_builtins(self.entries),
            "counts": {
                "requests": len(self.entries),
                "token_calls": kinds["token"],
                "page_calls": kinds["page"],
                "count_calls": kinds["count"],
                "metadata_calls": kinds["metadata"],
                "catalogue_calls": kinds["catalogue"],
                "by_path": Counter(entry.raw_path for entry in self.entries),
                "by_bearer": bearers,
                "foreign_bearer": bearers["foreign"] > 0,
                "tokens_issued": self.tokens_issued,
                "max_parallel": self._most_parallel,
            },
        }

    def _tick(self) -> int:
        """Return the next number on the scale of events."""
        self._events += 1
        return self._events


def _masked(name: str, value: str) -> str:
    """Show of an authorization its scheme only, and of a cookie nothing."""
    if name == "authorization":
        return value.partition(" ")[0]
    return "***" if name == "cookie" else value
