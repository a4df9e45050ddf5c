"""What the clients send, and what they make of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client import calls
from app.client.answers import ProblemError, ServiceError
from tests.client.wire import URL, points, problem, rows, stream

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
MEMBERS = st.dictionaries(
    NAMES.filter(lambda name: not name.startswith("dim_")),
    st.lists(NAMES, min_size=1, max_size=3),
    max_size=2,
)


@given(st.lists(NAMES, max_size=2), MEMBERS, MEMBERS, MEMBERS)
def test_every_name_and_member_reaches_the_service(
    datasets: Sequence[str],
    where: Mapping[str, Sequence[str]],
    exclude: Mapping[str, Sequence[str]],
    prefix: Mapping[str, Sequence[str]],
) -> None:
    """Whatever they are made of; dimensions may go without their prefix."""
    query = calls.Query(dataset=datasets, where=where, exclude=exclude, prefix=prefix)
    url = httpx.URL(URL + "/series", params=list(calls.series_call(query).params))
    expected = [("dataset", name) for name in datasets]
    for mark, members in (("", where), ("!", exclude), ("^", prefix)):
        expected += [(f"dim_{n}{mark}", one) for n, wanted in members.items() for one in wanted]
    assert parse_qsl(url.query.decode(), keep_blank_values=True) == expected


def test_a_query_sends_what_is_asked_and_nothing_else() -> None:
    """Dates as ISO, lists with commas, an empty `group_by` as such, and no defaults."""
    assert calls.Query().params() == ()
    query = calls.Query(
        dataset="sales",
        start=date(2026, 1, 1),
        end="2026-Q3",
        last=12,
        grain="quarter",
        group_by=[],
        where={"dim_region": "EMEA"},
        sort=["date", "-value"],
        version=0,
        allow_expired=True,
    )
    assert query.params() == (
        ("dataset", "sales"),
        ("start", "2026-01-01"),
        ("end", "2026-Q3"),
        ("last", "12"),
        ("grain", "quarter"),
        ("version", "0"),
        ("group_by", ""),
        ("sort", "date,-value"),
        ("dim_region", "EMEA"),
        ("allow_expired", "true"),
    )


def test_names_in_paths_are_quoted() -> None:
    """A name cannot lead elsewhere."""
    assert calls.dataset_call("a/b").url == "/datasets/a%2Fb"
    assert calls.operation_call("../x").url == "/refreshes/..%2Fx"
    assert calls.cancel_call("../x").url == "/refreshes/..%2Fx/cancel"
    call = calls.members_call("a", "d?", search="", after="", limit=2, where={"x": ["1", "2"]})
    assert call.url == "/datasets/a/dimensions/d%3F"
    assert call.params == (("limit", "2"), ("after", ""), ("dim_x", "1"), ("dim_x", "2"))


def test_a_refresh_sends_only_what_differs_from_the_usual() -> None:
    """The service refuses fields that it does not know, so none is sent in vain."""
    assert calls.refresh_call(None, {"full": False, "source": None}).body == {}
    call = calls.refresh_call("sales", {"force": True}, prefer="respond-async")
    assert (call.body, call.headers) == (
        {"force": True, "dataset": "sales"},
        {"Prefer": "respond-async"},
    )


def answer(response: httpx.Response) -> httpx.Response:
    """Return a response as one to a request."""
    response.request = httpx.Request("GET", f"{URL}/series")
    return response


def test_what_must_be_told_is_read_from_the_headers() -> None:
    """Version, freshness, age, and the warning in its own letters."""
    series = calls.series_of(
        answer(points(1.5, None, X_Series_Warning="Z%C3%BCrich 100 %25", X_Series_Warning_Code="c"))
    )
    assert series.rows.equals(rows(1.5, None))
    assert (series.version, series.freshness, series.age_s) == (4, "fresh", 60)
    assert (series.warning, series.warning_code, series.etag) == ("Zürich 100 %", "c", '"a"')
    assert len(series) == 2
    assert "Zürich" in repr(series)
    assert "rows" not in repr(series)


def test_a_stream_that_was_cut_is_refused() -> None:
    """Wherever it was cut, also between two of its messages, where Arrow sees a good end."""
    whole = stream(rows(1.0, 2.0))
    for cut in range(len(whole)):
        response = answer(httpx.Response(200, content=whole[:cut]))
        with pytest.raises(ServiceError, match="no whole Arrow stream"):
            calls.series_of(response)


def test_problems_are_raised_in_the_words_of_the_service() -> None:
    """With the code for machines, and the wait if there is one."""
    with pytest.raises(ProblemError, match="Try again") as caught:
        calls.raise_for_problem(answer(problem(503, "cache_missing", Retry_After="30")))
    assert (caught.value.problem.code, caught.value.retry_after_s) == ("cache_missing", 30)
    with pytest.raises(ServiceError, match="answered 502 with 'text/html"):
        calls.raise_for_problem(answer(httpx.Response(502, html="<p>")))
    broken = httpx.Response(500, headers={"Content-Type": calls.PROBLEM}, content=b"{")
    with pytest.raises(ServiceError, match="no Problem"):
        calls.raise_for_problem(answer(broken))


def test_a_page_elsewhere_is_not_followed() -> None:
    """The key must not go to another host, port or scheme."""
    base = httpx.URL(URL)
    calls.check_origin(httpx.URL(f"{URL}/series"), base)
    for other in (
        "http://evil.example:8000",
        "https://service.example:8000",
        "http://service.example",
    ):
        with pytest.raises(ServiceError, match="was not followed"):
            calls.check_origin(httpx.URL(other), base)


def test_only_the_last_answers_are_kept() -> None:
    """What was asked for longest ago is forgotten first."""
    kept = calls.Kept()
    asked = [calls.series_call(calls.Query(limit=limit)) for limit in range(1, 40)]
    for call in asked:
        kept.answered(call, None, answer(points(1.0)))
    assert [kept.known(call) is not None for call in asked] == [False] * 7 + [True] * 32
