"""Random data, tenants and faults: the series is right, or the pull fails in words. Never wrong."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from hypothesis import HealthCheck, given, settings

from app.errors import DeadlineExceededError, SeriesError
from app.pipeline.normalize import NormalizedSeries, Normalizer
from tests.e2e.faulty import loose_tasks
from tests.e2e.fuzzing import CASES, COLUMNS, MODEL, Case, Series
from tests.sac_connector.rig import Rig, reaching
from tests.simulated_tenant import SimulatedTenant

EXAMPLES_EACH = 3
# Only bounds what is waited for; nothing depends on how long it takes.
DEADLINE_S = 600


@contextmanager
def heard() -> Iterator[io.StringIO]:
    """Collect all that is logged, whatever its level."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    # Nobody else listens: pytest would keep the records of all cases to the end.
    level, others = root.level, root.handlers
    root.handlers = [handler]
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.handlers = others
        root.setLevel(level)


async def pulled(rig: Rig, case: Case) -> NormalizedSeries:
    """Pull the case's dataset to its end and add it up."""
    normalizer = Normalizer(case.definition)
    async with aclosing(rig.source.pull(case.definition).pages()) as pages:
        async for page in pages:
            normalizer.add(page)
    return normalizer.finish()


def as_series(found: NormalizedSeries, case: Case) -> Series:
    """Return a series as a plain mapping; a key that comes twice is an error."""
    names = ["date", *(f"dim_{name.lower()}" for name in case.dimensions)]
    rows = [tuple(row[name] for name in (*names, "value")) for row in found.rows.to_pylist()]
    series = {row[:-1]: row[-1] for row in rows}
    assert len(series) == len(rows)
    return series


async def outcome(
    tenant: SimulatedTenant, case: Case
) -> tuple[NormalizedSeries | SeriesError, list[str]]:
    """Return what a pull came to, and the secrets that nobody may see."""
    timeout_s = 0.15 if case.hangs else DEADLINE_S
    async with reaching(
        tenant,
        page_rows=case.page_rows,
        parallel=case.parallel,
        deadline_s=DEADLINE_S,
        read_timeout_s=timeout_s,
    ) as rig:
        try:
            found: NormalizedSeries | SeriesError = await pulled(rig, case)
        except SeriesError as error:
            found = error
        assert loose_tasks() == 0
    pair = base64.b64encode(f"{tenant.client_id}:{tenant.secret}".encode()).decode()
    return found, [tenant.secret, pair.rstrip("="), *rig.seen_tokens]


def check(tenant: SimulatedTenant, case: Case, tally: Counter[str]) -> None:
    """Pull a case; it is right, or an error that gives nothing away."""
    case.prepare(tenant)
    tally["cases"] += 1
    tally["faults"] += len(case.faults) + (case.mutation is not None)
    with heard() as text:
        found, hidden = asyncio.run(outcome(tenant, case))
    shown = text.getvalue()
    if isinstance(found, SeriesError):
        tally["refused"] += 1
        shown += "".join(traceback.format_exception(found))
        assert not isinstance(found, DeadlineExceededError)
    else:
        tally["wrong"] += 1
        # The rows that were sent, or, if they changed meanwhile, the rows that there are now.
        now = [tuple(row[name] for name in COLUMNS) for row in tenant.rows(MODEL)]
        series = [as_series(found, case), case.right(case.rows), case.right(now)]
        if case.blind:
            series = [{key: value for key, value in one.items() if value} for one in series]
        assert series[0] in series[1:]
        tally["wrong"] -= 1
        tally["right"] += 1
    assert [secret for secret in hidden if secret in shown] == []
    assert tenant.log()["counts"]["max_parallel"] <= case.parallel


def test_a_pull_is_right_or_fails_in_words(
    tenant: SimulatedTenant, record_property: Callable[[str, object], None]
) -> None:
    """Whatever the data, the tenant and the faults: never wrong, never endless, never a secret."""
    tally: Counter[str] = Counter()
    # Shrinking a fault takes longer than finding it, so the numbers are those of the search.
    examples = settings().max_examples * EXAMPLES_EACH

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(CASES)
    def search(case: Case) -> None:
        check(tenant, case, tally)

    try:
        search()
    finally:
        names = ("cases", "faults", "right", "refused", "wrong")
        record_property("summary", ", ".join(f"{name} {tally[name]}" for name in names))
    assert tally["right"] > tally["cases"] / 5
    assert tally["wrong"] == 0
