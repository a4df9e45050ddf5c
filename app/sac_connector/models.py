"""What a tenant says of its models, and the requests of one pull for one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa

from app.errors import (
    IncompletePullError,
    ModelNotFoundError,
    QueryRefusedError,
    SourceAnswerError,
)
from app.sac_connector import answers, wire
from app.sac_connector.auth import Clock, Token
from app.sac_connector.chain import Chain, Decode
from app.sac_connector.edmx import EntitySchema, parse_metadata
from app.sac_connector.faults import JSON, XML
from app.sac_connector.plan import AGGREGATES, PullPlan
from app.sac_connector.transport import ExportTransport, PullBudget

# A dimension added to a model makes every earlier `$select` fail, so columns are kept briefly.
_LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Session:
    """The requests of one pull for one model, within its budget.

    Attributes:
        transport: Sends the requests.
        root: The model's service root.
        budget: Tries and time.
        token: Gets a token; called before the first request.
        trusting: Whether numbers of rows that the tenant announces must be right.
    """

    transport: ExportTransport
    root: str
    budget: PullBudget
    token: Callable[[], Awaitable[Token]]
    trusting: bool = True

    async def login(self) -> None:
        """Make sure that there is a token.

        Raises:
            SourceError: There is none to be had.
        """
        await self.budget.within(self.budget.retrier.call(self.token))

    async def get(self, url: str, kind: str = JSON) -> bytes:
        """Return the body of a good answer.

        Raises:
            SourceError: The request failed for good.
        """
        return await self.transport.get(url, self.budget, kind)

    async def count(self, query: wire.SetQuery) -> int | None:
        """Ask how many rows a query has; None if the tenant does not say, or is not believed.

        The probe is optional: some tenants refuse it (observed).
        """
        if not self.trusting:
            return None
        try:
            return answers.decode_envelope(await self.get(query.count())).count
        except (QueryRefusedError, SourceAnswerError):
            return None

    async def table(
        self, query: wire.SetQuery, texts: tuple[str, ...], measure: str | None = None
    ) -> pa.Table:
        """Return all rows of a small set.

        Raises:
            SourceError: The request failed for good, or rows are missing.
        """
        return await self.chain(query, answers.RowDecoder(texts, measure).decode).table()

    async def sums(
        self, plan: PullPlan, columns: tuple[str, ...], page_rows: int
    ) -> pa.Table | None:
        """Return what the tenant adds up by columns; None if it does not, or cannot be read."""
        select = (*columns, plan.measure)
        query = wire.SetQuery(
            self.root, AGGREGATES, select, columns, plan.row_filter, page_rows, counted=True
        )
        # The tenant may count the records, and not their sums; these end by themselves as well.
        for asked in (query, query.plain):
            try:
                return await self.table(asked, columns, plan.measure)
            except IncompletePullError:
                pass
            except (QueryRefusedError, SourceAnswerError, ModelNotFoundError):
                break
        return None

    def chain(
        self,
        query: wire.SetQuery,
        decode: Decode,
        expected: int | None = None,
        *,
        probed: bool = False,
    ) -> Chain:
        """Return the pages of a query, to be read.

        Args:
            query: What to ask for.
            decode: Turns the rows of a page into a table.
            expected: Rows that there are; None if that is not known.
            probed: Whether to ask for that number before the first page.
        """
        probe = (lambda: self.count(query)) if probed else None
        asked = query if self.trusting else replace(query, counted=False)
        return Chain(self.get, asked, decode, expected, probe, trusting=self.trusting)

    async def master(self, entity_set: str, texts: tuple[str, ...], page_rows: int) -> pa.Table:
        """Return columns of a master, all members; the first column is the member's id."""
        query = wire.SetQuery(self.root, entity_set, (), texts[:1], None, page_rows, counted=True)
        return await self.table(query, texts)


@dataclass(frozen=True, slots=True)
class Model:
    """What a tenant says of one model.

    Attributes:
        schema: Its columns.
        entity_sets: The entity sets that it offers.
        read_at: When that was read (UTC).
    """

    schema: EntitySchema
    entity_sets: frozenset[str]
    read_at: datetime


class ModelReader:
    """Reads what the tenant says of models, and keeps it for a few minutes.

    Args:
        clock: Tells how old it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._models: dict[str, Model] = {}

    async def read(self, model_id: str, session: Session) -> Model:
        """Return a model's columns and entity sets.

        Raises:
            SourceError: They cannot be read.
        """
        if self.knows(model_id):
            return self._models[model_id]
        schema = parse_metadata(bytes(await session.get(f"{session.root}$metadata", XML)))
        entity_sets = answers.parse_service_document(await session.get(session.root))
        model = Model(schema, entity_sets, self._clock.now())
        self._models[model_id] = model
        return model

    def knows(self, model_id: str) -> bool:
        """Whether the model was read a short time ago, and would not be read anew."""
        kept = self._models.get(model_id)
        return kept is not None and self._clock.now() - kept.read_at < _LIFETIME

    def forget(self, model_id: str) -> None:
        """Read the model anew next time: a refusal may mean that it changed."""
        self._models.pop(model_id, None)
