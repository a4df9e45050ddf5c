"""The client for asyncio does what its twin does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from app.client import AsyncSeriesClient, ProblemError, ServiceError
from tests.client.wire import DONE, FRESH, KEY, REFRESHED, RUNNING, URL, points, problem


@pytest.fixture
async def client() -> AsyncIterator[AsyncSeriesClient]:
    """A client with a key."""
    async with AsyncSeriesClient(URL, api_key=KEY) as client:
        yield client


async def test_what_is_known_is_confirmed_instead_of_sent_again(
    client: AsyncSeriesClient, respx_mock: respx.MockRouter
) -> None:
    """A 304 brings the same rows."""
    route = respx_mock.get(f"{URL}/series")
    route.side_effect = [points(1.0), httpx.Response(304)]
    first, again = await client.series(), await client.series()
    assert again.rows is first.rows
    assert again.revalidated


async def test_pages_are_one_whole_or_an_error(
    client: AsyncSeriesClient, respx_mock: respx.MockRouter
) -> None:
    """To the last one, or to what went wrong."""
    route = respx_mock.get(f"{URL}/series", params={"limit": "1"})
    route.side_effect = [points(1.0, total="2", next="x"), points(2.0, total="2")]
    pages = [page.rows["value"].to_pylist() async for page in client.pages(limit=1)]
    assert pages == [[1.0], [2.0]]
    respx_mock.get(f"{URL}/series").mock(return_value=points(1.0, total="2"))
    with pytest.raises(ServiceError, match="end after 1 of 2 rows"):
        await client.series(last=9)
    with pytest.raises(ServiceError, match="cannot be sent as an address"):
        await client.series(where={"region": "x" * 70_000})


async def test_refreshes_answer_or_run_on_their_own(
    client: AsyncSeriesClient, respx_mock: respx.MockRouter
) -> None:
    """The plain call brings the result; the other one an operation."""
    refresh = respx_mock.post(f"{URL}/refresh")
    refresh.side_effect = [httpx.Response(200, json=REFRESHED), httpx.Response(202, json=RUNNING)]
    operation = respx_mock.get(f"{URL}/refreshes/o%2F1")
    operation.side_effect = [httpx.Response(200, json=body) for body in (RUNNING, DONE)]
    respx_mock.post(f"{URL}/refreshes/o%2F1/cancel").mock(
        return_value=httpx.Response(200, json=DONE)
    )
    assert (await client.refresh()).version == 4
    started = await client.start_refresh()
    assert (await client.wait(started.id, every_s=0)).done
    assert (await client.cancel(started.id)).done


async def test_what_there_is_can_be_listed(
    client: AsyncSeriesClient, respx_mock: respx.MockRouter
) -> None:
    """Datasets, one of them, and the members of a dimension; failures are raised."""
    listed = {"datasets": [{"name": "default", "freshness": FRESH}]}
    region = {"name": "dim_region", "source": "Region", "members": 0}
    members = {"dimension": region, "members": [], "total": 0}
    respx_mock.get(f"{URL}/datasets").mock(return_value=httpx.Response(200, json=listed))
    respx_mock.get(f"{URL}/datasets/sales").mock(return_value=problem(404, "unknown_dataset"))
    respx_mock.get(f"{URL}/datasets/default/dimensions/region").mock(
        return_value=httpx.Response(200, json=members)
    )
    respx_mock.get(f"{URL}/series").mock(side_effect=httpx.ReadTimeout(""))
    assert len(await client.datasets()) == 1
    assert (await client.members("region")).total == 0
    with pytest.raises(ProblemError, match="unknown_dataset"):
        await client.dataset("sales")
    with pytest.raises(ServiceError, match="did not answer: ReadTimeout"):
        await client.series()
