"""Reads the same bytes with the bare HTTP client: what no puller can be faster than."""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import Final

import anyio._backends._asyncio  # noqa: F401 - httpcore imports it late, and imports are not measured
import httpcore  # noqa: F401 - nor is this one, which httpx imports late
import httpx

from tests.benchmarks.meter import Found, measured, tell
from tests.benchmarks.server import FACTS_PATH, TOKEN

_HEADERS: Final = {"Authorization": f"Bearer {TOKEN}"}
_TIMEOUT_S: Final = 60.0
_HEAD_BYTES: Final = 1000
_LINK: Final = re.compile(rb'"@odata\.nextLink":"([^"]*)"')
_ROWS: Final = re.compile(rb'"@des\.entitiesInPage":(\d+)')


def read(url: str) -> Found:
    """Read all pages one after the other and decode nothing; believe what they say of rows."""
    rows, page = 0, f"{url}{FACTS_PATH}"
    with httpx.Client(headers=_HEADERS, timeout=_TIMEOUT_S) as client:
        while page:
            head = client.get(page).content[:_HEAD_BYTES]
            rows, page = rows + _rows(head), _next(head)
    return Found(rows)


async def read_async(url: str) -> Found:
    """Do the same with the client that ours uses too."""
    rows, page = 0, f"{url}{FACTS_PATH}"
    async with httpx.AsyncClient(headers=_HEADERS, timeout=_TIMEOUT_S) as client:
        while page:
            head = (await client.get(page)).content[:_HEAD_BYTES]
            rows, page = rows + _rows(head), _next(head)
    return Found(rows)


def _rows(head: bytes) -> int:
    return sum(int(number) for number in _ROWS.findall(head))


def _next(head: bytes) -> str:
    return next((link.decode() for link in _LINK.findall(head)), "")


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="Reads all pages with httpx.")
    parser.add_argument("url")
    parser.add_argument("--asynchronous", action="store_true")
    arguments = parser.parse_args()
    url = arguments.url
    if arguments.asynchronous:
        tell(measured(lambda: asyncio.run(read_async(url))))
    else:
        tell(measured(lambda: read(url)))


if __name__ == "__main__":
    main()
