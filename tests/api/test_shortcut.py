"""Past the framework or through it: the same answer, to the last byte."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import quote_plus

import httpx
import pytest
from fastapi import Query
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from app.api.media import MEDIA_TYPES, Format
from app.api.params import series_request, texts_of
from app.api.shortcut import QuickReader, QuickRequest, SeriesShortcut
from tests.api.asking import a_request
from tests.api.bench import Bench
from tests.api.doors import client_of, entered, told

# What each parameter may hold: right, wrong, and odd.
VALUES = {
    "dataset": ["default", "other", ""],
    "start": ["2026", "2026-02", "2026-Q1", "soon", ""],
    "end": ["2026-03-31", "2026-13", "1999"],
    "grain": ["month", "quarter", "year", "day", "decade", ""],
    "group_by": ["", "region", "dim_region,product", "colour", ","],
    "limit": ["1", "2", "0", "-1", " 3", "1e3", "2.0", "many", "9" * 30, ""],
    "format": [*Format, "xml", "JSON", ""],
    "version": ["0", "7", "-1", "x", "00"],
    "as_of": ["2026-11-21T14:05:00Z", "2030-01-01T00:00:00+01:00", "now"],
    "allow_expired": ["true", "1", "on", "False", "2", ""],
    "dim_region": ["EMEA", "APJ", "Nowhere", "ä+ %"],
    "dim_colour": ["red"],
    "nonsense": ["1"],
}
PAIRS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(VALUES[name]))
)
QUERIES = st.lists(PAIRS, max_size=4).map(
    lambda pairs: "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)
) | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20)
ACCEPTS = st.sampled_from([None, "*/*", "image/png", "text/*;q=0.3", *MEDIA_TYPES.values()])


@pytest.fixture(scope="module")
def bench(loop: asyncio.AbstractEventLoop) -> Bench:
    """An app on fakes, with one refresh done."""
    bench = Bench()
    assert loop.run_until_complete(bench.refresh()).status_code == 200
    return bench


@pytest.fixture(scope="module")
def doors(bench: Bench) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """The way past the framework, which remembers the forms of questions, and that through it."""
    return client_of(entered(bench)), client_of(entered(bench, without=SeriesShortcut))


@given(query=QUERIES, accept=ACCEPTS, has_it=st.booleans())
@settings(max_examples=500)
def test_both_ways_say_the_same(
    doors: tuple[httpx.AsyncClient, httpx.AsyncClient],
    loop: asyncio.AbstractEventLoop,
    query: str,
    accept: str | None,
    has_it: bool,
) -> None:
    """Status, headers, body and every word of a problem are those of the route."""
    headers = {} if accept is None else {"Accept": accept}

    async def both() -> None:
        short, long = doors
        expected = await long.get(f"/series?{query}", headers=headers)
        if has_it and "etag" in expected.headers:
            headers["If-None-Match"] = expected.headers["etag"]
            expected = await long.get(f"/series?{query}", headers=headers)
            assert expected.status_code == 304
        assert told(await short.get(f"/series?{query}", headers=headers)) == told(expected)

    loop.run_until_complete(both())


async def test_the_framework_is_not_asked(filled: Bench) -> None:
    """What is understood at once never reaches the framework, or the shortcut were none."""
    request = a_request("start=2026&group_by=region&group_by=product&limit=3&allow_expired=true")
    found = QuickReader(series_request).values(request)
    assert found == {
        "start": "2026",
        "group_by": ["region", "product"],
        "limit": 3,
        "allow_expired": True,
    }


@pytest.mark.parametrize("query", ["limit=0", "grain=decade", "format=xml", "version=-1"])
def test_mistakes_go_the_long_way(query: str) -> None:
    """The framework has the words for a value of the wrong form."""
    assert QuickReader(series_request).values(a_request(query)) is None


def test_the_declared_parameters_are_all_understood() -> None:
    """No parameter of the route is of a kind that would close the shortcut."""
    assert QuickReader(series_request).values(a_request("")) == {}


def test_an_alias_is_read_under_its_name() -> None:
    """A parameter that is called otherwise in the address is handed on under its own name."""

    def declared(request: Request, before: Annotated[int, Query(alias="from")] = 0) -> None: ...

    assert QuickReader(declared).values(a_request("from=3")) == {"before": 3}


@pytest.mark.parametrize("kind", [int, Annotated[int, "no query"]])
def test_what_is_declared_otherwise_closes_the_shortcut(kind: object) -> None:
    """One parameter that is not known to be of the query leaves all to the framework."""

    def declared(request: Request, limit: int = 0) -> None: ...

    declared.__annotations__["limit"] = kind
    assert QuickReader(declared).values(a_request("limit=3")) is None


async def test_only_series_are_short(filled: Bench) -> None:
    """Other addresses and methods are the framework's."""
    assert (await filled.client.post("/series")).status_code == 405
    assert (await filled.get("/datasets")).status_code == 200


ODD = st.text("ab=&+%;é\x00 41", max_size=30) | st.text(max_size=20)


@given(
    st.binary(max_size=20)
    | ODD.map(lambda text: text.encode("latin-1", "replace"))
    | QUERIES.map(str.encode)
)
def test_a_query_string_is_read_as_the_framework_reads_it(query: bytes) -> None:
    """Whatever bytes a caller sends as a query string."""
    scope = {"type": "http", "query_string": query, "headers": []}
    short, long = QuickRequest(scope).query_params, Request(scope).query_params
    assert short.multi_items() == long.multi_items()
    assert dict(short) == dict(long)
    assert texts_of(long) == {name: long.getlist(name) for name in long}
