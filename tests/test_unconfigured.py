"""Whatever is asked of a tenant that is not set up says what is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from app.errors import ConfigError, ConfigProblem
from app.unconfigured import UnconfiguredTenant
from tests.fakes import START, FakeClock, a_definition

MISSING = ConfigError(
    (
        ConfigProblem(
            variable="SAC_TENANT_URL",
            found="nothing",
            expected="an address",
            example="https://a.test",
        ),
    )
)


@pytest.fixture
def tenant() -> UnconfiguredTenant:
    """A tenant that is not set up."""
    return UnconfiguredTenant(MISSING, FakeClock(START))


async def test_a_login_says_what_is_missing(tenant: UnconfiguredTenant) -> None:
    """As a status, not as an error."""
    status = await tenant.check()
    assert (status.ok, status.checked_at, status.code) == (False, START, MISSING.code)
    assert "SAC_TENANT_URL" in (status.detail or "")


@pytest.mark.parametrize(
    "ask",
    [
        lambda tenant: tenant.models(),
        lambda tenant: tenant.model("C1"),
        lambda tenant: tenant.labels(a_definition()),
    ],
    ids=["models", "model", "labels"],
)
async def test_all_else_fails_with_it(
    tenant: UnconfiguredTenant, ask: Callable[[UnconfiguredTenant], Awaitable[object]]
) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigError, match="SAC_TENANT_URL"):
        await ask(tenant)


def test_a_pull_fails_before_it_begins(tenant: UnconfiguredTenant) -> None:
    """There are no pages to wait for."""
    with pytest.raises(ConfigError, match="SAC_TENANT_URL"):
        tenant.pull(a_definition())
