"""What tests over real sockets share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
