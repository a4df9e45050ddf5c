"""The `type` of every problem leads to a page that says what to do."""

from __future__ import annotations

import pytest

from app.api.problem_pages import REMEDIES, problem_pages, remedy_of
from app.api.problems import PROBLEMS
from tests.api.bench import Bench, problem

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("name", list(problem_pages()))
async def test_every_type_leads_to_its_page(bench: Bench, name: str) -> None:
    """As text and as a web page: the title, the code, the meaning and the remedy."""
    page = problem_pages()[name]
    text = await bench.get(f"/problems/{name}")
    html = await bench.get(f"/problems/{name}", Accept=BROWSER)
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert text.text.startswith(f"{page.title}\n")
    assert f"code {page.code}" in text.text
    assert page.meaning in text.text
    assert page.remedy in text.text
    assert f"<h1>{page.title.replace(chr(39), '&#x27;')}</h1>" in html.text
    assert all(sentence.endswith(".") for sentence in (page.meaning, page.remedy))


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


def test_every_error_has_a_remedy() -> None:
    """A new error has at least the advice of its family."""
    assert all(remedy_of(error) for error in PROBLEMS)
    assert set(REMEDIES) <= set(PROBLEMS)
