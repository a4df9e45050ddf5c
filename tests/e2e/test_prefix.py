"""Behind a proxy that cuts a part of the path, every link leads to what it names."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from app.client import AsyncSeriesClient, ProblemError, SeriesClient, ServiceError
from tests.cutting_proxy import PREFIX, CuttingProxy, cutting_proxy
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import Cell, Dimension, SimulatedTenant

MONTHS = [f"20{year}{month:02}" for year in (24, 25) for month in range(1, 13)]
CHOICE = random.Random(0)
NUMBERED = [f"M{number:06}" for number in range(1_100)]
UNLIKE = [f"{CHOICE.getrandbits(64):016x}" for _ in range(600)]
ROOM_FOR_HEADERS = 8_192
Params = dict[str, str | int | list[str]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A service with two years of one region and a month of many others, its tenant gone."""
    rows: list[list[Cell]] = [[month, "EMEA", place] for place, month in enumerate(MONTHS)]
    rows += [["202401", name, 1] for name in (*NUMBERED, *UNLIKE)]
    date: Dimension = {"name": "Date", "role": "date"}
    folder = tmp_path_factory.mktemp("prefix")
    with SimulatedTenant(rows=1) as tenant:
        tenant.add_model("CLONG", dimensions=[date, "Region"], measures=["Amount"], rows=rows)
        settings = settings_for(
            tenant,
            CACHE_URI=str(folder / "cache"),
            SAC_MODEL_ID="CLONG",
            SAC_VALUE_COLUMN="Amount",
            SAC_DIMENSIONS="Region",
            SAC_FILTER="",
        )
        with running_service(folder, settings) as service:
            assert service.post("/refresh").json()["status"] == "refreshed"
    return settings


@pytest.fixture(scope="module", params=[{}, {"UVICORN_ROOT_PATH": PREFIX}], ids=["untold", "told"])
def fronted(
    request: pytest.FixtureRequest,
    settings: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[CuttingProxy]:
    """The service behind a proxy; the server was told of it, or not."""
    with (
        running_service(tmp_path_factory.mktemp("run"), {**settings, **request.param}) as service,
        cutting_proxy(service.base_url.host, service.base_url.port or 0) as proxy,
    ):
        yield proxy


@pytest.fixture
def proxy(fronted: CuttingProxy) -> CuttingProxy:
    """The proxy as it is after its start."""
    fronted.change, fronted.hidden = str, ()
    return fronted


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_client_reads_all_pages(proxy: CuttingProxy, slash: str) -> None:
    """24 of 24 rows, whether the address ends in a slash or not, in both clients."""
    with SeriesClient(proxy.url + slash) as client:
        found = [page.rows for page in client.pages(where={"region": "EMEA"}, limit=10)]
        assert [rows.num_rows for rows in found] == [10, 10, 4]
        assert client.dataset().name == "default"
    async with AsyncSeriesClient(proxy.url + slash) as client:
        again = [one.rows async for one in client.pages(where={"region": "EMEA"}, limit=10)]
    assert [rows.to_pylist() for rows in again] == [rows.to_pylist() for rows in found]


def test_pages_are_whole_without_headers(proxy: CuttingProxy) -> None:
    """A proxy that takes away what it does not know makes no part look like the whole."""
    proxy.hidden = ("x-", "link")
    with SeriesClient(proxy.url) as client:
        assert sum(map(len, client.pages(where={"region": "EMEA"}, limit=10))) == 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: re.sub("[?].*cursor.*", "", path), "different versions"),
        (lambda path: re.sub("&cursor=[^&]*", "", path), "repeat themselves"),
        (lambda path: path.replace("&cursor=", "&cursor=x"), "none that this service made"),
        (
            lambda path: path.replace("/series?", "/none?" if "cursor" in path else "/series?"),
            "404|Nothing",
        ),
    ],
    ids=["no query", "no cursor", "another cursor", "not found"],
)
def test_a_page_that_fails_is_an_error(
    proxy: CuttingProxy, change: Callable[[str], str], message: str
) -> None:
    """What came before it is never the end."""
    proxy.change = change
    with SeriesClient(proxy.url) as client:
        pages = client.pages(where={"region": "EMEA"}, limit=10)
        assert len(next(pages)) == 10
        with pytest.raises(ServiceError, match=message):
            next(pages)


def test_links_are_relative(proxy: CuttingProxy) -> None:
    """The next page, and the place of an operation, are found from the address of the answer."""
    with httpx.Client(base_url=proxy.url) as client:
        page = client.get("/series", params={"dim_region": "EMEA", "limit": 20})
        following = page.url.join(page.links["next"]["url"])
        assert len(client.get(following).json()["points"]) == 4
        begun = client.post("/refresh", headers={"Prefer": "respond-async"})
        assert begun.status_code == 202
        place = begun.url.join(begun.headers["Location"])
        assert client.get(place).json()["id"] == begun.json()["id"]


def read(proxy: CuttingProxy, members: list[str], form: str) -> list[httpx.Response]:
    """Return all pages of a query for many members, as a client that follows links reads them."""
    params: Params = {"dim_region": members, "format": form, "limit": 400}
    with httpx.Client() as client:
        pages = [client.get(f"{proxy.url}/series", params=params)]
        while (link := pages[-1].links.get("next")) is not None:
            pages.append(client.get(pages[-1].url.join(link["url"])))
    return pages


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_long_query_is_carried_by_the_cursor(proxy: CuttingProxy, form: str) -> None:
    """A query of 20 kB has headers that every client reads, and links to the last page."""
    pages = read(proxy, NUMBERED, form)
    assert len(pages[0].url.query) > 20_000
    assert [len(page.url.query) < 3_000 for page in pages] == [False, True, True]
    for page in pages:
        assert page.status_code == 200
        assert sum(len(name) + len(text) + 4 for name, text in page.headers.raw) < ROOM_FOR_HEADERS
    found = re.findall("M[0-9]{6}", "".join(page.text for page in pages))
    assert found == NUMBERED
    broken = httpx.get(str(pages[1].url)[:-8])
    assert (broken.status_code, broken.json()["parameter"]) == (422, "cursor")


def test_a_query_that_cannot_be_short_is_repeated(proxy: CuttingProxy) -> None:
    """There is no link; the cursor stands in a header, and in the body if that has a place."""
    params: Params = {"dim_region": UNLIKE, "format": "csv", "limit": 400}
    with httpx.Client(base_url=proxy.url) as client:
        first = client.get("/series", params=params)
        assert "Link" not in first.headers
        cursor = first.headers["X-Series-Next"]
        assert client.get("/series", params={**params, "format": "json"}).json()["next"] == cursor
        last = client.get("/series", params={**params, "cursor": cursor})
    assert not {"Link", "X-Series-Next"} & set(last.headers)
    assert re.findall("[0-9a-f]{16}", first.text + last.text) == sorted(UNLIKE)
    with SeriesClient(proxy.url) as reader:
        assert sum(map(len, reader.pages(where={"region": UNLIKE}, limit=400))) == len(UNLIKE)


def test_what_the_server_was_told_is_in_the_documents(tmp_path: Path) -> None:
    """With the path as a setting, problems, the OpenAPI document and its page lead there."""
    with (
        running_service(tmp_path, {"UVICORN_ROOT_PATH": PREFIX}) as service,
        cutting_proxy(service.base_url.host, service.base_url.port or 0) as proxy,
        httpx.Client(base_url=proxy.url) as client,
    ):
        refused = client.get("/datasets/none")
        kind = client.get(refused.url.join(refused.json()["type"]))
        assert kind.text.startswith("There is no such dataset")
        assert client.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]
        assert f"{PREFIX}/openapi.json" in client.get("/docs").text
        # A name that anybody may send is not believed.
        plain = client.get("/datasets/none", headers={"X-Forwarded-Prefix": "/evil"})
        assert plain.json()["type"] == refused.json()["type"]
        with SeriesClient(proxy.url) as reader, pytest.raises(ProblemError) as caught:
            reader.dataset("none")
        assert caught.value.problem.type == f"{PREFIX}/problems/unknown-dataset"
