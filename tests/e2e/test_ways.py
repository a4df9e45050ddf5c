"""Every way to pull gives the same series, of one moment, and keeps to its bounds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from urllib.parse import unquote

import pyarrow as pa
import pytest

from app.errors import AccessDeniedError, DataChangedError, IncompletePullError, MixedDataError
from app.pipeline.normalize import NormalizedSeries
from app.pipeline.pulling import Puller
from app.records import DatasetDefinition, Grain, PullMode, RefreshOptions, TimeAggregation
from demo.tenant.bulk import WIDE
from demo.tenant.calendars import NO_VERSION, OWN_PERIODS, OWN_WEEKS, START, TWO_DATES, WEEKS
from demo.tenant.samples import ACCOUNTS, QUARTERS, YEARS
from tests.e2e.faulty import DAYS, MONTHS, WAYS, Output, Way, loose_tasks, oracle, pulled
from tests.fakes import FakeClock
from tests.sac_connector.rig import reaching
from tests.simulated_tenant import Cell, SimulatedTenant

REGIONS = replace(MONTHS, dimensions=("Region",))
MODELS = {
    "days": DAYS,
    "months": MONTHS,
    "accounts": replace(
        MONTHS,
        model_id=ACCOUNTS,
        value_column="SignedData",
        dimensions=("CostCenter", "Account"),
        time_aggregation=TimeAggregation.SUM,
    ),
    "quarters": replace(REGIONS, model_id=QUARTERS, grain=Grain.QUARTER),
    "years": replace(REGIONS, model_id=YEARS, grain=Grain.YEAR),
    "weeks": replace(REGIONS, model_id=WEEKS, grain=Grain.WEEK),
    "own periods": replace(REGIONS, model_id=OWN_PERIODS, date_attribute=START),
    "own weeks": replace(REGIONS, model_id=OWN_WEEKS, date_attribute=START, grain=Grain.WEEK),
    "two dates": replace(
        REGIONS, model_id=TWO_DATES, date_column="AddedDate", grain=Grain.DAY, dimensions=("Date",)
    ),
    "no version": replace(REGIONS, model_id=NO_VERSION),
    "wide": replace(
        REGIONS,
        model_id=WIDE,
        date_column="Time",
        value_column="Measure3",
        dimensions=(),
        filter="Time lt '202402'",
    ),
}


def as_bytes(series: NormalizedSeries) -> bytes:
    """Return the table of a series as the bytes of its columns."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, series.rows.schema) as writer:
        writer.write_table(series.rows.combine_chunks())
    return bytes(sink.getvalue())


async def taken(
    tenant: SimulatedTenant, definition: DatasetDefinition, page_rows: int = 5000, parallel: int = 1
) -> NormalizedSeries:
    """Pull a dataset."""
    async with reaching(tenant, page_rows=page_rows, parallel=parallel) as rig:
        return await pulled(rig, definition)


@pytest.mark.parametrize("name", MODELS)
async def test_aggregates_equal_facts(tenant: SimulatedTenant, name: str) -> None:
    """For each model, what the tenant adds up is to the last bit what we add up."""
    definition = MODELS[name]
    facts = await taken(tenant, replace(definition, mode=PullMode.FACTS), 50_000)
    added_up = await taken(tenant, replace(definition, mode=PullMode.AGGREGATES))
    assert as_bytes(added_up) == as_bytes(facts)
    assert facts.rows.num_rows
    if definition.date_attribute is None:
        assert facts.rows.equals(oracle(tenant, definition).rows)


@pytest.mark.parametrize("definition", [DAYS, MONTHS], ids=["days", "months"])
async def test_neither_slices_nor_pages_change_a_byte(
    tenant: SimulatedTenant, definition: DatasetDefinition
) -> None:
    """One chain, two, three and four at once, pages of any size: the same table."""
    expected = as_bytes(oracle(tenant, definition))
    for parallel, page_rows in ((1, 400), (2, 170), (3, 250), (4, 90), (4, 5000)):
        assert as_bytes(await taken(tenant, definition, page_rows, parallel)) == expected


@pytest.mark.parametrize("parallel", [1, 2, 4])
async def test_no_more_requests_run_at_once_than_allowed(
    tenant: SimulatedTenant, parallel: int
) -> None:
    """Slices run side by side up to the limit, and never beyond it."""
    tenant.fault("hold", match=WAYS["slices"].pages, times=None)
    async with reaching(tenant, page_rows=150, parallel=parallel) as rig:
        pull = rig.source.pull(DAYS)

        async def rows() -> list[int]:
            return [page.rows.num_rows async for page in pull.pages()]

        reading = asyncio.create_task(rows())
        # As many as may run at once are seen at once, since none is answered before.
        await asyncio.to_thread(tenant.until_held, parallel)
        tenant.clear_faults()
        received = sum(await reading)
    report = pull.report
    assert received == report.received == report.expected == len(tenant.rows(DAYS.model_id))
    assert report.slices == (1 if parallel == 1 else 2 * parallel)
    assert tenant.log()["counts"]["max_parallel"] == parallel


async def test_the_first_failure_of_a_slice_ends_the_others(tenant: SimulatedTenant) -> None:
    """Slices that would wait for ever are given up, and the failure comes out as itself."""
    way = WAYS["slices"]
    tenant.fault("hang", match=way.pages, nth=1, times=2)
    tenant.fault("status", match=way.pages, nth=3, status=403)
    async with reaching(tenant, parallel=3) as rig:
        with pytest.raises(AccessDeniedError):
            await pulled(rig, DAYS)
        assert loose_tasks() == 0
        calls = tenant.log()["counts"]["page_calls"]
        assert rig.waits.seconds == []
    assert tenant.log()["counts"]["page_calls"] == calls


@pytest.mark.parametrize("undated", [None, "#", "0000", ""])
async def test_records_without_a_date_are_in_a_slice_too(
    tenant: SimulatedTenant, undated: str | None
) -> None:
    """All records are read, also those that lie on no time axis; a null keeps the chain whole."""
    months = [undated, *(f"2024{month:02}" for month in range(1, 13))]
    tenant.add_model(
        "CUNDATED",
        dimensions=[{"name": "Date", "role": "date"}, "Region"],
        measures=["Amount"],
        rows=[[months[n % 13], f"R{n % 3}", n] for n in range(200)],
    )
    definition = replace(MONTHS, model_id="CUNDATED", value_column="Amount", dimensions=("Region",))
    async with reaching(tenant, page_rows=20, parallel=3) as rig:
        pull = rig.source.pull(definition)
        assert sum([page.rows.num_rows async for page in pull.pages()]) == 200
    assert pull.report.slices == (1 if undated is None else 6)
    found = await taken(tenant, definition, 20, 3)
    assert as_bytes(found) == as_bytes(oracle(tenant, definition))
    assert (found.rows_read, sum(found.skipped.values())) == (200, 16)


SMALL = replace(MONTHS, model_id="CSMALL", value_column="Amount", dimensions=("Region", "Channel"))


def add_small(tenant: SimulatedTenant, rows: Sequence[Sequence[Cell]]) -> None:
    """Give the tenant a model of two dimensions beside its months."""
    tenant.add_model(
        "CSMALL",
        dimensions=[{"name": "Date", "role": "date"}, "Region", "Channel"],
        measures=["Amount"],
        rows=rows,
    )


CHANGES = ("added", "removed", "changed", "moved")
# Without sums of the tenant only the count of rows can show a change.
NOTICED = [("chain", change) for change in CHANGES[:2]]
NOTICED += [(way, change) for way in ("slices", "aggregates", "sums") for change in CHANGES]


@pytest.mark.parametrize(("way", "change"), NOTICED)
async def test_data_that_change_between_two_pages_are_noticed(
    tenant: SimulatedTenant, output: Output, way: str, change: str
) -> None:
    """Rows that come, go, move or change their values: the pull says so, however it is made."""
    taken_way = WAYS.get(way, Way(PullMode.FACTS))
    keys = [(f"2024{n % 12 + 1:02}", f"R{n % 5}", f"C{n % 7}") for n in range(300)]
    add_small(tenant, [[*key, n + 1] for n, key in enumerate(keys)])
    tenant.settings(**taken_way.switches)
    tenant.fault("mutate", match=taken_way.pages, nth=4, **{change: 1})
    async with reaching(tenant, page_rows=40, parallel=taken_way.parallel) as rig:
        with pytest.raises(DataChangedError, match="changed while it was read") as caught:
            await pulled(rig, taken_way.of(SMALL))
    assert rig.waits.seconds == []
    output.keeps_quiet(tenant, rig, caught.value)


@pytest.mark.parametrize("way", ["slices", "aggregates", "sums"])
async def test_a_re_posting_that_leaves_all_sums_as_they_were_is_noticed(
    tenant: SimulatedTenant, way: str
) -> None:
    """A value that moves from a member read to one not yet read would be read twice."""
    members = [(f"2024{month:02}", f"R{n:02}") for month in (1, 2) for n in range(12)]
    rows: list[list[Cell]] = [[*member, "C", 5] for member in members]
    # The first record goes to the keys of the last one; both lie in the same month.
    order = [*rows[:1], *rows[12:], *rows[1:12]]
    add_small(tenant, order)
    taken_way = WAYS.get(way, Way(PullMode.FACTS))
    tenant.settings(**taken_way.switches)
    tenant.fault("mutate", match=taken_way.pages, nth=3, moved=1)
    async with reaching(tenant, page_rows=5, parallel=taken_way.parallel) as rig:
        with pytest.raises(DataChangedError):
            await pulled(rig, taken_way.of(SMALL))


@pytest.mark.parametrize("change", CHANGES)
async def test_a_tenant_without_sums_is_read_until_it_holds_still(
    tenant: SimulatedTenant, change: str
) -> None:
    """Verified, no change between two pages goes unseen: the series is that of the end."""
    keys = [(f"2024{n % 12 + 1:02}", f"R{n % 5}", f"C{n % 7}") for n in range(300)]
    add_small(tenant, [[*key, n + 1] for n, key in enumerate(keys)])
    tenant.settings(aggregation=False)
    tenant.fault("mutate", match=WAYS["chain"].pages, nth=4, **{change: 1})
    definition = replace(SMALL, mode=PullMode.AUTO)
    async with reaching(tenant, page_rows=40) as rig:
        found = await Puller({"sac": rig.source}, FakeClock()).pull(
            definition, None, RefreshOptions(verify=True), None
        )
    assert found.report.moment == "readings"
    assert found.verification is not None
    assert found.verification.differing == 0
    assert found.series.rows.equals(oracle(tenant, definition).rows)


@pytest.mark.parametrize("link", ["absolute", "none"])
async def test_a_tenant_that_refuses_to_order_by_values_gives_no_wrong_sum(
    tenant: SimulatedTenant, link: str
) -> None:
    """Links keep the order of ties; where there are none, a seam through ties is refused."""
    tenant.settings(link=link, shuffle_ties=True, aggregation=False)
    tenant.fault("status", match=r"re:orderby=[^&]*Revenue", times=None, status=400)
    async with reaching(tenant, page_rows=150) as rig:
        if link == "none":
            with pytest.raises(IncompletePullError, match="cuts records of one key apart"):
                await pulled(rig, MONTHS)
            return
        assert (await pulled(rig, MONTHS)).rows.equals(oracle(tenant, MONTHS).rows)


@pytest.mark.parametrize("mode", [PullMode.FACTS, PullMode.AUTO])
async def test_only_later_periods_are_pulled(tenant: SimulatedTenant, mode: PullMode) -> None:
    """A day to start from goes into the filter, beside that of the definition."""
    definition = replace(MONTHS, filter="Version eq 'public.Plan'", mode=mode)
    async with reaching(tenant, page_rows=200) as rig:
        pull = rig.source.pull(definition, since=date(2026, 3, 15))
        ids = {text async for page in pull.pages() for text in page.rows["Date"].to_pylist()}
    assert ids == {f"2026{month:02}" for month in range(3, 11)}
    asked = [
        unquote(r["raw_query"]) for r in tenant.log()["requests"] if "filter" in r["raw_query"]
    ]
    assert asked
    together = "(Version eq 'public.Plan') and (Date ge '202603')"
    assert all(together in query for query in asked)


@pytest.mark.parametrize("row_filter", [None, "Region eq 'EMEA'", "Version ne 'public.Plan'"])
async def test_versions_are_not_mixed_unasked(
    tenant: SimulatedTenant, row_filter: str | None
) -> None:
    """A pull that would add plans to actuals is refused before a row is asked for."""
    async with reaching(tenant) as rig:
        with pytest.raises(MixedDataError, match=re.escape("Version eq 'public.Actual'")):
            await pulled(rig, replace(MONTHS, filter=row_filter, allow_mixed=False))
    counts = tenant.log()["counts"]
    assert (counts["page_calls"], counts["count_calls"]) == (0, 0)
