"""GET /series over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import replace
from urllib.parse import unquote

import pytest

from app.api.series_schemas import SeriesResponse
from app.errors import CacheCorruptError, CacheUnavailableError, CredentialsRefusedError
from app.pipeline.series import QueryLimits, SeriesReader
from tests.api.bench import Bench, problem
from tests.fakes import a_page, a_standing

REFUSED = CredentialsRefusedError("The tenant refused us.", next_step="Prüfe 100 % of it.")


async def test_a_series_is_served_as_json(filled: Bench) -> None:
    """Without parameters the whole series comes, with its metadata and no warning."""
    response = await filled.get("/series")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    refreshed = (await filled.refresh()).json()["metadata"]
    assert refreshed.pop("drift")["history_changed"] == 0
    assert body["meta"].pop("drift") is None
    assert set(body) == set(SeriesResponse.model_fields)
    assert body["points"] == [
        {"date": "2026-01-01", "value": 7.0, "dim_region": "APJ", "dim_product": "Bike"},
        {"date": "2026-04-01", "value": 3.0, "dim_region": "APJ", "dim_product": "Car"},
        {"date": "2026-01-01", "value": 10.5, "dim_region": "EMEA", "dim_product": "Bike"},
        {"date": "2026-02-01", "value": 11.0, "dim_region": "EMEA", "dim_product": "Bike"},
    ]
    assert body["meta"] == refreshed
    assert (body["dataset"], body["grain"], body["total"]) == ("default", "month", 4)
    assert (body["version"], body["next"]) == (0, None)
    assert (body["warning"], body["warning_code"]) == (None, None)
    assert "x-series-warning" not in response.headers
    assert response.headers["x-series-version"] == "0"


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("start=2026-02", [3.0, 11.0]),
        ("end=2026-01-31", [7.0, 10.5]),
        ("start=2026-Q1&end=2026-Q1", [7.0, 10.5, 11.0]),
        ("dim_region=EMEA", [10.5, 11.0]),
        ("dim_region=EMEA&dim_region=APJ&dim_product=Car", [3.0]),
        ("grain=quarter&group_by=", [28.5, 3.0]),
        ("group_by=dim_region&grain=year", [10.0, 21.5]),
        ("group_by=region,product&grain=year", [7.0, 3.0, 21.5]),
        ("group_by=region&group_by=product&grain=year", [7.0, 3.0, 21.5]),
        ("dataset=default&limit=1", [7.0]),
    ],
)
async def test_every_parameter_does_what_it_says(
    filled: Bench, query: str, values: list[float]
) -> None:
    """Windows, members, roll-ups and limits select the points they name."""
    body = (await filled.get(f"/series?{query}")).json()
    assert [point["value"] for point in body["points"]] == values


async def test_the_total_counts_what_the_limit_cuts_off(filled: Bench) -> None:
    """A caller of a limited answer learns how many points there are."""
    body = (await filled.get("/series?limit=3")).json()
    assert (len(body["points"]), body["total"]) == (3, 4)


@pytest.mark.parametrize(
    ("url", "accept"),
    [("/series?format=csv", "*/*"), ("/series", "text/csv")],
    ids=["url", "accept"],
)
async def test_a_series_is_served_as_csv(filled: Bench, url: str, accept: str) -> None:
    """CSV comes by parameter or by Accept, with a header and lines that end with CRLF."""
    response = await filled.get(url, Accept=accept)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    lines = response.text.split("\r\n")
    assert lines[0] == "date,value,dim_region,dim_product"
    assert lines[-1] == ""
    read = list(csv.DictReader(io.StringIO(response.text, newline="")))
    points = (await filled.get("/series")).json()["points"]
    assert [{**row, "value": float(row["value"])} for row in read] == points


async def test_the_parameter_wins_over_the_accept_header(filled: Bench) -> None:
    """`format=json` gives JSON even to a caller who accepts CSV; caches are told of the header."""
    response = await filled.get("/series?format=json", Accept="text/csv")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("url", ["/series", "/series?format=csv"])
async def test_a_warning_comes_with_every_format(filled: Bench, url: str) -> None:
    """After a failed refresh the warning stands in a header, percent-encoded where needed."""
    filled.source.error = REFUSED
    await filled.refresh()
    response = await filled.get(url)
    assert response.status_code == 200
    header = response.headers["x-series-warning"]
    assert header.isascii()
    assert unquote(header) == f"Showing data of 21 Nov 2026, 14:05 UTC: {REFUSED}"
    assert response.headers["x-series-warning-code"] == "credentials_refused"


async def test_a_warning_stands_in_the_json(filled: Bench) -> None:
    """After a failed refresh the JSON holds the words and the code."""
    filled.source.error = REFUSED
    stale = (await filled.refresh()).json()
    body = (await filled.get("/series")).json()
    assert body["warning"] == stale["warning"]
    assert body["warning_code"] == "credentials_refused"


async def test_the_last_good_version_is_served_while_a_refresh_runs(filled: Bench) -> None:
    """A reader does not wait for a pull."""
    filled.source.gate = asyncio.Event()
    filled.source.started.clear()
    pull = asyncio.create_task(filled.refresh())
    await filled.source.started.wait()
    assert (await filled.get("/series")).json()["total"] == 4
    filled.source.gate.set()
    await pull


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("groupby=x", "groupby", "There is no query parameter 'groupby'. Use one of: group_by, "),
        ("frm=json", "frm", "Use one of: format, "),
        ("start=soon", "start", "2024-03"),
        ("start=", "start", "2024-03"),
        ("end=2026-13", "end", "2024-03"),
        ("start=2027&end=2026", "start", "lies after"),
        ("start=2026&start=2027", "start", "given more than once"),
        ("grain=day", "grain", "Ask for one of: month"),
        ("group_by=colour", "group_by", "Dimensions of the series: dim_"),
        ("dim_colour=red", "dim_colour", "Dimensions of the series: dim_"),
        ("dim_region=EMAE", "dim_region", "Members: EMEA"),
    ],
)
async def test_a_query_that_cannot_be_answered_is_refused(
    filled: Bench, query: str, parameter: str, said: str
) -> None:
    """A parameter that is wrong is named, with what would be right, nearest first."""
    body = problem(await filled.get(f"/series?{query}"), 422)
    assert (body["code"], body["parameter"]) == ("bad_query", parameter)
    assert said in body["detail"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("grain=decade", "grain"),
        ("format=xml", "format"),
        ("format=", "format"),
    ],
)
async def test_a_malformed_parameter_is_refused(filled: Bench, query: str, name: str) -> None:
    """A value of the wrong type or outside its choices is a problem that names the parameter."""
    body = problem(await filled.get(f"/series?{query}"), 422)
    assert body["code"] == "invalid_request"
    assert [error["name"] for error in body["errors"]] == [name]
    assert body["parameter"] == name


@pytest.mark.parametrize("dataset", ["other", ""])
async def test_an_unknown_dataset_is_not_found(filled: Bench, dataset: str) -> None:
    """A dataset that does not exist is a 404 problem that lists those that do."""
    body = problem(await filled.get(f"/series?dataset={dataset}"), 404)
    assert body["detail"] == f"There is no dataset '{dataset}'. Ask for one of: default."


async def test_an_empty_cache_says_how_to_fill_it(bench: Bench) -> None:
    """Before the first refresh the answer is a 503 problem with the next step."""
    body = problem(await bench.get("/series"), 503)
    assert body["code"] == "cache_missing"
    assert "POST /refresh" in body["detail"]


async def test_a_cache_that_fails_says_so(filled: Bench) -> None:
    """A place that fails may come back, so the answer says when to ask again; a corrupt one not."""
    filled.cache.load_error = CacheUnavailableError("The disk does not answer.")
    response = await filled.get("/series")
    assert problem(response, 503)["code"] == "cache_unavailable"
    assert int(response.headers["retry-after"]) >= 1
    filled.cache.load_error = CacheCorruptError("The data is not what was saved.")
    response = await filled.get("/series")
    assert problem(response, 503)["code"] == "cache_corrupt"
    assert "retry-after" not in response.headers


async def test_members_with_quotes_and_umlauts_survive_both_formats(bench: Bench) -> None:
    """Member names with separators, quotes, line ends and other scripts come back unchanged."""
    names = ['a "b", c', "Zürich\r\nSüd", "東京", "=1+1"]
    bench.source.pages = (a_page([("202601", name, "x", "1") for name in names]),)
    await bench.refresh()
    points = (await bench.get("/series")).json()["points"]
    table = (await bench.get("/series?format=csv")).text
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert {point["dim_region"] for point in points} == set(names)
    assert {row["dim_region"] for row in rows} == set(names)


@pytest.mark.parametrize(
    ("limits", "query", "code", "said"),
    [
        (QueryLimits(max_rows=3), "", "query_too_large", "4 rows, and at most 3"),
        (QueryLimits(max_rows=9), "fill=zero", "query_too_large", "Filling every gap"),
        (QueryLimits(timeout_s=0), "", "query_too_slow", "longer than 0 seconds"),
    ],
    ids=["rows", "filled", "slow"],
)
async def test_a_query_that_costs_too_much_is_refused(
    filled: Bench, limits: QueryLimits, query: str, code: str, said: str
) -> None:
    """Nothing is cut silently: the answer is a problem that says how to narrow the query."""
    services = filled.services
    reader = SeriesReader(
        filled.catalogue,
        filled.cache,
        a_standing(filled.catalogue, filled.clock, filled.attempts).of,
        limits=limits,
    )
    filled.app.state.services = replace(services, reader=reader)
    body = problem(await filled.get(f"/series?{query}"), 422)
    assert body["code"] == code
    assert said in body["detail"]
    assert "a shorter window (start, end, last)" in body["detail"]


async def test_a_page_whose_version_is_gone_is_gone(filled: Bench) -> None:
    """A cursor of a version that was cleaned away is a 410 that says to begin again."""
    page = (await filled.get("/series?limit=1")).json()
    filled.cache.versions["default"] = []
    body = problem(await filled.get(f"/series?limit=1&cursor={page['next']}"), 410)
    assert body["code"] == "cursor_gone"
    assert "without the cursor" in body["detail"]
