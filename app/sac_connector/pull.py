"""One pull of a model: every page, proved complete and of one moment, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date
from time import monotonic
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from app.errors import (
    DataChangedError,
    IncompletePullError,
    ModelNotFoundError,
    QueryRefusedError,
    UnknownColumnError,
)
from app.periods import id_of
from app.records import (
    DatasetDefinition,
    Page,
    Progress,
    ProgressCallback,
    PullReport,
    TimeAggregation,
)
from app.sac_connector import answers, slices, wire
from app.sac_connector.chain import Chain, Fetched
from app.sac_connector.edmx import FACT_DATA
from app.sac_connector.filters import joined, literal
from app.sac_connector.masters import check_days
from app.sac_connector.models import Model, ModelReader, Session
from app.sac_connector.plan import AGGREGATES, PullPlan, plan_pull
from app.sac_connector.readings import Reading, basis_of, prepare, rule_over_time
from app.sac_connector.side_by_side import merged
from app.sac_connector.sums import UNITS, AllTotals, ReadSums, Snapshot, tolerance

# More ranges than run at once, so that a range with many rows does not leave the others idle.
_RANGES_EACH: Final = 2
# Where nobody says how many records were added up.
_MANY_RECORDS: Final = 1_000_000
# What an answer may be if the model has other columns or sets than when it was read.
_MODEL_CHANGED: Final = (QueryRefusedError, ModelNotFoundError, UnknownColumnError)


@dataclass(frozen=True, slots=True)
class PullLimits:
    """What one pull may cost.

    Attributes:
        page_rows: Rows per page to ask for; the tenant may send fewer.
        deadline_s: Seconds for the pull as a whole, retries and waits included.
        parallel: Date ranges to pull side by side.
    """

    page_rows: int = 5000
    deadline_s: float = 1800.0
    parallel: int = 1


class SacPull:
    """One pull of a model; nothing is sent before its pages are iterated.

    Args:
        models: Knows what the tenant says of its models.
        session: Sends the requests.
        definition: What to pull.
        limits: What it may cost.
        issued: Tells how many tokens were issued so far.
        progress: Called after every page.
        since: Pull only periods from this day on; None for all.
    """

    def __init__(
        self,
        models: ModelReader,
        session: Callable[[], Session],
        definition: DatasetDefinition,
        *,
        limits: PullLimits,
        issued: Callable[[], int],
        progress: ProgressCallback,
        since: date | None,
    ) -> None:
        self._models = models
        self._open = session
        self._definition = definition
        self._limits = limits
        self._issued = issued
        self._progress = progress
        self._since = since
        self._counted: int | None = None
        self._rows = self._pages = self._bytes = 0
        self._chains: list[Chain] = []
        self._keys: list[pa.Table] = []
        self._read: ReadSums | None = None
        self._accounts: set[str] = set()
        self._date_ids: set[str] = set()
        self._basis, self._moment, self._unit = "", "none", 0.0
        self._rule: TimeAggregation | None = None
        self._report: PullReport | None = None

    @property
    def report(self) -> PullReport:
        """What was read and how it was proved complete; valid after the last page."""
        if self._report is None:
            raise RuntimeError("The report of a pull exists only after its last page.")
        return self._report

    async def pages(self) -> AsyncGenerator[Page]:
        """Yield the pages; end normally only when the pull is proved complete.

        Raises:
            SourceError: The pull failed, or cannot be proved complete and of one moment.
            DataError: The model does not have what the definition asks for.
        """
        started, session = monotonic(), self._open()
        # Before anything else, so that the first token is not counted as a renewal.
        await session.login()
        first = self._issued()
        known = self._models.knows(self._definition.model_id)
        async with aclosing(self._tried(session, known=known)) as pages:
            async for page in pages:
                yield page
        self._report = PullReport(
            expected=self._expected,
            received=self._rows,
            pages=self._pages,
            proof=self._proof(),
            mode=self._chains[0].query.entity_set,
            bytes=self._bytes,
            seconds=round(monotonic() - started, 3),
            retries=session.budget.retrier.retries,
            token_renewals=self._issued() - first,
            slices=len(self._chains),
            time_aggregation=self._rule,
            basis=self._basis,
            moment="answer" if self._pages == 1 else self._moment,
            tolerance=self._tolerance(),
        )

    async def _tried(self, session: Session, *, known: bool) -> AsyncGenerator[Page]:
        """Yield the pages; begin anew if what was known of the model holds no more."""
        try:
            async with aclosing(self._proved(session)) as pages:
                async for page in pages:
                    yield page
        except _MODEL_CHANGED:
            self._models.forget(self._definition.model_id)
            if self._pages or not known:
                raise
        else:
            return
        async with aclosing(self._tried(session, known=False)) as pages:
            async for page in pages:
                yield page

    async def _proved(self, session: Session) -> AsyncGenerator[Page]:
        definition, size, self._read = self._definition, self._limits.page_rows, None
        model = await self._models.read(definition.model_id, session)
        plan = plan_pull(definition, model.schema, model.entity_sets, self._condition())
        reading = await prepare(session, definition, plan, model, size)
        before, whole = await self._look(session, plan, model)
        self._counted = before.count
        self._chains = self._cut(session, plan, reading, before)
        self._chains[0].first = whole
        self._unit = UNITS.get(model.schema.types.get(plan.measure, ""), 0.0)
        if before.totals is not None:
            records = await self._records(session, plan) if self._unit and plan.added_up else 0
            self._read = ReadSums(plan.texts, plan.measure, self._unit, records)
        try:
            async with aclosing(merged(self._chains, self._limits.parallel)) as fetched:
                async for page in fetched:
                    if self._read is not None:
                        await asyncio.to_thread(self._read.add, page.rows)
                    yield await self._accounted(page, plan, reading)
            self._check_ranges()
        except IncompletePullError as error:
            if await self._changed(session, plan, model, before):
                raise self._data_changed() from error
            raise
        if self._pages > 1:
            if await self._changed(session, plan, model, before):
                raise self._data_changed()
            if await self._mixed(session, plan, before):
                raise self._other_sums() if self._expected is None else self._data_changed()
        self._check_keys()
        self._rule = rule_over_time(definition, plan, reading, frozenset(self._accounts))
        rule = definition.time_aggregation or self._rule or TimeAggregation.SUM
        if reading.dates is not None:
            check_days(reading.dates, frozenset(self._date_ids), rule, definition.grain)
        self._basis = basis_of(session.root, self._rule, reading)

    def _condition(self) -> str | None:
        if self._since is None:
            return None
        first = id_of(self._since, self._definition.grain)
        return f"{self._definition.date_column} ge {literal(first)}"

    def _query(
        self, session: Session, plan: PullPlan, condition: str | None = None
    ) -> wire.SetQuery:
        return wire.SetQuery(
            session.root,
            plan.entity_set,
            plan.select,
            plan.order,
            joined(plan.row_filter, condition),
            self._limits.page_rows,
            counted=plan.added_up,
            tie=None if plan.added_up else plan.measure,
        )

    async def _look(
        self, session: Session, plan: PullPlan, model: Model
    ) -> tuple[Snapshot, bytes | None]:
        """Note the state of the data, and return the one answer that holds it all, if one does.

        One answer is of one moment by itself, and proves so by its count. What the tenant has
        added up mostly fits into one; of records, less than a page may still be capped.
        """
        query = self._query(session, plan)
        count = None if plan.added_up else await session.count(query)
        small = count is not None and count <= self._limits.page_rows
        whole = None
        if session.trusting and (plan.added_up or small):
            whole = await self._whole_answer(session, query, count)
        if whole is None:
            count = await session.count(query) if plan.added_up else count
            return Snapshot(count, await self._totals(session, plan, model)), None
        return Snapshot(count), whole

    async def _whole_answer(
        self, session: Session, query: wire.SetQuery, count: int | None
    ) -> bytes | None:
        """Return the first answer if it holds all rows; None if there is more."""
        try:
            body = await session.get(query.page())
        except QueryRefusedError:
            return None
        answer = answers.decode_envelope(body)
        rows = answer.count if count is None else count
        whole = answer.next_link is None and rows is not None and answer.entities == rows
        return body if whole else None

    async def _totals(self, session: Session, plan: PullPlan, model: Model) -> AllTotals | None:
        """Return the sums by date and by each kept dimension; None if the tenant has none."""
        if AGGREGATES not in model.entity_sets:
            return None
        totals = {}
        for column in plan.texts:
            rows = await session.sums(plan, (column,), self._limits.page_rows)
            if rows is None:
                return None
            sums = zip(rows[column].to_pylist(), rows[plan.measure].to_pylist(), strict=True)
            totals[column] = dict(sums)
        return totals

    async def _records(self, session: Session, plan: PullPlan) -> int:
        """Return how many records the tenant adds up, or more than it will be."""
        query = replace(self._query(session, plan), entity_set=FACT_DATA)
        return await session.count(query) or _MANY_RECORDS

    def _cut(
        self, session: Session, plan: PullPlan, reading: Reading, before: Snapshot
    ) -> list[Chain]:
        """Return one chain, or several over ranges of dates if that is worth it and possible."""
        parallel, conditions = self._limits.parallel, list[str]()
        large = before.count is not None and before.count > self._limits.page_rows * parallel
        column = self._definition.date_column
        ids = [] if before.totals is None else list(before.totals[column])
        # A row without a date is in no range.
        if parallel > 1 and large and None not in ids:
            conditions = slices.ranges(column, [str(item) for item in ids], parallel * _RANGES_EACH)
        if not conditions:
            query = self._query(session, plan)
            return [session.chain(query, reading.decode, before.count)]
        return [
            session.chain(self._query(session, plan, condition), reading.decode, probed=True)
            for condition in conditions
        ]

    async def _accounted(self, page: Fetched, plan: PullPlan, reading: Reading) -> Page:
        self._pages += 1
        self._rows += page.rows.num_rows
        self._bytes += page.size_bytes
        if plan.added_up:
            self._keys.append(page.rows.select(plan.texts))
        if plan.account is not None and plan.account in page.rows.column_names:
            self._accounts |= _members(page.rows, plan.account)
        if reading.dates is not None:
            self._date_ids |= _members(page.rows, plan.date_column)
        rows = page.rows
        # What was read is held against the tenant's own sums and keys, so it is changed after that.
        if reading.finish is not None:
            rows = await asyncio.to_thread(reading.finish, rows)
        self._progress(
            Progress(
                rows=self._rows,
                pages=self._pages,
                bytes=self._bytes,
                expected_rows=self._expected,
            )
        )
        columns = list(dict.fromkeys(self._definition.columns))
        return Page(self._pages, rows.select(columns), page.size_bytes)

    def _check_ranges(self) -> None:
        """The ranges together must hold all rows, whatever each of them counted."""
        if len(self._chains) > 1 and self._rows != self._expected:
            raise IncompletePullError(
                f"SAP Analytics Cloud announced {self._expected} rows and sent {self._rows}. "
                "Nothing was published.",
                expected_rows=self._expected,
                received_rows=self._rows,
                next_step="Refresh again.",
            )

    async def _changed(
        self, session: Session, plan: PullPlan, model: Model, before: Snapshot
    ) -> bool:
        if before.count is None and before.totals is None:
            return False
        count = await session.count(self._query(session, plan))
        again = before.totals is not None
        after = Snapshot(count, await self._totals(session, plan, model) if again else None)
        self._moment = before.compared(after)
        if self._moment == "count" and self._expected is None:
            self._moment = "none"  # what is no number of these rows proves nothing of them
        return before.differs(after, self._read)

    async def _mixed(self, session: Session, plan: PullPlan, before: Snapshot) -> bool:
        """Whether the rows are of two moments that have the same sums, as after a re-posting.

        The sums that were read are not those of the tenant, though these are sums.
        """
        if before.totals is None or self._read is None:
            return False
        if self._read.lacks_a_member(before.totals):
            return True
        if not self._read.differs(before.totals):
            return False
        whole = await session.sums(plan, (), self._limits.page_rows)
        column = self._definition.date_column
        by_date = before.totals[column]
        return whole is not None and self._read.adds_up(
            column, by_date, whole[plan.measure][0].as_py()
        )

    @property
    def _expected(self) -> int | None:
        """Rows that were announced: of several ranges together, before any of them was read."""
        return self._chains[0].expected if len(self._chains) == 1 else self._counted

    def _tolerance(self) -> float | None:
        if not self._unit:
            return None
        return tolerance(self._unit, self._rows) if self._read is None else self._read.tolerance

    def _data_changed(self) -> DataChangedError:
        return DataChangedError.while_read(self._expected, self._rows)

    def _other_sums(self) -> IncompletePullError:
        return IncompletePullError(
            f"SAP Analytics Cloud sent {self._rows} rows, and adds up to other sums than they do: "
            "rows are missing, or came twice. Nothing was published.",
            expected_rows=None,
            received_rows=self._rows,
            next_step="Refresh again; if it stays, report it to SAP with the model's id.",
        )

    def _check_keys(self) -> None:
        """What the tenant has added up holds each key once, or pages overlapped."""
        if not self._keys:
            return
        keys = pa.concat_tables(self._keys)
        distinct = keys.group_by(keys.column_names).aggregate([]).num_rows
        if distinct != keys.num_rows:
            raise self._data_changed()

    def _proof(self) -> str:
        if self._expected is not None:
            return "count"
        if any(chain.unheard for chain in self._chains):
            return "links"
        return "entities" if all(chain.numbered for chain in self._chains) else "short_page"


def _members(rows: pa.Table, column: str) -> set[str]:
    return set(filter(None, pc.unique(rows[column]).to_pylist()))
