"""Faults that pass, over a real socket: the pull completes to the last digit.

No secret, pair or token shows in an error, a trace-back or a log line.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.records import DatasetDefinition, PullMode
from tests.e2e.faulty import DAYS, MONTHS, WAYS, Fault, Output, Way, oracle, pulled, status
from tests.sac_connector.rig import reaching
from tests.simulated_tenant import SimulatedTenant

IN_HALF_A_MINUTE = "Sat, 21 Nov 2026 14:05:30 GMT"
RANDOM = None


@pytest.mark.parametrize(
    ("faults", "waits", "renewals"),
    [
        ([status(401)], [], 1),
        ([status(401, match="count")], [], 1),
        ([status(401, match="metadata")], [], 1),
        ([Fault("revoke", nth=nth) for nth in (2, 7, 12)], [], 3),
        ([Fault("html_login")], [], 1),
        ([Fault("redirect")], [], 1),
        ([status(429, retry_after=2)], [2.0], 0),
        ([status(429, retry_after=IN_HALF_A_MINUTE)], [30.0], 0),
        ([status(429, retry_after=9_999)], [60.0], 0),
        ([status(429, retry_after="soon")], RANDOM, 0),
        ([status(429)], RANDOM, 0),
        ([status(408)], RANDOM, 0),
        ([status(500)], RANDOM, 0),
        ([status(502, html="<html>Bad gateway</html>")], RANDOM, 0),
        ([status(503)], RANDOM, 0),
        ([status(503, retry_after=7)], [7.0], 0),
        ([status(504)], RANDOM, 0),
        ([status(503, match="count")], RANDOM, 0),
        ([status(503, match="metadata")], RANDOM, 0),
        ([status(503, match="token")], RANDOM, 0),
        ([status(429, match="token", retry_after=3)], [3.0], 0),
        ([Fault("truncate")], RANDOM, 0),
        ([Fault("truncate_json")], RANDOM, 0),
        ([Fault("reset")], RANDOM, 0),
        ([Fault("reset", more={"at": "start"})], RANDOM, 0),
        ([Fault("reset", "token", 1)], RANDOM, 0),
        ([Fault("gzip", "any", 1, None)], [], 0),
        ([Fault("next_link", more={"url": "none"})], [], 0),
        (
            [status(503), Fault("status", nth=7, more={"status": 401}), Fault("truncate", nth=9)],
            RANDOM,
            1,
        ),
    ],
    ids=lambda value: None,
)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_fault_that_passes_costs_no_digit(
    tenant: SimulatedTenant,
    output: Output,
    way: Way,
    faults: list[Fault],
    waits: list[float] | None,
    renewals: int,
) -> None:
    """The series is what the tenant holds, and what the fault cost is what the report says."""
    tenant.settings(**way.switches)
    for fault in faults:
        fault.cause(tenant, way)
    async with reaching(tenant, parallel=way.parallel) as rig:
        found = await pulled(rig, way.of(DAYS))
    expected = oracle(tenant)
    assert found.rows.equals(expected.rows)
    if way.mode is PullMode.FACTS:
        assert (found.rows_read, found.skipped) == (expected.rows_read, expected.skipped)
    assert rig.tokens.issued == 1 + renewals
    if waits is RANDOM:
        assert rig.waits.seconds
        assert all(0 <= wait <= 2 for wait in rig.waits.seconds)
    else:
        assert rig.waits.seconds == waits
    output.keeps_quiet(tenant, rig, None)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "fault",
    [Fault("hang"), Fault("slow", more={"delay_s": 60.0}), Fault("hang", "token", 1)],
    ids=["page hangs", "page is slow", "login hangs"],
)
async def test_an_answer_that_does_not_come_is_asked_for_again(
    tenant: SimulatedTenant, fault: Fault, way: Way
) -> None:
    """A request that got no answer in time is sent again, and the series is whole."""
    tenant.settings(**way.switches)
    # Makes the simulated tenant build its rows, which takes longer than the short time-out of this
    # test. On a busy machine other answers may be too late, too: there are tries enough for that.
    tenant.rows(DAYS.model_id)
    fault.cause(tenant, way)
    async with reaching(tenant, parallel=way.parallel, read_timeout_s=0.3, attempts=99) as rig:
        found = await pulled(rig, way.of(DAYS))
    assert found.rows.equals(oracle(tenant).rows)
    assert rig.waits.seconds


@pytest.mark.parametrize(
    "switches",
    [
        {"link": "absolute"},
        {"link": "root"},
        {"link": "service"},
        {"link": "none"},
        {"link": "none", "page_cap": 150},
        {"link": "none", "refuse_count": True},
        {"link": "absolute", "page_cap": 77},
        {"refuse_count": True},
        {"refuse_count_with_select": True},
        {"count_as_string": True, "entities_as_string": True},
        {"numbers_as_strings": True},
        {"lower_case_annotations": True},
        {"oversize_disables_link": True, "page_cap": 150},
        {"aggregation": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("definition", [DAYS, MONTHS], ids=["days", "months"])
async def test_all_manners_of_tenants_give_the_same_series(
    tenant: SimulatedTenant, switches: dict[str, object], definition: DatasetDefinition
) -> None:
    """Links in each shape or none, hard caps, counts refused, odd spellings: every digit comes."""
    if definition is MONTHS:
        definition = replace(MONTHS, filter="Version ne 'public.Plan' and Region ne 'R&D + 50%'")
    tenant.settings(**switches)
    async with reaching(tenant, page_rows=400) as rig:
        found = await pulled(rig, definition)
    expected = oracle(tenant, definition)
    assert found.rows.equals(expected.rows)
    assert (found.rows_read, found.skipped) == (expected.rows_read, expected.skipped)
    assert rig.waits.seconds == []
