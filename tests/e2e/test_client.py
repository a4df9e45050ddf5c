"""The Python client against the running service, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from app.client import AsyncSeriesClient, ProblemError, SeriesClient, ServiceError
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that was never refreshed."""
    folder: Path = tmp_path_factory.mktemp("client")
    with (
        SimulatedTenant(rows=500) as tenant,
        running_service(folder, settings_for(tenant)) as service,
    ):
        yield str(service.base_url).rstrip("/")


@pytest.fixture
def client(url: str) -> Iterator[SeriesClient]:
    """A client of that service, which has data by now."""
    with SeriesClient(url) as client:
        assert client.refresh().status in {"refreshed", "unchanged"}
        yield client


def test_points_come_whole_and_are_confirmed(client: SeriesClient) -> None:
    """All rows, with what is told of them; asked again, the same rows by a 304."""
    series = client.series()
    assert (len(series), series.freshness) == (client.dataset().rows, "fresh")
    assert series.age_s is not None
    again = client.series()
    assert again.revalidated
    assert again.rows is series.rows
    assert len(series.to_pandas()) == len(series.to_polars()) == len(series)


def test_pages_add_up_to_the_whole(client: SeriesClient) -> None:
    """No row is lost or doubled, and none is in another order."""
    pages = [page.rows for page in client.pages(limit=100)]
    assert len(pages) > 1
    found = [row for page in pages for row in page.to_pylist()]
    assert found == client.series().rows.to_pylist()


def test_every_part_of_a_query_is_understood(client: SeriesClient) -> None:
    """The client's names are the service's names."""
    series = client.series(
        start="2025",
        last=8,
        grain="quarter",
        agg="avg",
        group_by=["region"],
        where={"region": ["EMEA", "APJ"]},
        exclude={"dim_region": "APJ"},
        prefix={"region": "EM"},
        fill="zero",
        transform="change",
        sort="-date",
        limit=3,
    )
    assert series.rows.column_names == ["date", "value", "dim_region"]
    assert (len(series), set(series.to_pandas()["dim_region"])) == (3, {"EMEA"})
    assert pa.types.is_date32(series.rows.schema.field("date").type)
    older = client.series(version=0, allow_expired=True)
    assert older.version == 0


def test_choices_are_listed(client: SeriesClient) -> None:
    """Datasets, dimensions and members, with the tenant's texts."""
    assert [one.name for one in client.datasets()] == ["default"]
    assert "dim_region" in [one.name for one in client.dataset().dimensions]
    members = client.members("region", limit=2)
    assert (len(members.members), members.next) == (2, members.members[-1].id)


def test_problems_are_raised_in_words(client: SeriesClient) -> None:
    """A wrong name is told with the right ones; a service that is not there, too."""
    with pytest.raises(ProblemError, match="dim_region") as caught:
        client.series(where={"regoin": "EMEA"})
    assert caught.value.problem.status == 422
    with (
        SeriesClient("http://127.0.0.1:9") as nobody,
        pytest.raises(ServiceError, match="did not answer"),
    ):
        nobody.series()


async def test_the_client_for_asyncio_reads_the_same(url: str, client: SeriesClient) -> None:
    """Rows, pages, frames and choices are those of the other, and a 304 confirms them."""
    async with AsyncSeriesClient(url) as other:
        assert (await other.refresh()).status == "unchanged"
        series = await other.series(last=3)
        assert series.rows.equals(client.series(last=3).rows)
        assert len(series.to_pandas()) == len(series.to_polars()) == len(series.to_arrow())
        again = await other.series(last=3)
        assert again.revalidated
        assert again.rows is series.rows
        pages = [page.rows async for page in other.pages(limit=100)]
        assert [
            row for page in pages for row in page.to_pylist()
        ] == client.series().rows.to_pylist()
        assert [one.name for one in await other.datasets()] == ["default"]
        found = await other.members("region", where={"product": "P1"})
        assert found.members == client.members("region", where={"product": "P1"}).members
        with pytest.raises(ProblemError, match="dim_region"):
            await other.series(where={"regoin": "EMEA"})


async def test_a_refresh_is_watched_without_waiting(url: str, client: SeriesClient) -> None:
    """Both start one, ask how far it has come, and wait for its end."""
    started = client.start_refresh()
    assert client.wait(started.id, every_s=0.05).result is not None
    async with AsyncSeriesClient(url) as other:
        begun = await other.start_refresh()
        ended = await other.wait(begun.id, every_s=0.05)
        assert ended.result is not None
        assert (ended.id, ended.state) == (begun.id, "succeeded")
        assert (await other.operation(begun.id)).state == "succeeded"
