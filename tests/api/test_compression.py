"""Answers are coded as a caller takes them, and each coding has an ETag of its own."""

from __future__ import annotations

import gzip

import httpx
import pytest
from starlette.responses import Response

from tests.api.bench import Bench
from tests.fakes import a_page

CODINGS = ["zstd", "br", "gzip"]
LONG = [(f"2026{month:02}", f"Region {n}", "x", str(n)) for month in range(1, 13) for n in range(9)]


@pytest.fixture
async def long(bench: Bench) -> Bench:
    """A service whose answer is worth coding."""
    bench.source.pages = (a_page(LONG),)
    assert (await bench.refresh()).status_code == 200
    return bench


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("form", ["json", "columns", "ndjson", "csv", "excel", "arrow"])
async def test_every_coding_says_the_same(long: Bench, form: str, coding: str) -> None:
    """Decoded, the body is the one that is sent uncoded; it is shorter on the wire."""
    url = f"/series?format={form}"
    plain = await long.get(url, Accept_Encoding="identity")
    coded = await long.get(url, Accept_Encoding=coding)
    assert "content-encoding" not in plain.headers
    assert coded.headers["content-encoding"] == coding
    assert coded.content == plain.content
    assert int(coded.headers["content-length"]) < int(plain.headers["content-length"])
    for response in (plain, coded):
        assert response.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    "url",
    [
        *("/series", "/series?format=parquet", "/series?limit=1", "/series?no_such=1", "/docs"),
        *("/openapi.json", "/metrics", "/health/live", "/problems", f"/series?dim_{'x' * 900}=1"),
    ],
)
async def test_whoever_takes_no_coding_is_told_the_same(long: Bench, url: str) -> None:
    """Who says nothing of codings gets what the coder gives to who declines them."""
    silent, declining = [
        await long.client.send(httpx.Request("GET", f"http://test{url}", headers=headers))
        for headers in ({}, {"Accept-Encoding": "identity"})
    ]
    # The metrics have grown by the first of the two.
    own = {"x-request-id", "content-length"} if url == "/metrics" else {"x-request-id"}
    told = [
        {name: text for name, text in response.headers.items() if name not in own}
        for response in (silent, declining)
    ]
    assert told[0] == told[1]
    assert silent.request.headers.get("accept-encoding") is None


async def test_the_best_coding_is_chosen(long: Bench) -> None:
    """Zstd before brotli before gzip, of those that the caller takes."""
    for accept, coding in {
        "gzip, deflate, br, zstd": "zstd",
        "gzip, br": "br",
        "gzip;q=0.1": "gzip",
        "zstd;q=0, br;q=0, *": "gzip",
    }.items():
        response = await long.get("/series", Accept_Encoding=accept)
        assert response.headers["content-encoding"] == coding


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
async def test_a_copy_in_any_coding_is_confirmed(long: Bench, form: str) -> None:
    """Each coding has another strong ETag, and each is good for a 304 that names it."""
    url = f"/series?format={form}"
    tags = {
        coding: (await long.get(url, Accept_Encoding=coding)).headers["etag"]
        for coding in ["identity", *CODINGS]
    }
    assert len(set(tags.values())) == len(tags)
    assert not any(tag.startswith("W/") for tag in tags.values())
    for tag in tags.values():
        again = await long.get(url, Accept_Encoding="br", If_None_Match=f'"other", {tag}')
        assert (again.status_code, again.headers["etag"]) == (304, tag)
        assert "content-encoding" not in again.headers


async def test_parquet_is_not_coded_twice(long: Bench) -> None:
    """It is compressed inside."""
    response = await long.get("/series?format=parquet", Accept_Encoding="zstd, gzip")
    assert "content-encoding" not in response.headers


async def test_a_short_answer_is_not_coded(filled: Bench) -> None:
    """What fits into a packet gains nothing."""
    response = await filled.get("/health/live", Accept_Encoding="gzip")
    assert "content-encoding" not in response.headers


async def test_events_leave_at_once(bench: Bench) -> None:
    """A stream of events is not coded, so that nothing holds an event back."""

    @bench.app.get("/events")
    async def events() -> Response:
        return Response(b"data: x\n\n" * 1000, media_type="text/event-stream")

    assert "content-encoding" not in (await bench.get("/events")).headers


async def test_what_is_coded_already_is_left_alone(bench: Bench) -> None:
    """A body that comes coded is not coded again, and its weak ETag stays."""
    body = gzip.compress(b"x" * 5000)

    @bench.app.get("/coded")
    async def coded() -> Response:
        headers = {"Content-Encoding": "gzip", "ETag": 'W/"1"'}
        return Response(body, headers=headers, media_type="text/plain")

    response = await bench.get("/coded")
    assert (response.content, response.headers["etag"]) == (b"x" * 5000, 'W/"1"')
