"""ETags change with what an answer says, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.media import Format
from app.api.params import SeriesRequest
from app.api.validators import coded, etag_of, matching
from app.pipeline.freshness import Notice
from app.pipeline.query import SeriesQuery
from app.pipeline.series import SeriesView
from app.reports import FreshnessState
from tests.api.writing.answers import a_view, an_answer
from tests.fakes import START

ASKED = SeriesRequest((), SeriesQuery(filters={"dim_a": ("x", "y")}), Format.JSON)
VIEW = a_view([])
ETAG = etag_of(an_answer(VIEW), ASKED)


def judged(**changes: Any) -> SeriesView:  # noqa: ANN401 - fields of several types
    """Return the view with another freshness."""
    return replace(VIEW, freshness=replace(VIEW.freshness, **changes))


@pytest.mark.parametrize(
    "view",
    [
        replace(VIEW, series=replace(VIEW.series, version=8)),
        replace(VIEW, notice=Notice("Old.", "old")),
        judged(state=FreshnessState.STALE),
        judged(reason="source_timeout"),
        judged(sentence="It is old."),
        judged(last_attempt=START),
        judged(next_attempt=START),
    ],
)
def test_another_answer_has_another_etag(view: SeriesView) -> None:
    """Version, warning and every part of the freshness count."""
    assert etag_of(an_answer(view), ASKED) != ETAG


@pytest.mark.parametrize(
    "query",
    [
        SeriesQuery(),
        SeriesQuery(filters={"dim_a": ("x",)}),
        SeriesQuery(filters={"dim_a": ("x", "y")}, limit=1),
        SeriesQuery(filters={"dim_a": ("x", "y")}, start=date(2026, 1, 1)),
        SeriesQuery(filters={"dim_a": ("x", "y")}, group_by=()),
    ],
)
def test_another_query_has_another_etag(query: SeriesQuery) -> None:
    """Each parameter counts."""
    assert etag_of(an_answer(VIEW), replace(ASKED, query=query)) != ETAG


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.JSON])
def test_another_form_has_another_etag(form: Format) -> None:
    """No form is taken for another."""
    assert etag_of(an_answer(VIEW), replace(ASKED, format=form)) != ETAG


def test_every_part_of_several_counts() -> None:
    """Another dataset, another order, or another state of the last of them is another answer."""
    other = a_view(dataset="other")
    both = etag_of(an_answer(VIEW, other), ASKED)
    stale = replace(other, freshness=replace(other.freshness, state=FreshnessState.STALE))
    changed = [an_answer(VIEW), an_answer(other, VIEW), an_answer(VIEW, stale)]
    assert both not in {etag_of(answer, ASKED) for answer in changed}


def test_age_and_order_do_not_count() -> None:
    """The same answer a minute later, and the same question in another order, are the same."""
    assert etag_of(an_answer(judged(age_s=150)), ASKED) == ETAG
    turned = SeriesQuery(filters={"dim_a": ("y", "x")})
    assert etag_of(an_answer(VIEW), replace(ASKED, query=turned)) == ETAG


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, None),
        ("*", ETAG),
        (ETAG, ETAG),
        (f"W/{ETAG}", ETAG),
        (f'"other", {ETAG}', ETAG),
        (coded(ETAG, "br"), coded(ETAG, "br")),
        (f'W/{coded(ETAG, "gzip")}, "other"', coded(ETAG, "gzip")),
        (coded(ETAG, "deflate"), None),
        ('"other"', None),
        ("", None),
        (ETAG.strip('"'), None),
    ],
)
def test_what_a_caller_has_is_recognised(header: str | None, known: str | None) -> None:
    """Lists, weak tags, the star and every coding are read as RFC 9110 has them."""
    assert matching(header, ETAG) == known


@given(header=st.text(max_size=60))
def test_no_header_breaks_anything(header: str) -> None:
    """Whatever a caller sends is a tag of ours, or none."""
    assert matching(header, ETAG) in {None, ETAG}
