"""Faults of a simulated tenant, the ways to pull through them, and what must not be heard."""

from __future__ import annotations

import asyncio
import base64
import traceback
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from app.pipeline.normalize import NormalizedSeries, Normalizer
from app.records import DatasetDefinition, Grain, PullMode
from demo.tenant.bulk import DAILY
from demo.tenant.samples import PLAN
from tests.fakes import a_page
from tests.sac_connector.rig import Rig
from tests.simulated_tenant import SimulatedTenant

DAYS = DatasetDefinition(
    name="default",
    source="sac",
    model_id=DAILY,
    date_column="Date",
    value_column="Amount",
    dimensions=("Region", "Channel"),
    grain=Grain.DAY,
    mode=PullMode.FACTS,
    allow_mixed=True,
)
# Nulls, doubled keys, members with blanks, quotes and slashes, and numbers of thirty digits.
MONTHS = replace(
    DAYS, model_id=PLAN, value_column="Revenue", dimensions=("Region", "Product"), grain=Grain.MONTH
)


@dataclass(frozen=True)
class Way:
    """A way to pull, and how its pages are told from all other requests.

    Attributes:
        mode: Which rows are asked for.
        parallel: Requests at once.
        pages: What the addresses of its pages match.
        switches: What the tenant must be for this way to be taken.
    """

    mode: PullMode
    parallel: int = 1
    pages: str = r"re:/FactData\?\$s"
    switches: dict[str, object] = field(default_factory=dict)

    def of(self, definition: DatasetDefinition) -> DatasetDefinition:
        """Return the definition as it is pulled in this way."""
        return replace(definition, mode=self.mode)


# A tenant that adds nothing up leaves one chain of pages; one that does, ranges side by side.
WAYS = {
    "chain": Way(PullMode.FACTS, switches={"aggregation": False}),
    "slices": Way(PullMode.FACTS, parallel=2),
    "aggregates": Way(
        PullMode.AGGREGATES,
        pages=r"re:Aggregation\?\$select=Date,Region",
        switches={"link": "none"},
    ),
}


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, at the fifth page if nothing else is said."""

    kind: str
    match: str = "page"
    nth: int = 5
    times: int | None = 1
    more: dict[str, object] = field(default_factory=dict)

    def cause(self, tenant: SimulatedTenant, way: Way) -> None:
        """Tell the tenant."""
        match = way.pages if self.match == "page" else self.match
        tenant.fault(self.kind, match=match, nth=self.nth, times=self.times, **self.more)


def status(code: int, times: int | None = 1, match: str = "page", **more: object) -> Fault:
    """Answer with a status in place of the fifth page."""
    return Fault("status", match, 5 if match == "page" else 1, times, {"status": code, **more})


def numbered(number: str) -> dict[str, object]:
    """Return the body of an error with a number."""
    return {"error": {"code": "1", "message": f"It could not be done [{number}]"}}


async def pulled(rig: Rig, definition: DatasetDefinition = DAYS) -> NormalizedSeries:
    """Pull a dataset to its end and add it up."""
    normalizer = Normalizer(definition)
    async with aclosing(rig.source.pull(definition).pages()) as pages:
        async for page in pages:
            normalizer.add(page)
    return normalizer.finish()


def oracle(tenant: SimulatedTenant, definition: DatasetDefinition = DAYS) -> NormalizedSeries:
    """Add up what the tenant holds, without the connector."""
    rows = tenant.rows(definition.model_id, definition.filter)
    normalizer = Normalizer(definition)
    values = [[row[column] for column in definition.columns] for row in rows]
    normalizer.add(a_page(values, definition=definition))
    return normalizer.finish()


def loose_tasks() -> int:
    """Count the tasks that a pull left behind.

    A login that is under way is not one: it is shared, so who gives up waiting does not end it.
    """
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return sum("TokenProvider._fetch" not in repr(task) for task in tasks)


@dataclass
class Output:
    """All text that could give a secret away."""

    logs: pytest.LogCaptureFixture

    def keeps_quiet(self, tenant: SimulatedTenant, rig: Rig, error: Exception | None) -> None:
        """Search all texts for the secret, its pair and every token."""
        pair = base64.b64encode(f"{tenant.client_id}:{tenant.secret}".encode()).decode()
        hidden = [tenant.secret, pair.rstrip("="), *rig.seen_tokens]
        texts = [*(record.getMessage() for record in self.logs.records), self.logs.text]
        while error is not None:
            texts += [str(error), repr(error), *traceback.format_exception(error)]
            error = error.__cause__ or error.__context__  # type: ignore[assignment]
        shown = "\n".join(texts)
        # The log is not empty for want of looking.
        assert "connect_tcp.started" in shown
        assert [secret for secret in hidden if secret in shown] == []
