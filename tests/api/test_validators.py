"""ETags change with what an answer says, and with nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.api.params import Format, SeriesRequest
from app.api.validators import etag_of, matches
from app.pipeline.freshness import Notice
from app.pipeline.query import SeriesQuery
from app.pipeline.series import SeriesView
from app.reports import FreshnessState
from tests.api.test_encode import a_view
from tests.fakes import START

ASKED = SeriesRequest(None, SeriesQuery(filters={"dim_a": ("x", "y")}), Format.JSON)
VIEW = a_view([])
ETAG = etag_of(VIEW, ASKED)


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
    assert etag_of(view, ASKED) != ETAG


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
    assert etag_of(VIEW, replace(ASKED, query=query)) != ETAG


def test_another_form_has_another_etag() -> None:
    """JSON and CSV are not taken for each other."""
    assert etag_of(VIEW, replace(ASKED, format=Format.CSV)) != ETAG


def test_age_and_order_do_not_count() -> None:
    """The same answer a minute later, and the same question in another order, are the same."""
    assert etag_of(judged(age_s=150), ASKED) == ETAG
    turned = SeriesQuery(filters={"dim_a": ("y", "x")})
    assert etag_of(VIEW, replace(ASKED, query=turned)) == ETAG


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (None, False),
        ("*", True),
        (ETAG, True),
        (f"W/{ETAG}", True),
        (f'"other", {ETAG}', True),
        ('"other"', False),
        ("", False),
        (ETAG.strip('"'), False),
    ],
)
def test_what_a_caller_has_is_recognised(header: str | None, known: bool) -> None:
    """Lists, weak tags and the star are read as RFC 9110 has them."""
    assert matches(header, ETAG) is known
