"""Pages over a real socket: each row once, one page ahead, and as deep as it takes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest

from demo.tenant.bulk import DAILY
from tests.e2e.faulty import DAYS, MONTHS, oracle, pulled
from tests.fakes import START
from tests.sac_connector.rig import reaching, turns
from tests.simulated_tenant import SimulatedTenant


async def test_rows_that_share_a_key_are_read_once_each(tenant: SimulatedTenant) -> None:
    """A tenant that caps pages and sorts anew for each `$skip` owes nothing to rows that tie.

    No count sees that one of them came twice and another never, so the order must leave no ties.
    """
    tenant.settings(link="none", shuffle_ties=True, aggregation=False)
    async with reaching(tenant, page_rows=150) as rig:
        found = await pulled(rig, MONTHS)
    assert found.rows.equals(oracle(tenant, MONTHS).rows)


async def test_a_token_that_expires_in_a_long_pull_is_renewed_before_it_does(
    plain: SimulatedTenant,
) -> None:
    """In a pull of two hours three tokens are fetched, and the tenant never sees a stale one."""
    async with reaching(plain) as rig:
        pull = rig.source.pull(DAYS, lambda _: rig.clock.tick(timedelta(minutes=12)))
        read = [page.rows.num_rows async for page in pull.pages()]
    assert sum(read) == len(plain.rows(DAILY))
    assert pull.report.token_renewals == 2
    assert set(plain.log()["counts"]["by_bearer"]) == {"none", "valid"}


async def test_a_pull_of_twelve_hundred_pages_comes_to_its_end(plain: SimulatedTenant) -> None:
    """The depth of a pull has no limit but the deadline."""
    plain.add_model(
        "CLONG",
        dimensions=[{"name": "Date", "role": "date"}, "Region"],
        measures=["Amount"],
        rows=[[f"{2000 + place // 12}{place % 12 + 1:02}", "EMEA", place] for place in range(1200)],
    )
    long = replace(MONTHS, model_id="CLONG", value_column="Amount", dimensions=("Region",))
    async with reaching(plain, page_rows=1) as rig:
        found = await pulled(rig, long)
    assert found.rows["value"].to_pylist() == list(range(1200))
    assert plain.log()["counts"]["page_calls"] >= 1200


async def test_the_next_page_is_under_way_and_stops_when_the_reader_leaves(
    plain: SimulatedTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """While the first page is read the second is asked for; leaving ends that request as well."""
    plain.fault("hang", match="page", nth=2, times=None)
    async with reaching(plain) as rig:
        async with aclosing(rig.source.pull(DAYS).pages()) as pages:
            assert (await anext(pages)).number == 1
            while (await asyncio.to_thread(plain.log))["counts"]["page_calls"] < 2:
                await turns()
        assert len(asyncio.all_tasks()) == 1
    counts = plain.log()["counts"]
    assert (counts["page_calls"], counts["max_parallel"]) == (2, 1)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_no_more_than_one_page_is_asked_for_ahead(plain: SimulatedTenant) -> None:
    """However long a reader takes over a page, the tenant is asked for one more and not for two."""
    async with reaching(plain) as rig:
        number = 0
        async for page in rig.source.pull(DAYS).pages():
            number += 1
            await turns(100)
            calls = (await asyncio.to_thread(plain.log))["counts"]["page_calls"]
            assert calls <= page.number + 1
    assert number == 10
    assert plain.log()["counts"]["max_parallel"] == 1
    assert rig.clock.now() == START
