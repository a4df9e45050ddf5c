"""Routes get the services that the lifespan stored."""

from __future__ import annotations

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
