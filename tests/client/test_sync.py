"""The client that blocks; where it and its twin may differ, the tests of both say so."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

import httpx
import pytest
import respx

from app.client import AsyncSeriesClient, ProblemError, SeriesClient, ServiceError
from tests.client.wire import DONE, FRESH, KEY, REFRESHED, RUNNING, URL, points, problem, rows


@pytest.fixture
def client() -> Iterator[SeriesClient]:
    """A client with a key."""
    with SeriesClient(URL, api_key=KEY) as client:
        yield client


def test_what_is_known_is_confirmed_instead_of_sent_again(
    client: SeriesClient, respx_mock: respx.MockRouter
) -> None:
    """The second request carries the ETag; a 304 brings the same rows with the new headers."""
    route = respx_mock.get(f"{URL}/series", params={"last": "3"})
    stale = httpx.Response(304, headers={"ETag": '"a"', "X-Series-Freshness": "stale", "Age": "90"})
    route.side_effect = [points(1.0), stale, points(2.0, etag='"b"')]
    first, again, other = (client.series(last=3) for _ in range(3))
    sent = [call.request.headers.get("If-None-Match") for call in route.calls]
    assert sent == [None, '"a"', '"a"']
    assert again.rows is first.rows
    assert [first.revalidated, again.revalidated, other.revalidated] == [False, True, False]
    assert (again.freshness, again.age_s) == ("stale", 90)
    assert other.rows.equals(rows(2.0))
    assert route.calls[0].request.headers["Authorization"].split()[1] == KEY
    assert route.calls[0].request.headers["Accept"] == "application/vnd.apache.arrow.stream"


def test_pages_are_one_whole_or_an_error(
    client: SeriesClient, respx_mock: respx.MockRouter
) -> None:
    """To the last one; whatever goes wrong on the way is raised, as is a whole that is none."""
    route = respx_mock.get(f"{URL}/series", params={"limit": "1"})
    first, last = points(1.0, total="2", next="x"), points(2.0, total="2")
    route.side_effect = [first, last, points(1.0, total="2", next="y"), httpx.Response(404)]
    found = [page.rows["value"].to_pylist() for page in client.pages(limit=1)]
    assert found == [[1.0], [2.0]]
    assert dict(route.calls[1].request.url.params) == {"limit": "1", "cursor": "x"}
    with pytest.raises(ServiceError, match="answered 404"):
        list(client.pages(limit=1))
    respx_mock.get(f"{URL}/series").mock(return_value=points(1.0, total="2"))
    with pytest.raises(ServiceError, match="end after 1 of 2 rows"):
        client.series(last=9)


def test_a_query_that_is_too_long_is_not_sent(client: SeriesClient) -> None:
    """It is told apart from a service that is not there."""
    with pytest.raises(ServiceError, match="cannot be sent as an address"):
        client.series(where={"region": "x" * 70_000})


def test_refreshes_answer_or_run_on_their_own(
    client: SeriesClient, respx_mock: respx.MockRouter
) -> None:
    """The plain call brings the result; the other one an operation to look at, wait for, stop."""
    refresh = respx_mock.post(f"{URL}/refresh")
    refresh.side_effect = [httpx.Response(200, json=REFRESHED), httpx.Response(202, json=RUNNING)]
    operation = respx_mock.get(f"{URL}/refreshes/o%2F1")
    operation.side_effect = [httpx.Response(200, json=body) for body in (RUNNING, DONE)]
    respx_mock.post(f"{URL}/refreshes/o%2F1/cancel").mock(
        return_value=httpx.Response(200, json=DONE)
    )
    assert client.refresh(full=True).version == 4
    assert json.loads(refresh.calls[0].request.content) == {"full": True}
    started = client.start_refresh("default")
    assert not started.done
    assert client.wait(started.id, every_s=0).result is not None
    assert client.cancel(started.id).done
    assert [call.request.headers.get("Prefer") for call in refresh.calls] == [
        None,
        "respond-async",
    ]


def test_what_there_is_can_be_listed(client: SeriesClient, respx_mock: respx.MockRouter) -> None:
    """Datasets, one of them, and the members of a dimension."""
    region = {"name": "dim_region", "source": "Region", "members": 1, "label": None}
    member = {"id": "EMEA", "points": 2, "min_date": "2026-01-01", "max_date": "2026-02-01"}
    described = {
        "name": "default",
        "version": 1,
        "freshness": FRESH,
        "rows": 2,
        "grain": "month",
        "grains": ["month"],
        "time_aggregation": "sum",
        "dimensions": [region],
    }
    listed = {"datasets": [{"name": "default", "freshness": FRESH}]}
    members = {"dimension": region, "members": [member], "total": 1, "next": None}
    respx_mock.get(f"{URL}/datasets").mock(return_value=httpx.Response(200, json=listed))
    respx_mock.get(f"{URL}/datasets/default").mock(return_value=httpx.Response(200, json=described))
    respx_mock.get(f"{URL}/datasets/default/dimensions/region").mock(
        return_value=httpx.Response(200, json=members)
    )
    assert [one.name for one in client.datasets()] == ["default"]
    assert client.dataset().dimensions[0].name == "dim_region"
    assert client.members("region", search="e").members[0].id == "EMEA"


def test_failures_are_told_apart(client: SeriesClient, respx_mock: respx.MockRouter) -> None:
    """A problem of the service, and a service that is not there."""
    route = respx_mock.get(f"{URL}/series")
    route.side_effect = [problem(422, "bad_query"), httpx.ConnectError("refused")]
    with pytest.raises(ProblemError, match=r"It failed. Try again. \(bad_query\)"):
        client.series()
    with pytest.raises(ServiceError, match="did not answer: refused"):
        client.series()


def test_both_clients_offer_the_same() -> None:
    """Every public method of one is one of the other, with the same parameters."""
    left, right = (
        {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }
        for kind in (SeriesClient, AsyncSeriesClient)
    )
    assert left == right
