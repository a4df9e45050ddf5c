"""The `type` of every problem leads to a page that says what to do."""

from __future__ import annotations

import pytest

from app.api.problem_pages import REMEDIES, problem_pages, remedy_of
from app.api.problems import PROBLEMS
from tests.api.bench import Bench

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


def test_every_error_has_a_remedy() -> None:
    """A new error has at least the advice of its family."""
    assert all(remedy_of(error) for error in PROBLEMS)
    assert set(REMEDIES) <= set(PROBLEMS)
