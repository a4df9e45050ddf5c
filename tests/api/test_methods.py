"""HEAD answers like GET without a body, and every address tells what it takes."""

from __future__ import annotations

import pytest

from tests.api.bench import Bench, problem

ADDRESSES = [
    "/series",
    "/series?format=parquet",
    "/series?limit=0",
    "/datasets",
    "/problems",
    "/health/live",
    "/openapi.json",
    "/nowhere",
]
# Tells this request.
CHANGING = {"x-request-id"}


@pytest.mark.parametrize("url", ADDRESSES)
async def test_head_is_get_without_a_body(filled: Bench, url: str) -> None:
    """Status and headers are those of GET; nothing follows them."""
    whole, head = await filled.get(url), await filled.client.head(url)
    assert head.status_code == whole.status_code
    assert head.content == b""
    told = [{k: v for k, v in one.headers.items() if k not in CHANGING} for one in (whole, head)]
    assert told[1] == told[0]


async def test_head_of_what_counts_requests_is_get_without_a_body(filled: Bench) -> None:
    """The request before has been counted by then, so all but the length is the same."""
    whole, head = await filled.get("/metrics"), await filled.client.head("/metrics")
    assert (head.status_code, head.content) == (200, b"")
    changing = {*CHANGING, "content-length"}
    told = [{k: v for k, v in one.headers.items() if k not in changing} for one in (whole, head)]
    assert told[1] == told[0]


async def test_head_confirms_like_get(filled: Bench) -> None:
    """A caller who asks by HEAD gets 304 for what it has."""
    etag = (await filled.client.head("/series")).headers["etag"]
    again = await filled.client.head("/series", headers={"If-None-Match": etag})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("/series", "GET, HEAD, OPTIONS"),
        ("/refresh", "OPTIONS, POST"),
        ("/datasets/default/rollback", "OPTIONS, POST"),
        ("/docs", "GET, HEAD, OPTIONS"),
    ],
)
async def test_an_address_tells_what_it_takes(filled: Bench, url: str, allowed: str) -> None:
    """OPTIONS names the methods, and a refusal of another names the same."""
    options = await filled.client.options(url)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allowed, b"")
    refused = await filled.client.delete(url)
    body = problem(refused, 405)
    assert refused.headers["allow"] == allowed
    assert body["detail"].endswith(f"Use {allowed}.")


async def test_methods_of_all_routes_of_an_address_are_told(bench: Bench) -> None:
    """Two routes may share an address."""

    @bench.app.get("/both")
    async def read() -> None: ...

    @bench.app.put("/both")
    async def write() -> None: ...

    assert (await bench.client.post("/both")).headers["allow"] == "GET, HEAD, OPTIONS, PUT"


async def test_nothing_is_allowed_where_nothing_is(bench: Bench) -> None:
    """OPTIONS of an unknown address is a 404 like any other request."""
    problem(await bench.client.options("/nowhere"), 404)
