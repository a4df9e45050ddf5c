"""A tenant as a small HTTP server whose models page, count and link as oddly as a test wants.

with StubTenant({"CODD": StubModel(answer)}) as tenant:
    ...
    assert len(tenant.asked("CODD")) == 5
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

Row = dict[str, Any]
# Two years of months, in two regions by turns.
ROWS: Final[Sequence[Row]] = tuple(
    {
        "Date": f"{2024 + place // 12}{place % 12 + 1:02}",
        "Region": ("EMEA", "#")[place % 2],
        "Amount": place + 1,
    }
    for place in range(24)
)
_CONDITION: Final = re.compile(r"(\w+) (eq|ne|ge|lt) '((?:[^']|'')*)'")


@dataclass(frozen=True)
class Asked:
    """One request for rows.

    Attributes:
        entity_set: Of what.
        options: The query options, decoded as a service decodes them.
        target: Path and query, as they arrived.
        number: How many requests for rows of this model came before.
    """

    entity_set: str
    options: Mapping[str, str]
    target: str
    number: int

    @property
    def probes(self) -> bool:
        """Whether it asks for the number of rows alone."""
        return self.options.get("$top") == "0"

    @property
    def place(self) -> int:
        """How many rows lie before the page that is asked for."""
        return int(self.options.get("$skiptoken", self.options.get("$skip", "0")))


# Rows, annotations and a status for a request; None for one that is refused.
Answer = Callable[[Asked], Mapping[str, Any] | None]


@dataclass
class StubModel:
    """A model.

    Attributes:
        answer: What it answers to requests for rows.
        sets: Its entity sets.
        type: The type of its measure.
    """

    answer: Answer
    sets: tuple[str, ...] = ("FactData",)
    type: str = "Edm.Decimal"
    log: list[Asked] = field(default_factory=list)

    @property
    def metadata(self) -> str:
        """What `$metadata` says of it."""
        return (
            '<Edmx><Schema><EntityType Name="FactData"><Key><PropertyRef Name="Date"/>'
            '<PropertyRef Name="Region"/></Key><Property Name="Date" Type="Edm.String"/>'
            '<Property Name="Region" Type="Edm.String"/>'
            f'<Property Name="Amount" Type="{self.type}"/></EntityType></Schema></Edmx>'
        )


def page(rows: Sequence[Row] | None, link: object = None, count: object = None) -> Row:
    """Return an answer: rows, the link to the next page, and how many rows there are."""
    parts: Row = {"value": rows, "@des.entitiesInPage": len(rows or ())}
    parts |= {} if link is None else {"@odata.nextLink": link}
    return parts if count is None else {**parts, "@odata.count": count}


def token(place: int) -> str:
    """Return a link to the rows from some place on."""
    return f"FactData?$skiptoken={place}"


def selected(asked: Asked, rows: Sequence[Row] = ROWS) -> list[Row]:
    """Return the rows that are asked for, added up by the selected columns if that is asked."""
    wanted = [row for row in rows if _meets(row, asked.options.get("$filter", ""))]
    if asked.entity_set == "FactData":
        return wanted
    keys = [name for name in asked.options["$select"].split(",") if name != "Amount"]
    sums: dict[tuple[str, ...], Any] = {}
    for row in wanted:
        key = tuple(row[name] for name in keys)
        sums[key] = sums.get(key, 0) + row["Amount"]
    return [dict(zip([*keys, "Amount"], [*key, sums[key]], strict=True)) for key in sorted(sums)]


def paged(asked: Asked, size: int = 10, rows: Sequence[Row] = ROWS) -> Row:
    """Answer as a sane tenant does: pages of some size with links, and a count if asked for."""
    found = selected(asked, rows)
    count = len(found) if "$count" in asked.options else None
    if asked.probes:
        return page([], count=count)
    behind = asked.place + size
    link = _link(asked, behind) if behind < len(found) else None
    return page(found[asked.place : behind], link, count)


def _link(asked: Asked, place: int) -> str:
    """Return the address of a further page; it keeps the query."""
    path, _, query = asked.target.partition("?")
    query = re.sub(r"&?\$(skiptoken|count)=[^&]*", "", query)
    return f"{path}?{query}&$skiptoken={place}"


def _meets(row: Row, row_filter: str) -> bool:
    tests: dict[str, Callable[[str, str], bool]] = {
        "eq": str.__eq__,
        "ne": str.__ne__,
        "ge": str.__ge__,
        "lt": str.__lt__,
    }
    return all(
        tests[how](row[name], text.replace("''", "'"))
        for name, how, text in _CONDITION.findall(row_filter)
    )


class StubTenant:
    """Serves models on a free port of this machine, in threads of this process.

    Args:
        models: The models by their id.

    Attributes:
        url: Scheme, host and port.
    """

    def __init__(self, models: Mapping[str, StubModel]) -> None:
        self._models = models
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def asked(self, model_id: str) -> list[Asked]:
        """Return the requests for rows of a model."""
        return self._models[model_id].log

    def _answer(self, target: str) -> tuple[int, str, bytes]:
        parts = urlsplit(target)
        if parts.path == "/oauth/token":
            return 200, "application/json", b'{"access_token":"t0","expires_in":3600}'
        *_, model_id, name = parts.path.split("/")
        model = self._models[model_id]
        if name == "$metadata":
            return 200, "application/xml", model.metadata.encode()
        if not name:
            listed = {"value": [{"name": one, "url": one} for one in model.sets]}
            return 200, "application/json", json.dumps(listed).encode()
        asked = Asked(name, dict(parse_qsl(parts.query)), target, len(model.log))
        model.log.append(asked)
        found = model.answer(asked)
        if found is None:
            return 400, "application/json", b'{"error":{"code":"1","message":"refused"}}'
        return 200, "application/json", json.dumps(found).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            """Answers requests over connections that stay open."""

            protocol_version = "HTTP/1.1"
            timeout = 10

            def do_GET(self) -> None:
                """Answer a request for data."""
                status, kind, body = answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                """Answer a login."""
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.do_GET()

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Write no log."""

        return Handler
