"""What people call the dimensions of a dataset and their members, from the masters of its model."""

from __future__ import annotations

import asyncio
from typing import Final

from app.catalogue import DimensionLabels
from app.errors import SourceError
from app.records import DatasetDefinition
from app.sac_connector.edmx import MASTER_SUFFIX
from app.sac_connector.masters import text_columns
from app.sac_connector.models import Model, Session
from app.sac_connector.wire import SetQuery

# A picker of more members than this is no help, and their texts would be no small file.
MOST_MEMBERS: Final = 200_000


async def read_labels(
    session: Session, model: Model, definition: DatasetDefinition, page_rows: int
) -> dict[str, DimensionLabels]:
    """Return the labels of a dataset's dimensions, by column.

    A master that is absent, refused or huge costs its texts only.

    Args:
        session: Sends the requests.
        model: What the tenant says of the model.
        definition: Whose dimensions to label.
        page_rows: Members per page to ask for.
    """
    columns = definition.dimensions
    found = await asyncio.gather(
        *(_members(session, model, column, page_rows) for column in columns)
    )
    labels = model.schema.labels
    return {
        column: DimensionLabels(labels.get(column, ""), members)
        for column, members in zip(columns, found, strict=True)
    }


async def _members(session: Session, model: Model, column: str, page_rows: int) -> dict[str, str]:
    entity_set = column + MASTER_SUFFIX
    role, _ = model.schema.role(column)
    texts = text_columns(role, model.schema.masters.get(entity_set))
    if entity_set not in model.entity_sets or len(texts) < 2:  # noqa: PLR2004 - an id and a text
        return {}
    query = SetQuery(session.root, entity_set, (), texts[:1], None, page_rows, counted=True)
    try:
        if (await session.count(query) or 0) > MOST_MEMBERS:
            return {}
        rows = await session.table(query, texts)
    except SourceError:
        # Labels are a courtesy; a master that fails must not take the others along.
        return {}
    pairs = zip(rows[texts[0]].to_pylist(), rows[texts[1]].to_pylist(), strict=True)
    return {member: text for member, text in pairs if member and text}
