"""What a tenant offers: its models, their columns, and what each column is for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

import pyarrow as pa

from app.catalogue import ColumnInfo, Member, ModelInfo, ModelSummary, Role
from app.errors import ModelNotFoundError, SourceError, UnknownModelError
from app.sac_connector import answers, masters, wire
from app.sac_connector.edmx import MASTER_SUFFIX, EntitySchema
from app.sac_connector.masters import text_columns
from app.sac_connector.models import Model, ModelReader, Session
from app.sac_connector.plan import AGGREGATES

_SAMPLE_MEMBERS: Final = 5
_NO_ATTRIBUTES: Final = frozenset(
    {masters.ID, masters.DATE_ID, masters.VERSION_ID, masters.DESCRIPTION}
)


class ModelDirectory:
    """The models of one tenant.

    Args:
        models: Reads and keeps what the tenant says of a model.
        session: Starts the requests for a model; for the tenant as a whole without an id.
        tenant_url: Scheme, host and port of the tenant.
    """

    def __init__(
        self, models: ModelReader, session: Callable[[str | None], Session], tenant_url: str
    ) -> None:
        self._models = models
        self._session = session
        self._tenant_url = tenant_url

    async def models(self) -> tuple[ModelSummary, ...]:
        """Return all models, sorted by name, then id.

        Raises:
            SourceError: The tenant refuses or fails.
        """
        body = await self._session(None).get(wire.providers_url(self._tenant_url))
        providers = answers.parse_providers(body)
        names = Counter(provider.name for provider in providers)
        summaries = [
            ModelSummary(item.id, item.name, item.description or "", names[item.name] == 1)
            for item in providers
        ]
        return tuple(sorted(summaries, key=lambda model: (model.name, model.id)))

    async def model(self, model_id: str) -> ModelInfo:
        """Return the columns of one model, with a few members of each dimension.

        Raises:
            SourceError: The tenant refuses or fails.
            UnknownModelError: It has no such model.
        """
        try:
            session = self._session(model_id)
            model = await self._models.read(model_id, session)
        except ModelNotFoundError as error:
            raise UnknownModelError(
                f"SAP Analytics Cloud has no model '{model_id[:80]}'.",
                next_step="Ids are case-sensitive; GET /models and `python -m demo.discover` list "
                "them.",
            ) from error
        schema = model.schema
        members = await asyncio.gather(
            *(self._members(session, model, column) for column in schema.dimensions)
        )
        dimensions = [
            _column(schema, column, found)
            for column, found in zip(schema.dimensions, members, strict=True)
        ]
        measures = [_column(schema, column, ()) for column in schema.measures]
        return ModelInfo(
            id=model_id,
            columns=(*dimensions, *measures),
            entity_sets=tuple(sorted(model.entity_sets)),
        )

    async def _members(self, session: Session, model: Model, column: str) -> tuple[Member, ...]:
        """Return a few members of a dimension; of versions and accounts those that hold data.

        A master lists nodes of hierarchies too, and a filter on a node finds no record (observed).
        """
        members = await self._listed(session, model, column)
        if model.schema.role(column)[0] not in {Role.VERSION, Role.ACCOUNT}:
            return members
        texts = {member.id: member.description for member in members}
        booked = await self._booked(session, model, column)
        return tuple(Member(one, texts.get(one, "")) for one in booked) or members

    async def _booked(self, session: Session, model: Model, column: str) -> tuple[str, ...]:
        """Return a few members that records have; none if the tenant does not add up."""
        if AGGREGATES not in model.entity_sets or not model.schema.measures:
            return ()
        select = (column, model.schema.measures[0])
        url = wire.top_url(session.root, AGGREGATES, _SAMPLE_MEMBERS, select)
        rows = await self._top(session, url, (column,))
        return tuple(text for text in rows.column(0).to_pylist() if text) if rows else ()

    async def _listed(self, session: Session, model: Model, column: str) -> tuple[Member, ...]:
        """Return a few members of a dimension's master; none if it cannot be read."""
        entity_set = column + MASTER_SUFFIX
        if entity_set not in model.entity_sets:
            return ()
        role, _ = model.schema.role(column)
        texts = text_columns(role, model.schema.masters.get(entity_set))
        if not texts:
            return ()
        url = wire.top_url(session.root, entity_set, _SAMPLE_MEMBERS)
        rows = await self._top(session, url, texts)
        return _sample(rows) if rows else ()

    async def _top(self, session: Session, url: str, texts: tuple[str, ...]) -> pa.Table | None:
        """Return text columns of the first rows of a set; None if it cannot be read."""
        try:
            envelope = answers.decode_envelope(await session.get(url))
            return answers.RowDecoder(texts, None).decode(envelope.value, 1)
        except SourceError:
            # A sample is a courtesy; a set that fails must not hide the columns.
            return None


def _sample(rows: pa.Table) -> tuple[Member, ...]:
    ids = rows.column(0).to_pylist()
    texts = rows.column(1).to_pylist() if rows.num_columns > 1 else [""] * len(ids)
    return tuple(Member(i or "", text or "") for i, text in zip(ids, texts, strict=True))


def _column(schema: EntitySchema, name: str, members: tuple[Member, ...]) -> ColumnInfo:
    role, found_by = schema.role(name)
    return ColumnInfo(
        name=name,
        role=role,
        found_by=found_by,
        label=schema.labels.get(name, ""),
        type=schema.types.get(name, ""),
        members=members,
        attributes=_attributes(schema, name),
    )


def _attributes(schema: EntitySchema, name: str) -> tuple[str, ...]:
    listed = schema.masters.get(name + MASTER_SUFFIX, ())
    return tuple(column for column in listed if column not in _NO_ATTRIBUTES)
