"""The source as the pipeline sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from urllib.parse import unquote

import pytest

from app.errors import DeadlineExceededError, ModelNotFoundError, UnknownModelError
from app.pipeline.ports import Pull, SeriesSource
from app.records import Page
from app.sac_connector.pull import PullLimits
from tests.sac_connector.rig import DEFINITION, FakeTenant, a_page, connected, turns


async def test_the_connector_fits_the_ports_of_the_pipeline() -> None:
    """A source and its pulls are what the pipeline asks for, and nothing is sent too early."""
    tenant = FakeTenant()
    async with connected(tenant) as rig:
        source: SeriesSource = rig.source
        pull: Pull = source.pull(DEFINITION)
        pages: AsyncIterator[Page] = pull.pages()
        await turns()
        assert tenant.requests == []
        assert isinstance(pages, AsyncIterator)


async def test_a_pull_may_start_from_a_day() -> None:
    """The period that holds the day is the first that is asked for."""
    tenant = FakeTenant([a_page(0, count=1), a_page(1)])
    async with connected(tenant) as rig:
        async for _ in rig.source.pull(DEFINITION, since=date(2026, 3, 31)).pages():
            pass
    queries = [unquote(request.url.query.decode()) for request in tenant.asked[2:]]
    assert all("$filter=Date ge '202603'" in query for query in queries)


async def test_every_pull_has_a_deadline_of_its_own() -> None:
    """The clock of a pull starts with its pages, not with the source."""
    tenant = FakeTenant()
    async with connected(tenant, limits=PullLimits(deadline_s=0)) as rig:
        with pytest.raises(DeadlineExceededError):
            await anext(rig.source.pull(DEFINITION).pages())


@pytest.mark.parametrize("model_id", ["../x", "C 1", "C1/", "C1?x=y", "."])
async def test_what_is_no_id_of_a_model_is_never_asked_for(model_id: str) -> None:
    """Neither a pull nor a look into the directory sends a request."""
    tenant = FakeTenant()
    async with connected(tenant) as rig:
        with pytest.raises(UnknownModelError, match="has no model"):
            await rig.source.directory.model(model_id)
        with pytest.raises(ModelNotFoundError, match="is no id of a model"):
            rig.source.session(model_id)
    assert tenant.requests == []
