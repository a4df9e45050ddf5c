"""What tests over real sockets share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.e2e.faulty import Output
from tests.simulated_tenant import SimulatedTenant


@pytest.fixture(scope="session")
def foreign_process() -> Iterator[SimulatedTenant]:
    """Run a second server, which nobody has any business with."""
    with SimulatedTenant(rows=1) as server:
        yield server


@pytest.fixture
def foreign(foreign_process: SimulatedTenant) -> SimulatedTenant:
    """Return the second server with an empty log."""
    foreign_process.reset()
    return foreign_process


@pytest.fixture
def plain(tenant: SimulatedTenant) -> SimulatedTenant:
    """Return a tenant that adds nothing up, so that the fifth page is a page of the pull itself."""
    tenant.settings(aggregation=False)
    return tenant


@pytest.fixture
def output(caplog: pytest.LogCaptureFixture) -> Output:
    """Capture all logs, also what the HTTP client says of its connections."""
    for name in ("", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    return Output(caplog)
