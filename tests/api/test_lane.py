"""What was answered is answered again, exactly as long as it is true."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Hashable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from starlette.types import Message, Receive, Scope, Send

from app.api.lane import AnswerLane
from app.errors import CacheUnavailableError, CredentialsRefusedError
from app.pipeline.at_hand import Loaded
from app.pipeline.history import NEWEST, Pin
from app.pipeline.query import SeriesQuery
from app.pipeline.series import SeriesAnswer, SeriesReader
from app.reports import DatasetPolicy
from tests.api.bench import ROWS, Bench
from tests.api.doors import client_of, entered, told
from tests.fakes import a_page

ROOM = 1_000_000
REFUSED = CredentialsRefusedError("The tenant refused us.", next_step="Ask for a secret.")
GONE = CacheUnavailableError("The disk does not answer.")
# As from a caller who says nothing of codings.
UNCODED = {"Accept-Encoding": ""}


class CountingReader:
    """A reader that counts how often it reads, and can be held up."""

    def __init__(self, reader: SeriesReader) -> None:
        self._reader = reader
        self.reads = 0
        self.at_once = 0
        self.glances = 0
        self.gate: asyncio.Event | None = None
        self.started = asyncio.Event()

    async def read(
        self,
        datasets: tuple[str, ...],
        query: SeriesQuery,
        pin: Pin = NEWEST,
        **options: Any,  # noqa: ANN401 - as the reader has them
    ) -> SeriesAnswer:
        """Read."""
        self.reads += 1
        self.started.set()
        if self.gate is not None:
            await self.gate.wait()
        return await self._reader.read(datasets, query, pin, **options)

    def read_at_once(
        self,
        datasets: tuple[str, ...],
        query: SeriesQuery,
        pin: Pin = NEWEST,
        **options: Any,  # noqa: ANN401 - as the reader has them
    ) -> SeriesAnswer | None:
        """Read without waiting, if nothing holds this reader up."""
        if self.gate is not None:
            return None
        answer = self._reader.read_at_once(datasets, query, pin, **options)
        self.reads += answer is not None
        self.at_once += answer is not None
        return answer

    @property
    def max_rows(self) -> int:
        """Most rows of an answer."""
        return self._reader.max_rows

    def at_hand(self, dataset: str) -> Loaded | None:
        """Return what is served, if nothing holds this reader up."""
        found = None if self.gate is not None else self._reader.at_hand(dataset)
        self.glances += found is not None
        return found

    def stamp(self, datasets: tuple[str, ...], pin: Pin = NEWEST) -> Hashable | None:
        """Stamp."""
        return self._reader.stamp(datasets, pin)


class Laned:
    """The service with a lane, and its reader that counts."""

    def __init__(self, bench: Bench, room_bytes: int = ROOM) -> None:
        self.bench = bench
        self.reader = CountingReader(bench.services.reader)
        self.app = entered(bench, room_bytes=room_bytes)
        # The reader is a class and no port: this one has all that the API calls.
        counted: Any = self.reader
        self.app.state.services = replace(bench.services, reader=counted)
        self.client = client_of(self.app)

    async def get(self, url: str, **headers: str) -> httpx.Response:
        """Send a GET; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(url, headers=named)


@pytest.fixture
def laned(filled: Bench) -> Laned:
    """A service with data and a lane."""
    return Laned(filled)


async def test_the_second_answer_is_the_first(laned: Laned) -> None:
    """The same question is read once, and answered with the same bytes and headers."""
    answers = [told(await laned.get("/series?grain=year")) for _ in range(3)]
    assert laned.reader.reads == 1
    assert answers == [answers[0]] * 3


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("/series?grain=quarter", {}),
        ("/series?grain=year", {"Accept": "text/csv"}),
        ("/series?grain=year", {"Accept_Encoding": "gzip"}),
    ],
    ids=["query", "accept", "coding"],
)
async def test_another_question_is_another_answer(
    laned: Laned, url: str, headers: dict[str, str]
) -> None:
    """Query, Accept and Accept-Encoding tell answers apart."""
    await laned.get("/series?grain=year")
    await laned.get(url, **headers)
    assert laned.reader.reads == 2


async def test_the_age_is_written_anew(laned: Laned) -> None:
    """An answer from the lane tells how old the data is now, not how old it was."""
    await laned.get("/series")
    laned.bench.clock.tick(timedelta(seconds=50))
    again = await laned.get("/series")
    assert (laned.reader.reads, again.headers["age"]) == (1, "50")


async def test_a_copy_is_confirmed_from_the_lane(laned: Laned) -> None:
    """With the tag of what it has a caller gets 304, in any coding, and nothing is read."""
    etag = (await laned.get("/series")).headers["etag"]
    base = etag.replace("-zstd", "")
    for tag in (etag, base, base[:-1] + '-gzip"', "*"):
        again = await laned.get("/series", If_None_Match=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == (base if tag == "*" else tag)
        assert "content-length" not in again.headers
        assert again.headers["age"] == "0"
    assert laned.reader.reads == 1


async def test_a_confirmation_is_kept_without_its_body(laned: Laned) -> None:
    """Who only ever asks whether something changed is answered from the lane, too."""
    etag = (await laned.bench.get("/series")).headers["etag"]
    answers = [told(await laned.get("/series", If_None_Match=etag)) for _ in range(3)]
    assert (laned.reader.reads, answers) == (1, [answers[0]] * 3)
    whole = await laned.get("/series")
    assert (whole.status_code, laned.reader.reads) == (200, 2)
    assert (await laned.get("/series", If_None_Match=etag)).status_code == 304
    assert laned.reader.reads == 2


@pytest.mark.parametrize("url", ["/series?strat=1", "/series?dataset=other", "/series?limit=0"])
async def test_problems_are_not_kept(laned: Laned, url: str) -> None:
    """A refusal carries the id of its request, so each is written anew."""
    first, second = await laned.get(url), await laned.get(url)
    assert first.json()["request_id"] == first.headers["x-request-id"]
    assert second.json()["request_id"] == second.headers["x-request-id"]


async def test_requests_that_come_together_share_one_read(laned: Laned) -> None:
    """The first of them reads, the others wait for it."""
    laned.reader.gate = asyncio.Event()
    calls = [asyncio.create_task(laned.get("/series")) for _ in range(10)]
    await laned.reader.started.wait()
    laned.reader.gate.set()
    answers = [told(response) for response in await asyncio.gather(*calls)]
    assert laned.reader.reads == 1
    assert answers == [answers[0]] * 10


async def test_a_reader_that_goes_away_harms_nobody(laned: Laned) -> None:
    """If the first is cancelled while it reads, those who waited read for themselves."""
    laned.reader.gate = asyncio.Event()
    first = asyncio.create_task(laned.get("/series"))
    await laned.reader.started.wait()
    others = [asyncio.create_task(laned.get("/series")) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    laned.reader.gate.set()
    assert [(await other).status_code for other in others] == [200, 200, 200]
    assert (await laned.get("/series")).status_code == 200


async def test_a_reader_that_fails_harms_nobody(laned: Laned) -> None:
    """If the first fails, each of the others gets what is true for itself."""
    laned.reader.gate = asyncio.Event()
    laned.bench.cache.load_error = GONE
    calls = [asyncio.create_task(laned.get("/series")) for _ in range(3)]
    await laned.reader.started.wait()
    laned.reader.gate.set()
    assert [(await call).status_code for call in calls] == [503, 503, 503]
    laned.bench.cache.load_error = None
    assert (await laned.get("/series")).status_code == 200


async def test_an_answer_is_kept_as_what_it_was_made_of(laned: Laned) -> None:
    """A refresh while a caller waits makes the answer new, and then it is as good as any."""
    laned.reader.gate = asyncio.Event()
    call = asyncio.create_task(laned.get("/series"))
    await laned.reader.started.wait()
    await laned.bench.refresh()
    laned.reader.gate.set()
    assert (await call).json()["version"] == 1
    assert (await laned.get("/series")).json()["version"] == 1
    assert laned.reader.reads == 1
    await laned.bench.refresh()
    assert (await laned.get("/series")).json()["version"] == 2
    assert laned.reader.reads == 2


async def test_the_room_is_bounded(filled: Bench) -> None:
    """Answers that were not asked for longest go first, and a huge one is never kept."""
    laned = Laned(filled, room_bytes=20_000)
    for number in range(1, 9):
        await laned.get(f"/series?limit={number}", Accept_Encoding="identity")
    reads = laned.reader.reads
    await laned.get("/series?limit=8", Accept_Encoding="identity")
    assert laned.reader.reads == reads
    await laned.get("/series?limit=1", Accept_Encoding="identity")
    assert laned.reader.reads == reads + 1
    filled.source.pages = (a_page([("202601", f"R{n}", "x", "1") for n in range(500)]),)
    await filled.refresh()
    for _ in range(2):
        await laned.get("/series", Accept_Encoding="identity")
    assert laned.reader.reads == reads + 3


async def test_a_slow_caller_holds_up_nobody(filled: Bench) -> None:
    """Those who wait are answered before the body of the first has left."""
    app = entered(filled, room_bytes=ROOM)
    blocked, left = asyncio.Event(), asyncio.Event()

    async def slow(message: Message) -> None:
        if message["type"] == "http.response.body":
            left.set()
            await blocked.wait()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/series",
        "query_string": b"",
        "headers": [],
        "server": ("service", 80),
    }
    first = asyncio.create_task(app(scope, receive, slow))
    await left.wait()
    headers = {"Accept": "", "Accept-Encoding": ""}
    assert (await client_of(app).get("/series", headers=headers)).status_code == 200
    blocked.set()
    await first


async def test_an_audience_has_answers_of_its_own(filled: Bench) -> None:
    """Callers who may see different things are never given each other's answers."""
    calls: list[bytes] = []
    app = FastAPI()
    app.state.services = filled.services

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["query_string"])
        await entered(filled)(scope, receive, send)

    lane = AnswerLane(inside, ROOM, lambda scope: dict(scope["headers"]).get(b"x-api-key"))

    async def through(scope: Scope, receive: Receive, send: Send) -> None:
        await lane({**scope, "app": app}, receive, send)

    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=through), base_url="http://s")
    for key in ("a", "b", "a", "b"):
        await client.get("/series", headers={"X-API-Key": key})
    assert len(calls) == 2


class Changes(RuleBasedStateMachine):
    """Refreshes, failures, clocks, rollbacks and other processes, in any order.

    After each step every question gets the same answer through the lane and past it.
    """

    URLS = (
        *("/series", "/series?version=0&format=csv", "/series?allow_expired=1&limit=2"),
        *("/series?dim_region=APJ&dim_product=Bike", "/series?dim_product=Bike&dim_region=EMEA"),
        "/series?dim_region=EMEA&dim_product=Bike",
    )

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bench = Bench()
        self.bench.catalogue.rules = DatasetPolicy(
            stale_after=timedelta(hours=3), expire_after=timedelta(hours=9)
        )
        self.lane = client_of(entered(self.bench, room_bytes=ROOM))
        self.plain = client_of(entered(self.bench))
        self.etags: list[str] = []

    def run(self, work: Awaitable[Any]) -> Any:  # noqa: ANN401 - of any work
        """Run to the end."""
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        """Fill the cache."""
        self.run(self.bench.refresh())

    @rule(rows=st.lists(st.sampled_from(ROWS), min_size=1, unique=True))
    def refresh(self, rows: list[tuple[str, ...]]) -> None:
        """Publish other rows, or the same ones again."""
        self.bench.source.error = None
        self.bench.source.pages = (a_page(rows),)
        self.run(self.bench.refresh({"force": True}))

    @rule()
    def fail(self) -> None:
        """Be refused by the tenant."""
        self.bench.source.error = REFUSED
        self.run(self.bench.refresh())

    @rule(minutes=st.integers(-20, 300))
    def tick(self, minutes: int) -> None:
        """Let time pass; a clock may be set back."""
        self.bench.clock.tick(timedelta(minutes=minutes))

    @precondition(lambda self: self.bench.cache.load_error is None)
    @rule()
    def roll_back(self) -> None:
        """Show the first version again."""
        self.bench.cache.roll_back("default", 0)

    @precondition(lambda self: self.bench.cache.load_error is None)
    @rule(shift=st.integers(1, 60))
    def commit_elsewhere(self, shift: int) -> None:
        """Let another process publish."""
        newest = self.bench.cache.load("default")
        later = newest.metadata.last_refresh_time + timedelta(seconds=shift)
        rows = newest.rows.slice(0, max(1, newest.rows.num_rows - 1))
        metadata = replace(newest.metadata, last_refresh_time=later, row_count=rows.num_rows)
        self.bench.cache.save(rows, metadata)

    @rule()
    def restart(self) -> None:
        """Lose what this process knows."""
        self.bench.use()
        for client in (self.lane, self.plain):
            transport: Any = client._transport  # noqa: SLF001 - httpx has no other way to it
            transport.app.state.services = self.bench.services

    @rule(broken=st.booleans())
    def break_cache(self, broken: bool) -> None:
        """Lose the disk, or find it again."""
        self.bench.cache.load_error = GONE if broken else None

    @invariant()
    def both_say_the_same(self) -> None:
        """Through the lane or past it: the same answer, also to those who have one."""
        known = [{}, UNCODED, *({"If-None-Match": etag} for etag in self.etags[-1:])]
        for url, headers in itertools.product(self.URLS, known):
            expected = self.run(self.plain.get(url, headers=headers))
            for _ in range(2):
                assert told(self.run(self.lane.get(url, headers=headers))) == told(expected)
            if expected.status_code == HTTPStatus.OK:
                self.etags.append(expected.headers["etag"])

    def teardown(self) -> None:
        """Close the loop."""
        self.loop.close()


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
