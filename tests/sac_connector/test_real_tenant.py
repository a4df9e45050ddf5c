"""A real tenant, if the SAC_* variables name one: `pytest -m sac`. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from app.config import load_settings
from app.errors import ConfigError
from app.observability.masking import Masker
from app.records import DEFAULT_DATASET, DatasetDefinition
from app.sac_connector.auth import BearerAuth, TokenProbe, TokenProvider
from app.sac_connector.export import SacSource
from app.sac_connector.pull import PullLimits
from app.sac_connector.retry import Retrier
from app.sac_connector.transport import ExportTransport
from app.wiring import SettingsCatalogue, SystemClock, open_client, token_provider

pytestmark = pytest.mark.sac
FEW_ROWS = 100


@dataclass(frozen=True)
class RealTenant:
    """What the settings name."""

    tokens: TokenProvider
    source: SacSource
    definition: DatasetDefinition


@pytest.fixture
async def real() -> AsyncIterator[RealTenant]:
    """Connect to the tenant of the settings, or skip the test and say what is missing."""
    settings = load_settings()
    try:
        connection = settings.connection()
        definition = SettingsCatalogue(settings).definition(DEFAULT_DATASET, "sac")
    except ConfigError as error:
        pytest.skip(error.sentence)
    clock = SystemClock()
    async with open_client(settings) as client:
        tokens = token_provider(client, connection, Masker())
        source = SacSource(
            ExportTransport(client, BearerAuth(tokens, connection.tenant_url, clock), clock),
            tokens,
            connection.tenant_url,
            limits=PullLimits(page_rows=FEW_ROWS, deadline_s=120),
            retrier=Retrier,
            clock=clock,
        )
        yield RealTenant(tokens, source, definition)


async def test_the_tenant_issues_a_token(real: RealTenant) -> None:
    """The client of the settings may log in."""
    status = await TokenProbe(real.tokens, SystemClock()).check()
    assert status.ok, status.detail


async def test_the_tenant_sends_rows(real: RealTenant) -> None:
    """Two small pages of the model can be read, with the columns of the settings."""
    seen = 0
    async with aclosing(real.source.pull(real.definition).pages()) as pages:
        async for page in pages:
            assert set(real.definition.columns) <= set(page.rows.column_names)
            seen += page.rows.num_rows
            if page.number == 2:
                break
    assert seen > 0
