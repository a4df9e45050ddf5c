"""A process that serves one prepared page of fact rows over and over, as a model of any size.

Run it with `python -m tests.e2e.page_server ROWS`; it prints its address, and ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from typing import Final
from urllib.parse import parse_qs, urlsplit

PAGE_ROWS: Final = 50_000
METADATA: Final = (
    '<Edmx><Schema><EntityType Name="FactData"><Key><PropertyRef Name="Date"/>'
    '<PropertyRef Name="Region"/></Key><Property Name="Date"/><Property Name="Region"/>'
    '<Property Name="Amount"/></EntityType></Schema></Edmx>'
)


def a_page() -> bytes:
    """Return the rows of one page as JSON: twenty years of months, and members by the hundred."""
    rows = (
        f'{{"Date":"{2000 + n % 240 // 12}{n % 12 + 1:02}","Region":"Region {n % 97}",'
        f'"Amount":{n % 100_000}.{n % 89:02}}}'
        for n in range(PAGE_ROWS)
    )
    return b"[" + ",".join(rows).encode() + b"]"


class PageServer:
    """Answers what a pull asks for.

    Args:
        rows: How many rows the model has; whole pages.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._page = a_page()

    def answer(self, target: str) -> tuple[str, bytes]:
        """Return the content type and the body for a path with its query."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        if parts.path == "/oauth/token":
            return "application/json", b'{"access_token":"t0","expires_in":3600}'
        if parts.path.endswith("$metadata"):
            return "application/xml", METADATA.encode()
        if parts.path.endswith("/"):
            return "application/json", b'{"value":[{"name":"FactData"}]}'
        if "$count" in query:
            return "application/json", b'{"value":[],"@odata.count":%d}' % self._rows
        return "application/json", self._page_after(int(query.get("$skiptoken", ["0"])[0]))

    def _page_after(self, skip: int) -> bytes:
        behind = skip + PAGE_ROWS
        link = f"FactData?$skiptoken={behind}" if behind < self._rows else None
        annotations = {"@odata.nextLink": link, "@des.entitiesInPage": PAGE_ROWS}
        return json.dumps(annotations).encode()[:-1] + b',"value":' + self._page + b"}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            for _ in count():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                form = [line for line in head.splitlines() if line.lower().startswith("content-l")]
                if form:
                    await reader.readexactly(int(form[0].partition(":")[2]))
                kind, body = self.answer(head.split(" ")[1])
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n".encode()
                )
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    """Serve until the input ends."""
    server = await asyncio.start_server(PageServer(int(sys.argv[1])).serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
