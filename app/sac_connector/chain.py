"""Follows the pages of one query to their proved end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from app.errors import (
    IncompletePullError,
    QueryRefusedError,
    SourceAnswerError,
    UnsafeLinkError,
)
from app.sac_connector import answers, wire

Fetch = Callable[[str], Awaitable[bytes]]
Decode = Callable[[msgspec.Raw, int], pa.Table]


@dataclass(frozen=True, slots=True)
class Fetched:
    """One page as it was read.

    Attributes:
        rows: Its rows, decoded.
        size_bytes: Size of the answer's body.
    """

    rows: pa.Table
    size_bytes: int


@dataclass(slots=True)
class Chain:
    """The pages of one query, one request at a time, complete or refused.

    The next page is asked for before this one is decoded; no more than two are held.

    Attributes:
        fetch: Gets the body of an address.
        query: What is asked for.
        decode: Turns the rows of a page into a table; called in a thread.
        expected: Rows that there are; None until or unless the tenant says so.
        probe: Asks for that number before the first page; None not to ask.
        first: The body of the first page if it was read already; None to ask for it.
        received: Rows so far.
        numbered: Whether every page so far stated its own number of rows.
    """

    fetch: Fetch
    query: wire.SetQuery
    decode: Decode
    expected: int | None = None
    probe: Callable[[], Awaitable[int | None]] | None = None
    first: bytes | None = None
    received: int = 0
    numbered: bool = True
    _pages: int = 0
    _visited: set[str] = field(default_factory=set)
    _untied: bool = False
    _last_key: tuple[str | None, ...] | None = None
    _fetching: asyncio.Task[bytes] | None = None

    async def pages(self) -> AsyncGenerator[Fetched]:
        """Yield the pages in order; end normally only when they are all there.

        Raises:
            SourceError: A request failed, a link is not safe, or rows are missing or doubled.
        """
        if self.expected is None and self.probe is not None:
            self.expected = await self.probe()
        url: str | None = self.query.page()
        self._start(self.query.page())
        try:
            while url is not None:
                body = await self._body()
                envelope, rows = await self._read(url, body)
                self._note_count(envelope)
                self._account(rows, envelope)
                if self._untied:
                    await asyncio.to_thread(self._check_seam, url, envelope)
                following = self._linked(url, envelope)
                if following is None and self._goes_on(rows):
                    following = self.query.page(skip=self.received)
                    self._start(following)
                page = Fetched(rows, len(body))
                # Let go before the next body comes, which is as large.
                del body, envelope, rows
                yield page
                # Links that never end must not be followed for longer than there are rows.
                url = None if self._exceeds else following
        finally:
            await self._drop()
        self._prove()

    async def table(self) -> pa.Table:
        """Return the rows of all pages as one table."""
        return pa.concat_tables([page.rows async for page in self.pages()])

    async def _body(self) -> bytes:
        if self._fetching is None:
            raise RuntimeError("No page was asked for.")
        try:
            return await self._fetching
        except QueryRefusedError:
            if self._pages or self.query.plain == self.query:
                raise
        self.query, self._untied = self.query.plain, self.query.tie is not None
        return await self._start(self.query.page())

    async def _read(self, url: str, body: bytes) -> tuple[answers.Envelope, pa.Table]:
        """Decode a page, and ask for the one it links to before that."""
        number = self._pages + 1
        outline = answers.outline(body)
        if outline is not None:
            self._follow(url, outline)
            try:
                return outline, await asyncio.to_thread(self.decode, outline.value, number)
            except SourceAnswerError:
                # The rows are bad, or are not what the outline took for them: read it all.
                pass
        envelope = await asyncio.to_thread(answers.decode_envelope, body)
        if outline is None or envelope.next_link != outline.next_link:
            await self._drop()
            self._follow(url, envelope)
        return envelope, await asyncio.to_thread(self.decode, envelope.value, number)

    def _follow(self, url: str, envelope: answers.Envelope) -> None:
        following = self._linked(url, envelope)
        if following is not None:
            self._start(following)

    async def _drop(self) -> None:
        """Give up what is being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            # Awaited, so that a failed look-ahead does not end as an exception nobody saw.
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _get(self, url: str) -> bytes:
        known, self.first = self.first, None
        return await self.fetch(url) if known is None else known

    def _start(self, url: str) -> asyncio.Task[bytes]:
        """Ask for a page now, to be awaited later.

        Raises:
            UnsafeLinkError: This page was read before; going on would never end.
        """
        if url in self._visited:
            raise UnsafeLinkError(
                "The pages of SAP Analytics Cloud link in a circle: a page already read came "
                f"again after {self.received} rows.",
                next_step="Try again; if it stays, report it to SAP with the model's id.",
            )
        self._visited.add(url)
        self._fetching = asyncio.create_task(self._get(url))
        return self._fetching

    def _note_count(self, envelope: answers.Envelope) -> None:
        if self.expected is None and self.query.counted:
            self.expected = envelope.count

    def _linked(self, url: str, envelope: answers.Envelope) -> str | None:
        return None if envelope.next_link is None else wire.resolve_link(url, envelope.next_link)

    def _account(self, rows: pa.Table, envelope: answers.Envelope) -> None:
        self._pages += 1
        if envelope.entities is None:
            self.numbered = False
        elif envelope.entities != rows.num_rows:
            raise IncompletePullError(
                f"Page {self._pages} announced {envelope.entities} rows and holds "
                f"{rows.num_rows}; nothing was published.",
                expected_rows=envelope.entities,
                received_rows=rows.num_rows,
                next_step="Refresh again.",
            )
        self.received += rows.num_rows

    def _check_seam(self, url: str, envelope: answers.Envelope) -> None:
        """Refuse a seam between two answers of ours that cuts records of one key apart.

        Without an order among them, one of these may come twice and another never.
        """
        keys = answers.RowDecoder(self.query.order, None).decode(envelope.value, self._pages)
        if not keys.num_rows:
            return
        first, last = (tuple(row.values()) for row in keys.take([0, keys.num_rows - 1]).to_pylist())
        if first == self._last_key and url == self.query.page(self.received - keys.num_rows):
            raise IncompletePullError(
                "SAP Analytics Cloud refuses to order records by their value and cuts records of "
                "one key apart; they cannot be proved complete. Nothing was published.",
                expected_rows=self.expected,
                received_rows=self.received,
                next_step="Raise SAC_PAGE_SIZE, narrow the filter, or set the mode of the dataset "
                "to aggregates.",
            )
        self._last_key = last

    @property
    def _exceeds(self) -> bool:
        return self.expected is not None and self.received > self.expected

    def _goes_on(self, rows: pa.Table) -> bool:
        """Whether there may be rows behind a page that carries no link.

        No link does not prove the end: some tenants cap a page in silence (observed). With a
        known count the count decides; without, only an empty page does.
        """
        if not rows.num_rows:
            return False
        return self.expected is None or self.received < self.expected

    def _prove(self) -> None:
        if self.expected is None or self.received == self.expected:
            return
        what = "rows are missing" if self.received < self.expected else "rows came twice"
        raise IncompletePullError(
            f"SAP Analytics Cloud announced {self.expected} rows and sent {self.received}: "
            f"{what}. Nothing was published.",
            expected_rows=self.expected,
            received_rows=self.received,
            next_step="Refresh again.",
        )


async def merged(chains: Sequence[Chain], parallel: int) -> AsyncGenerator[Fetched]:
    """Yield the pages of all chains, as they come, some chains side by side.

    The first failure stops the others.

    Args:
        chains: What to read; a chain is started when another has ended.
        parallel: Chains to read at once.

    Raises:
        SourceError: One of the chains failed.
    """
    if min(parallel, len(chains)) == 1:
        # Straight to the reader: a queue between the two would let pages pile up ahead of it.
        for chain in chains:
            async with aclosing(chain.pages()) as own:
                async for fetched in own:
                    yield fetched
        return
    # One place: a chain that is ahead waits, so that memory does not depend on the slowest.
    pages: asyncio.Queue[Fetched | None] = asyncio.Queue(maxsize=1)
    waiting = iter(chains)

    async def work() -> None:
        for chain in waiting:
            async with aclosing(chain.pages()) as own:
                async for page in own:
                    await pages.put(page)

    async def work_all() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(parallel, len(chains))):
                group.create_task(work())
        await pages.put(None)

    whole = asyncio.create_task(_first_failure(work_all()))
    try:
        while (page := await _next(pages, whole)) is not None:
            yield page
        await whole
    finally:
        whole.cancel()
        await asyncio.gather(whole, return_exceptions=True)


async def _first_failure(work: Awaitable[None]) -> None:
    """Await work; of several failures at once, raise the first as it is."""
    try:
        await work
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _next(pages: asyncio.Queue[Fetched | None], whole: asyncio.Task[None]) -> Fetched | None:
    """Return the next page, None after the last; end early if the work failed."""
    getting = asyncio.ensure_future(pages.get())
    try:
        await asyncio.wait((getting, whole), return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            await whole
        return await getting
    finally:
        getting.cancel()
