"""Follows the pages of one query to their proved end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import pyarrow as pa

from app.errors import (
    DeadlineExceededError,
    IncompletePullError,
    QueryRefusedError,
    SourceAnswerError,
    UnsafeLinkError,
)
from app.sac_connector import answers, wire

Fetch = Callable[[str], Awaitable[bytes]]
Decode = Callable[[msgspec.Raw, int], pa.Table]

# Pages in a row that are empty, or the same as an earlier one, before nothing new is hoped for.
MOST_IDLE_PAGES: Final = 100
_EMPTY_BYTES: Final = len("[]")
_MARK_BYTES: Final = 1_000
_OTHER_MODE: Final = (
    "Try the other mode of the dataset (facts or aggregates), and report it to SAP with the id of "
    "the model."
)
_UNTRUSTED: Final = (
    "Refresh again. If it stays and the rows are right, the tenant counts something else (a page, "
    "or records behind what it adds up): set trust_count = false for the dataset."
)


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
        trusting: Whether numbers of rows that the tenant announces must be right.
        received: Rows so far.
        numbered: Whether every page so far stated its own number of rows.
        unheard: Whether the tenant does not hear `$skip`, so that nothing but the last link says
            that there are no more rows.
    """

    fetch: Fetch
    query: wire.SetQuery
    decode: Decode
    expected: int | None = None
    probe: Callable[[], Awaitable[int | None]] | None = None
    first: bytes | None = None
    trusting: bool = True
    received: int = 0
    numbered: bool = True
    unheard: bool = False
    _pages: int = 0
    _idle: int = 0
    _links: int = 0
    _skips: int = 0
    _by_skip: bool = False
    _again: bool = False
    _first: int | None = None
    _last: int | None = None
    _seen: set[int] = field(default_factory=set)
    _visited: set[str] = field(default_factory=set)
    _untied: bool = False
    _last_key: tuple[str | None, ...] | None = None
    _fetching: asyncio.Task[bytes] | None = None
    _under_way: str | None = None

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
                if self._first_came_again(envelope, rows):
                    break
                self._account(rows, envelope)
                if self._untied:
                    await asyncio.to_thread(self._check_seam, url, envelope)
                url = self._following(url, envelope, rows)
                page = Fetched(rows, len(body))
                # Let go before the next body comes, which is as large.
                del body, envelope, rows
                yield page
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
            body = await self._fetching
        except QueryRefusedError:
            if self._pages or self.query.plain == self.query:
                raise
        except DeadlineExceededError as error:
            if not self._pages:
                raise
            raise DeadlineExceededError(
                f"{error.problem} It had {self._so_far}.",
                next_step=f"{error.next_step} If the model has no more rows than that, its pages "
                "do not end: report it to SAP with the model's id.",
            ) from error
        else:
            self._under_way = None
            return body
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
        # A link to a page that was read is looked into when the rows of this one are known.
        if following is not None and following not in self._visited:
            self._start(following)

    async def _drop(self) -> None:
        """Give up what is being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            self._visited.discard(self._under_way or "")
            # Awaited, so that a failed look-ahead does not end as an exception nobody saw.
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _get(self, url: str) -> bytes:
        known, self.first = self.first, None
        return await self.fetch(url) if known is None else known

    def _start(self, url: str) -> asyncio.Task[bytes]:
        """Ask for a page now, to be awaited later."""
        self._visited.add(url)
        self._under_way = url
        self._fetching = asyncio.create_task(self._get(url))
        return self._fetching

    def _linked(self, url: str, envelope: answers.Envelope) -> str | None:
        """Return where a page says that the next one is; None if it ends the chain."""
        nothing = memoryview(envelope.value).nbytes <= _EMPTY_BYTES
        if envelope.next_link is None or (nothing and self.received == self.expected):
            return None
        return wire.resolve_link(url, envelope.next_link, self.query.row_filter)

    def _following(self, url: str, envelope: answers.Envelope, rows: pa.Table) -> str | None:
        """Return the address of the next page, which is asked for; None after the last.

        No link does not prove the end: some tenants cap a page in silence (observed). With a
        known count the count decides; without, only an empty page does. Nor does a link prove that
        there is more: behind the last row that was announced one page without rows is the end, and
        so is a page that was read before.

        Raises:
            UnsafeLinkError: The link leads back; going on would never end.
            IncompletePullError: The pages go on, but bring nothing new.
        """
        link = self._linked(url, envelope)
        read = link is not None and link in self._visited and link != self._under_way
        if self.expected is not None and self.received >= self.expected:
            # A page that came twice may have brought the number about: `$skip` was not heard.
            more = self._again if link is None else self._skips or not read
            if self.received > self.expected or not rows.num_rows or not more:
                return None
        elif link is None and not rows.num_rows:
            return None
        if read:
            raise UnsafeLinkError(
                "The pages of SAP Analytics Cloud link in a circle: a page already read came "
                f"again after {self.received} rows.",
                next_step="Try again; if it stays, report it to SAP with the model's id.",
            )
        if self._idle >= MOST_IDLE_PAGES:
            raise self._endless()
        self._by_skip = link is None
        self._skips += self._by_skip
        self._links += not self._by_skip
        following = link or self.query.page(skip=self.received)
        if following != self._under_way:
            self._start(following)
        return following

    def _account(self, rows: pa.Table, envelope: answers.Envelope) -> None:
        if not self._pages and self.expected is None and self.query.counted:
            self.expected = envelope.count
        if self.expected == 0 and rows.num_rows:
            # Rows cannot come twice of none: this is a number of something else (of the rows in
            # the answer that told it, say), and of as much worth as none.
            self.expected = None
        self._pages += 1
        if envelope.entities is None or not self.trusting:
            self.numbered = False
        elif envelope.entities != rows.num_rows:
            raise IncompletePullError(
                f"Page {self._pages} announced {envelope.entities} rows and holds "
                f"{rows.num_rows}; nothing was published.",
                expected_rows=envelope.entities,
                received_rows=rows.num_rows,
                next_step=_UNTRUSTED,
            )
        self.received += rows.num_rows
        mark = _mark(envelope)
        known = mark in self._seen
        self._seen.add(mark)
        self._first = mark if self._first is None else self._first
        self._last, self._again = mark, known and self._skips > 0
        # A number that was announced bounds how often the same rows may come.
        idle = not rows.num_rows or (known and self.expected is None)
        self._idle = self._idle + 1 if idle else 0

    def _first_came_again(self, envelope: answers.Envelope, rows: pa.Table) -> bool:
        """Whether the first page came again for `$skip`, and those before it were linked.

        Rows are ordered, so that it can be none of a later place. It is left out: that the last
        page linked to no other is the word of the tenant that there are no more.

        Raises:
            IncompletePullError: No page was linked, and there may be more rows.
        """
        mark = _mark(envelope)
        again = self._by_skip and self.expected is None and mark == self._first
        if not again or not rows.num_rows:
            return False
        if mark == self._last and rows.slice(0, 1).equals(rows.slice(rows.num_rows - 1)):
            # One record throughout, as far as can be seen: these may be others of the same.
            return False
        self.unheard = self._skips == 1 and self._links > 0
        if not self.unheard:
            raise IncompletePullError(
                "SAP Analytics Cloud sends its first page again whatever is to be left out "
                "($skip), links to no other, and its number of rows is not known: there may be "
                f"more behind the {self.received} rows that came. Nothing was published.",
                expected_rows=None,
                received_rows=self.received,
                next_step=_OTHER_MODE,
            )
        return True

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

    def _prove(self) -> None:
        if self.expected is None or self.received == self.expected:
            return
        what = "rows are missing" if self.received < self.expected else "rows came twice"
        raise IncompletePullError(
            f"SAP Analytics Cloud announced {self.expected} rows and sent {self.received}: "
            f"{what}. Nothing was published.",
            expected_rows=self.expected,
            received_rows=self.received,
            next_step=_UNTRUSTED,
        )

    @property
    def _so_far(self) -> str:
        """What had come, in words."""
        announced = "no number of" if self.expected is None else f"{self.expected}"
        return f"{self.received} rows on {self._pages} pages; {announced} rows had been announced"

    def _endless(self) -> IncompletePullError:
        return IncompletePullError(
            f"The pages of SAP Analytics Cloud go on without end: the last {self._idle} brought "
            f"nothing new, after {self._so_far}. Nothing was published.",
            expected_rows=self.expected,
            received_rows=self.received,
            next_step=_OTHER_MODE,
        )


def _mark(envelope: answers.Envelope) -> int:
    """Return what a page is known by: others that begin and end alike are taken for the same."""
    value = memoryview(envelope.value)
    return hash((value.nbytes, bytes(value[:_MARK_BYTES]), bytes(value[-_MARK_BYTES:])))
