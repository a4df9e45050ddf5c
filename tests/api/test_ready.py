"""What is answered at once is what the long way answers, to the last byte."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.shortcut import SeriesShortcut
from tests.api.bench import ROWS, Bench
from tests.api.doors import client_of, entered, told
from tests.api.test_lane import ROOM, Laned
from tests.api.test_shortcut import ACCEPTS, QUERIES
from tests.fakes import a_page

# Answers of these are long enough to be coded.
LONG = [
    (f"20{year}{month:02}", region, "Bike", f"{year}.{month}")
    for region in ("EMEA", "APJ")
    for year in range(22, 26)
    for month in range(1, 13)
]


@pytest.fixture(scope="module")
def doors(loop: asyncio.AbstractEventLoop) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """The shortest way, which remembers forms and answers, and the longest."""
    bench = Bench()
    bench.source.pages = (a_page([*ROWS, *LONG]),)
    assert loop.run_until_complete(bench.refresh()).status_code == 200
    short = entered(bench, room_bytes=ROOM)
    return client_of(short), client_of(entered(bench, without=SeriesShortcut))


async def plain(client: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response:
    """Ask without a word of codings."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client.send(httpx.Request("GET", f"http://service{url}", headers=named))


@given(query=QUERIES, accept=ACCEPTS, coding=st.sampled_from([None, "zstd", "*"]))
@settings(max_examples=200)
def test_both_ways_say_the_same(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient],
    loop: asyncio.AbstractEventLoop,
    query: str,
    accept: str | None,
    coding: str | None,
) -> None:
    """The first time, when the form is known, and when the answer is kept; and to who has it."""
    short, long = doors
    url, headers = f"/series?{query}", {} if accept is None else {"Accept": accept}
    headers |= {} if coding is None else {"Accept_Encoding": coding}

    async def all_ways() -> None:
        expected = told(await plain(long, url, **headers))
        for again in ("", "&dim_region=EMEA", "&dim_region=APJ"):
            expected = told(await plain(long, url + again, **headers))
            etag = expected[1].get("etag", '"none"')
            unchanged = told(await plain(long, url + again, If_None_Match=etag, **headers))
            # Whoever has it asks first, so that this is not answered from what is kept.
            found = told(await plain(short, url + again, If_None_Match=etag, **headers))
            assert found == unchanged
            assert told(await plain(short, url + again, **headers)) == expected

    loop.run_until_complete(all_ways())


WHOLE_KEYS = st.lists(
    st.sampled_from(
        [
            *("dim_region=EMEA", "dim_region=APJ", "dim_region=Nowhere", "start=2026-02"),
            *("dim_product=Bike", "dim_product=Car", "start=2026", "start=2027", "start=soon"),
            *("end=2026-01", "end=2026-03-31", "end=2025", "dataset=default", "allow_expired=true"),
            *("sort=date", "limit=1", "version=0", "grain=month", "format=json", "dataset=other"),
        ]
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda pair: pair.partition("=")[0],
)


CODINGS = st.sampled_from([{}, {"Accept_Encoding": "gzip"}, {"Accept_Encoding": "identity"}])


@given(first=WHOLE_KEYS, coding=CODINGS, data=st.data())
@settings(max_examples=200)
def test_the_points_of_a_key_are_those_of_the_long_way(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient],
    loop: asyncio.AbstractEventLoop,
    first: list[str],
    coding: dict[str, str],
    data: st.DataObject,
) -> None:
    """One question after the other of the same names: other members, days, and mistakes."""
    short, long = doors
    queries = [first]
    for _ in range(3):
        other = {pair.partition("=")[0]: pair for pair in data.draw(WHOLE_KEYS)}
        queries.append([other.get(pair.partition("=")[0], pair) for pair in first])

    async def all_ways() -> None:
        for query in queries:
            url = f"/series?{'&'.join(query)}"
            expected = told(await plain(long, url, **coding))
            assert told(await plain(short, url, **coding)) == expected

    loop.run_until_complete(all_ways())


@pytest.fixture
def laned(filled: Bench) -> Laned:
    """A service with data and a lane, whose reader counts."""
    return Laned(filled)


async def test_what_is_at_hand_is_answered_at_once(laned: Laned) -> None:
    """The question of another member is read once, and by nobody else."""
    for member, reads in (("EMEA", 1), ("APJ", 2)):
        await plain(laned.client, f"/series?dim_region={member}")
        assert laned.reader.reads == reads
    assert laned.reader.at_once == 1


async def test_what_is_quickly_made_is_kept_when_it_is_asked_for_again(laned: Laned) -> None:
    """Most such answers are never asked for again."""
    await plain(laned.client, "/series?dim_region=EMEA")
    made = []
    for _ in range(4):
        await plain(laned.client, "/series?dim_region=APJ")
        made.append(laned.reader.at_once)
    assert made == [1, 2, 2, 2]


async def test_the_points_of_a_key_are_found_without_a_query(laned: Laned) -> None:
    """Once its form is known, and whatever the order of the names is."""
    for number, region in enumerate(("EMEA", "APJ", "EMEA")):
        await plain(laned.client, f"/series?start=2026&dim_product=Bike&dim_region={region}")
        assert (laned.reader.reads, laned.reader.glances) == (1, min(number, 1))
    # Somebody else's copy is confirmed by the way that all go.
    await plain(
        laned.client, "/series?start=2026&dim_product=Car&dim_region=APJ", If_None_Match='"a"'
    )
    assert (laned.reader.reads, laned.reader.glances) == (2, 1)


async def test_what_takes_long_to_write_is_read_once(filled: Bench) -> None:
    """It goes the long way with what was read."""
    rows = [
        (f"20{year}{month:02}", f"R{n}", "x", "1")
        for year in range(10, 30)
        for month in range(1, 13)
        for n in range(4)
    ]
    filled.source.pages = (a_page(rows),)
    await filled.refresh()
    laned = Laned(filled)
    for end, reads in (("2028", 1), ("2027", 2)):
        answer = await plain(laned.client, f"/series?end={end}")
        assert answer.json()["total"] > 500
        assert laned.reader.reads == reads


async def test_whoever_takes_codings_is_answered_at_once_too(laned: Laned) -> None:
    """It is coded behind, which is dear, so that it is kept the first time."""
    laned.bench.source.pages = (a_page(LONG),)
    await laned.bench.refresh({"force": True})
    for member in ("EMEA", "APJ", "APJ", "APJ"):
        answer = await laned.get(f"/series?dim_region={member}", Accept_Encoding="gzip")
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["etag"].endswith('-gzip"')
    assert (laned.reader.reads, laned.reader.at_once) == (2, 1)


@pytest.mark.parametrize("query", ["dim_region=Nowhere", "dim_region=EMEA&start=soon"])
async def test_mistakes_go_the_long_way(laned: Laned, query: str) -> None:
    """It has the words for them."""
    await plain(laned.client, "/series?dim_region=EMEA")
    assert (await plain(laned.client, f"/series?{query}")).status_code == 422
