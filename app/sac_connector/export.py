"""The Data Export Service as a source of series: models in, proved-complete pages out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

import pyarrow as pa

from app.errors import (
    IncompletePullError,
    QueryRefusedError,
    SourceAnswerError,
    UnknownColumnError,
    UnsafeLinkError,
)
from app.records import DatasetDefinition, Page, Progress, ProgressCallback, PullReport
from app.sac_connector import wire
from app.sac_connector.auth import Clock, TokenProvider
from app.sac_connector.retry import Retrier
from app.sac_connector.transport import XML, ExportTransport, PullBudget

# A dimension added to a model makes every earlier `$select` fail, so columns are kept briefly.
_SCHEMA_LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class PullLimits:
    """What one pull may cost.

    Attributes:
        page_rows: Rows per page to ask for; the tenant may send fewer.
        deadline_s: Seconds for the pull as a whole, retries and waits included.
    """

    page_rows: int = 5000
    deadline_s: float = 1800.0


class SacSource:
    """A tenant's export service behind the port of all sources.

    Args:
        transport: Sends the requests.
        tokens: Counts the renewals.
        tenant_url: Scheme, host and port of the tenant.
        limits: What one pull may cost.
        retrier: Makes the retry counter of one pull.
        clock: Tells how old a model's columns are.
    """

    def __init__(
        self,
        transport: ExportTransport,
        tokens: TokenProvider,
        tenant_url: str,
        *,
        limits: PullLimits,
        retrier: Callable[[], Retrier],
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._tenant_url = tenant_url
        self._limits = limits
        self._retrier = retrier
        self._clock = clock
        self._schemas: dict[str, tuple[datetime, wire.EntitySchema]] = {}

    def pull(
        self, definition: DatasetDefinition, progress: ProgressCallback | None = None
    ) -> SacPull:
        """Prepare a pull; nothing is sent before its pages are iterated."""
        return SacPull(self, definition, progress or (lambda _: None))

    @property
    def limits(self) -> PullLimits:
        """What one pull may cost."""
        return self._limits

    @property
    def transport(self) -> ExportTransport:
        """Sends the requests."""
        return self._transport

    @property
    def tokens(self) -> TokenProvider:
        """Where tokens come from."""
        return self._tokens

    def root(self, definition: DatasetDefinition) -> str:
        """Return the service root of a dataset's model."""
        return wire.provider_url(self._tenant_url, definition.model_id)

    def budget(self) -> PullBudget:
        """Return the time and tries of one pull that starts now."""
        return PullBudget(self._retrier(), self._limits.deadline_s)

    async def schema(self, definition: DatasetDefinition, budget: PullBudget) -> wire.EntitySchema:
        """Return the columns of a model, at most a few minutes old."""
        kept = self._schemas.get(definition.model_id)
        if kept is not None and self._clock.now() - kept[0] < _SCHEMA_LIFETIME:
            return kept[1]
        url = f"{self.root(definition)}$metadata"
        schema = wire.parse_metadata(await self._transport.get(url, budget, XML))
        self._schemas[definition.model_id] = (self._clock.now(), schema)
        return schema

    def forget_schema(self, definition: DatasetDefinition) -> None:
        """Read the columns anew next time: a refusal may mean that they changed."""
        self._schemas.pop(definition.model_id, None)


class SacPull:
    """One pull of `FactData`: every page, in key order, proved complete or refused.

    The next page is asked for before the present one is decoded; no more than two are held.
    """

    def __init__(
        self, source: SacSource, definition: DatasetDefinition, progress: ProgressCallback
    ) -> None:
        self._source = source
        self._definition = definition
        self._progress = progress
        self._expected: int | None = None
        self._received = 0
        self._pages = 0
        self._bytes = 0
        self._visited: set[str] = set()
        self._report: PullReport | None = None

    @property
    def report(self) -> PullReport:
        """What was read and how it was proved complete; valid after the last page."""
        if self._report is None:
            raise RuntimeError("The report of a pull exists only after its last page.")
        return self._report

    async def pages(self) -> AsyncGenerator[Page]:
        """Yield the pages in order; end normally only when the pull is proved complete.

        Raises:
            SourceError: The pull failed or cannot be proved complete.
            UnknownColumnError: The model lacks a column of the definition.
        """
        started = monotonic()
        budget = self._source.budget()
        issued = self._source.tokens.issued + (self._source.tokens.current is None)
        try:
            async with aclosing(self._pages_within(budget)) as pages:
                async for page in pages:
                    yield page
        except (QueryRefusedError, UnknownColumnError):
            self._source.forget_schema(self._definition)
            raise
        self._report = PullReport(
            expected=self._expected,
            received=self._received,
            pages=self._pages,
            proof="short_page" if self._expected is None else "count",
            mode=wire.FACT_DATA,
            bytes=self._bytes,
            seconds=round(monotonic() - started, 3),
            retries=budget.retrier.retries,
            token_renewals=max(0, self._source.tokens.issued - issued),
        )

    async def _pages_within(self, budget: PullBudget) -> AsyncGenerator[Page]:
        schema = await self._source.schema(self._definition, budget)
        wire.check_columns(self._definition, schema)
        decoder = wire.RowDecoder(self._definition.columns[:-1], self._definition.value_column)
        self._expected = await self._count(budget)
        first = self._page_url(schema)
        fetch = self._start(first, budget)
        url: str | None = first
        try:
            while url is not None:
                body = await fetch
                envelope = await asyncio.to_thread(wire.decode_envelope, body)
                following = self._linked(url, envelope)
                if following is not None:
                    fetch = self._start(following, budget)
                rows = await asyncio.to_thread(decoder.decode, envelope.value, self._pages + 1)
                page = self._account(rows, envelope, len(body))
                if following is None and self._goes_on(page):
                    following = self._page_url(schema, skip=self._received)
                    fetch = self._start(following, budget)
                yield page
                url = following
        finally:
            fetch.cancel()
            # Awaited, so that a failed look-ahead does not end as an exception nobody saw.
            await asyncio.gather(fetch, return_exceptions=True)
        await self._prove(budget)

    def _page_url(self, schema: wire.EntitySchema, skip: int = 0) -> str:
        root, size = self._source.root(self._definition), self._source.limits.page_rows
        return wire.page_url(root, self._definition, schema, size=size, skip=skip)

    def _start(self, url: str, budget: PullBudget) -> asyncio.Task[bytes]:
        """Ask for a page now, to be awaited later.

        Raises:
            UnsafeLinkError: This page was read before; going on would never end.
        """
        if url in self._visited:
            raise UnsafeLinkError(
                "The pages of SAP Analytics Cloud link in a circle: a page already read came "
                f"again after {self._received} rows.",
                next_step="Try again; if it stays, report it to SAP with the model's id.",
            )
        self._visited.add(url)
        return asyncio.create_task(self._source.transport.get(url, budget))

    def _linked(self, url: str, envelope: wire.Envelope) -> str | None:
        return None if envelope.next_link is None else wire.resolve_link(url, envelope.next_link)

    def _account(self, rows: pa.Table, envelope: wire.Envelope, size_bytes: int) -> Page:
        if envelope.entities is not None and envelope.entities != rows.num_rows:
            raise IncompletePullError(
                f"Page {self._pages + 1} announced {envelope.entities} rows and holds "
                f"{rows.num_rows}; nothing was published.",
                expected_rows=envelope.entities,
                received_rows=rows.num_rows,
                next_step="Refresh again.",
            )
        self._pages += 1
        self._received += rows.num_rows
        self._bytes += size_bytes
        self._progress(
            Progress(
                rows=self._received,
                pages=self._pages,
                bytes=self._bytes,
                expected_rows=self._expected,
            )
        )
        return Page(self._pages, rows, size_bytes)

    def _goes_on(self, page: Page) -> bool:
        """Whether there may be rows behind a page that carries no link.

        No link does not prove the end: some tenants cap a page in silence (observed). With a
        known count the count decides; without, only an empty page does.
        """
        if not page.rows.num_rows:
            return False
        return self._expected is None or self._received < self._expected

    async def _count(self, budget: PullBudget) -> int | None:
        """Ask how many rows there are; None if the tenant does not say.

        The probe is optional: some tenants refuse it (observed).
        """
        root, row_filter = self._source.root(self._definition), self._definition.filter
        url = wire.count_url(root, wire.FACT_DATA, row_filter)
        try:
            body = await self._source.transport.get(url, budget)
            return wire.decode_envelope(body).count
        except (QueryRefusedError, SourceAnswerError):
            return None

    async def _prove(self, budget: PullBudget) -> None:
        if self._expected is None:
            return
        now = await self._count(budget)
        if self._received == self._expected and now in {self._expected, None}:
            return
        changed = now not in {self._expected, None}
        what = f"the data changed meanwhile, to {now} rows" if changed else "rows are missing"
        if not changed and self._received > self._expected:
            what = "rows came twice"
        raise IncompletePullError(
            f"SAP Analytics Cloud announced {self._expected} rows and sent {self._received}: "
            f"{what}. Nothing was published.",
            expected_rows=self._expected,
            received_rows=self._received,
            next_step="Refresh again.",
        )
