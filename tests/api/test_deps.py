"""Routes get the services that the lifespan stored."""

from __future__ import annotations

import pytest

from tests.api.bench import Bench
from tests.fakes import FakeCatalogue, a_definition


def test_the_first_dataset_is_the_default(bench: Bench) -> None:
    """A caller who names no dataset means the first one of the catalogue; a name is kept."""
    assert bench.services.dataset() == "default"
    assert bench.services.dataset(None) == "default"
    assert bench.services.dataset("sales") == "sales"


async def test_the_default_need_not_be_called_default(bench: Bench) -> None:
    """The catalogue's own first name is used, whatever it is."""
    bench.use(catalogue=FakeCatalogue(a_definition("sales"), a_definition("costs")))
    assert (await bench.refresh()).json()["dataset"] == "sales"
    assert (await bench.refresh({"dataset": "costs"})).json()["dataset"] == "costs"
    assert (await bench.get("/series?dataset=costs")).json()["dataset"] == "costs"


@pytest.mark.parametrize(
    "url",
    [
        "/datasets",
        "/datasets/default",
        "/datasets/default/versions",
        "/datasets/default/diff?from=0",
        "/datasets/default/dimensions/region",
        "/models",
        "/refreshes",
        "/health/auth",
        "/health/live",
        "/health/ready",
        "/metrics",
    ],
)
async def test_what_is_true_for_a_moment_is_not_kept(filled: Bench, url: str) -> None:
    """No cache on the way may show one caller what another was told, or what was true before."""
    answer = await filled.get(url)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
