"""Chains of pages: each to its proved end, some side by side, and all stopped by one failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    IncompletePullError,
    SourceAnswerError,
    SourceUnavailableError,
    UnsafeLinkError,
)
from app.sac_connector.answers import RowDecoder
from app.sac_connector.chain import Chain, merged
from app.sac_connector.wire import SetQuery
from tests.sac_connector.rig import ROOT, turns

DECODE = RowDecoder(("Date",), "Amount").decode
Answers = Callable[[str], bytes]


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


def rows(*amounts: int) -> str:
    """Return rows as the service writes them."""
    written = [f'{{"Date":"202601","Amount":{amount}}}' for amount in amounts]
    return f"[{','.join(written)}]"


@pytest.mark.parametrize(
    "page",
    [
        '{"@odata.nextLink":"?next","value":%s}',
        '{"value":%s,"@odata.nextLink":"?next"}',
        '{"value":%s,"@odata.nextLink":"?next","more":["a"]}',
        '{"value":%s,"more":["a"],"@odata.nextLink":"?next"}',
        '{"value":%s,"@odata.nextLink":"?other","more":["a"],"@odata.nextLink":"?next"}',
        '{"@odata.nextLink":"?other","value":%s,"@odata.nextLink":"?next","more":["a"]}',
        '{"more":{"value":[1]},"@odata.nextLink":"?next","value":%s}',
        '{"value": %s, "@odata.nextLink": "?next"}',
    ],
)
async def test_a_link_is_followed_wherever_it_stands(page: str) -> None:
    """Before or after the rows, or among lists that are no rows: the same pages are read."""
    asked = []

    async def tenant(url: str) -> bytes:
        asked.append(url)
        await turns()
        last = url.endswith("?next")
        return (f'{{"value":{rows(3)}}}' if last else page % rows(1, 2)).encode()

    chain = Chain(tenant, query(), DECODE, expected=3)
    found = [text async for one in chain.pages() for text in one.rows["Amount"].to_pylist()]
    assert found == ["1", "2", "3"]
    assert asked[0] == query().page()
    assert asked[-1].endswith("?next")


@pytest.mark.parametrize(
    "page",
    [
        '{"@odata.nextLink":"?next","value":[{"Date":"202601","Amount":1},]}',
        '{"@odata.nextLink":"?next","value":[{"Date":"202601","Amount":1}}]}',
        '{"@odata.nextLink":"?next","value":[{"Date":"202601","Amount":1}],"more":1],"a":2}',
    ],
)
async def test_a_malformed_page_is_told_as_such(page: str) -> None:
    """Though its link was followed before its rows were read, the page is to blame."""

    async def tenant(url: str) -> bytes:
        if url.endswith("?next"):
            raise SourceUnavailableError("It failed.", status=503)
        return page.encode()

    with pytest.raises(SourceAnswerError, match="malformed JSON"):
        await Chain(tenant, query(), DECODE).table()
    await turns()


@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.integers(1, 3), st.integers(1, 4))
async def test_chains_side_by_side_give_every_row_once(
    sizes: list[int], cap: int, parallel: int
) -> None:
    """Whatever their sizes, all rows of all chains come, and no more chains run than allowed."""
    names = {f"Set{place}": size for place, size in enumerate(sizes)}
    tenant = Tenant(names, cap)
    chains = [Chain(tenant, query(name), DECODE, expected=size) for name, size in names.items()]
    found = [page async for page in merged(chains, parallel)]
    amounts = sorted(int(text) for page in found for text in page.rows["Amount"].to_pylist())
    assert amounts == sorted(number for size in sizes for number in range(size))
    assert [chain.received for chain in chains] == sizes
    assert tenant.most <= parallel


@pytest.mark.parametrize("parallel", [1, 2, 4])
async def test_one_failure_stops_all_chains(parallel: int) -> None:
    """The failure of one chain comes out as itself, and nothing runs on behind it."""
    tenant = Tenant({f"Set{place}": 100 for place in range(4)})
    tenant.failing = "Set1"
    chains = [Chain(tenant, query(f"Set{place}"), DECODE, expected=100) for place in range(4)]
    with pytest.raises(SourceUnavailableError):
        async for _ in merged(chains, parallel):
            pass
    assert (tenant.running, len(asyncio.all_tasks())) == (0, 1)


async def test_a_reader_that_leaves_stops_all_chains() -> None:
    """Closing the merged pages ends what is under way in every chain."""
    tenant = Tenant({f"Set{place}": 100 for place in range(3)})
    chains = [Chain(tenant, query(f"Set{place}"), DECODE, expected=100) for place in range(3)]
    pages = merged(chains, 3)
    await anext(pages)
    await pages.aclose()
    asked = len(tenant.asked)
    await turns(50)
    assert (tenant.running, len(asyncio.all_tasks()), len(tenant.asked)) == (0, 1, asked)


@given(st.integers(0, 9), st.integers(0, 9))
async def test_a_known_count_decides_when_a_chain_is_whole(rows: int, expected: int) -> None:
    """With as many rows as announced the chain ends well, with others it does not."""
    chain = Chain(Tenant({"FactData": rows}), query(), DECODE, expected=expected)
    # Pages of two rows, the first in any case; none behind the number that was announced.
    read = min(rows, max(2, expected + expected % 2))
    if read == expected:
        assert (await chain.table()).num_rows == expected
        return
    with pytest.raises(IncompletePullError, match="Nothing was published"):
        await chain.table()


async def test_the_count_of_the_first_page_is_the_one_that_counts() -> None:
    """A counted query learns its number from its own first page, and a probe from before it."""

    async def answer(url: str) -> bytes:
        return body(skipped(url), 2, **{"@odata.count": 4})

    counted = SetQuery(ROOT, "FactData", (), (), None, 2, counted=True)
    chain = Chain(answer, counted, DECODE)
    assert (await chain.table()).num_rows == chain.expected == 4

    async def probe() -> int:
        return 2

    assert (await Chain(answer, query(), DECODE, probe=probe).table()).num_rows == 2


async def test_a_page_that_was_read_before_is_not_asked_for_again() -> None:
    """The body of the first page may be handed in."""
    tenant = Tenant({"FactData": 3})
    chain = Chain(tenant, query(), DECODE, expected=3, first=body(0, 2))
    assert (await chain.table())["Amount"].to_pylist() == ["0", "1", "2"]
    assert [skipped(url) for url in tenant.asked] == [2]


async def test_links_in_a_circle_end() -> None:
    """A link to a page of this chain ends it, however many pages lie between."""

    async def answer(url: str) -> bytes:
        place = parse_qs(urlsplit(url).query).get("$skiptoken", ["0"])[0]
        return body(0, 1, **{"@odata.nextLink": f"FactData?$skiptoken={(int(place) + 1) % 3}"})

    with pytest.raises(UnsafeLinkError, match="link in a circle"):
        await Chain(answer, query(), DECODE, expected=99).table()
