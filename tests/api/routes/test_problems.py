"""GET /problems over HTTP."""

from __future__ import annotations

from app.api.problem_pages import problem_pages
from tests.api.bench import Bench, problem

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


async def test_problems_that_happen_lead_to_their_pages(bench: Bench) -> None:
    """The type of an answer, followed as it stands, is a page about its code."""
    for url, status in {
        "/series": 503,
        "/nowhere": 404,
        "/refresh": 405,
        "/series?limit=0": 422,
        "/series?strat=1": 422,
        "/series?dataset=x": 404,
        "/problems/x": 404,
    }.items():
        told = problem(await bench.get(url), status)
        page = await bench.get(told["type"])
        assert page.status_code == 200
        assert f"code {told['code']}" in page.text


async def test_the_list_names_all(bench: Bench) -> None:
    """Each line of the list is an address that is served."""
    listed = (await bench.get("/problems")).text.splitlines()
    assert [line.split("\t")[0] for line in listed] == [f"/problems/{n}" for n in problem_pages()]
    html = await bench.get("/problems", Accept=BROWSER)
    assert "/problems/cache-missing" in html.text
