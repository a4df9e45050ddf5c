"""Reads the same bytes with the bare HTTP client: what no puller can be faster than."""

from __future__ import annotations

import argparse
import re
from typing import Final

import httpx

from tests.benchmarks.meter import Found, measured, tell
from tests.benchmarks.server import FACTS_PATH, TOKEN

_HEAD_BYTES: Final = 1000
_LINK: Final = re.compile(rb'"@odata\.nextLink":"([^"]*)"')
_ROWS: Final = re.compile(rb'"@des\.entitiesInPage":(\d+)')


def read(url: str) -> Found:
    """Read all pages one after the other and decode nothing; believe what they say of rows."""
    rows, page = 0, f"{url}{FACTS_PATH}"
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60.0) as client:
        while page:
            head = client.get(page).content[:_HEAD_BYTES]
            rows += sum(int(number) for number in _ROWS.findall(head))
            page = next((link.decode() for link in _LINK.findall(head)), "")
    return Found(rows=rows)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="Reads all pages with httpx.")
    parser.add_argument("url")
    url = parser.parse_args().url
    tell(measured(lambda: read(url)))


if __name__ == "__main__":
    main()
