"""Chains side by side: every row of each, and all stopped by one failure."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SourceUnavailableError
from app.sac_connector.chain import Chain
from app.sac_connector.side_by_side import merged
from tests.sac_connector.chained import DECODE, Tenant, query
from tests.sac_connector.rig import turns


@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.integers(1, 3), st.integers(1, 4))
async def test_chains_side_by_side_give_every_row_once(
    sizes: list[int], cap: int, parallel: int
) -> None:
    """Whatever their sizes, all rows of all chains come, and no more chains run than allowed."""
    names = {f"Set{place}": size for place, size in enumerate(sizes)}
    tenant = Tenant(names, cap)
    chains = [Chain(tenant, query(name), DECODE, expected=size) for name, size in names.items()]
    found = [page async for page in merged(chains, parallel)]
    amounts = sorted(int(text) for page in found for text in page.rows["Amount"].to_pylist())
    assert amounts == sorted(number for size in sizes for number in range(size))
    assert [chain.received for chain in chains] == sizes
    assert tenant.most <= parallel


@pytest.mark.parametrize("parallel", [1, 2, 4])
async def test_one_failure_stops_all_chains(parallel: int) -> None:
    """The failure of one chain comes out as itself, and nothing runs on behind it."""
    tenant = Tenant({f"Set{place}": 100 for place in range(4)})
    tenant.failing = "Set1"
    chains = [Chain(tenant, query(f"Set{place}"), DECODE, expected=100) for place in range(4)]
    with pytest.raises(SourceUnavailableError):
        async for _ in merged(chains, parallel):
            pass
    assert (tenant.running, len(asyncio.all_tasks())) == (0, 1)


async def test_a_reader_that_leaves_stops_all_chains() -> None:
    """Closing the merged pages ends what is under way in every chain."""
    tenant = Tenant({f"Set{place}": 100 for place in range(3)})
    chains = [Chain(tenant, query(f"Set{place}"), DECODE, expected=100) for place in range(3)]
    pages = merged(chains, 3)
    await anext(pages)
    await pages.aclose()
    asked = len(tenant.asked)
    await turns(50)
    assert (tenant.running, len(asyncio.all_tasks()), len(tenant.asked)) == (0, 1, asked)
