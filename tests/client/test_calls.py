"""What the clients send, and what they make of answers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import parse_qsl

import httpx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client import calls
from app.client.answers import ProblemError, ServiceError
from app.client.series import Series
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


def test_what_must_be_told_is_read_from_the_stream() -> None:
    """Version, freshness and warning reach a reader whose proxy drops headers; the age need not."""
    response = answer(points(1.5, None, warning="Zürich 100 %", warning_code="c"))
    series = calls.series_of(response)
    assert series.rows.equals(rows(1.5, None))
    assert (series.version, series.freshness, series.age_s) == (4, "fresh", 60)
    assert (series.warning, series.warning_code, series.etag) == ("Zürich 100 %", "c", '"a"')
    assert (len(series), series.total, series.next_url) == (2, 2, None)
    response.headers.clear()
    bare = calls.series_of(response)
    assert (bare.version, bare.warning, bare.age_s, bare.etag) == (4, "Zürich 100 %", None, None)
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


def test_a_stream_of_somebody_else_is_refused() -> None:
    """Whether rows are all there are cannot be told without what this service says of them."""
    foreign = rows(1.0)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, foreign.schema) as writer:
        writer.write_table(foreign)
    with pytest.raises(ServiceError, match="no Aside"):
        calls.series_of(answer(httpx.Response(200, content=sink.getvalue())))


@pytest.mark.parametrize("status", [204, 206, 302, 307])
def test_what_is_no_whole_answer_is_refused(status: int) -> None:
    """A part, nothing at all, and the way to somewhere else are answers of somebody else."""
    with pytest.raises(ServiceError, match=f"answered {status}"):
        calls.raise_for_problem(answer(httpx.Response(status, content=stream(rows(1.0)))))


def a_page(*values: float, **said: str) -> Series:
    """Return a page as it is read."""
    return calls.series_of(answer(points(*values, **said)))


def test_the_next_page_is_the_same_query_with_a_cursor() -> None:
    """Whatever address led to this page leads to the next, and a cursor replaces the one before."""
    response = points(1.0, total="2", next="new")
    response.request = httpx.Request("GET", f"{URL}/sac/series?dim_a%5E=x&dim_a%5E=%26&cursor=old")
    url = httpx.URL(calls.series_of(response).next_url or "")
    assert url.path == "/sac/series"
    assert parse_qsl(url.query.decode()) == [("dim_a^", "x"), ("dim_a^", "&"), ("cursor", "new")]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_pages_that_add_up_are_followed_to_the_last(sizes: Sequence[int]) -> None:
    """However many rows each has."""
    pages = calls.Pages()
    for number, size in enumerate(sizes):
        said = {} if number == len(sizes) - 1 else {"next": f"c{number}"}
        call = pages.behind(a_page(*[1.0] * size, total=str(sum(sizes)), **said))
        assert (call is None) == (not said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"total": "4"}, r"end after 3 of 4 rows"),
        ({"total": "4", "version": "5"}, r"different versions: .* version 4 .* version 5"),
        ({"total": "5"}, r"different versions: .* with 4 rows .* with 5"),
        ({"total": "4", "next": "a"}, "repeat themselves after 3 of 4 rows"),
    ],
)
def test_pages_that_are_no_whole_are_refused(said: dict[str, str], message: str) -> None:
    """A last page too early, one of another version or of another answer, and the same again."""
    pages = calls.Pages()
    pages.behind(a_page(1.0, 2.0, total="4", next="a"))
    with pytest.raises(ServiceError, match=message):
        pages.behind(a_page(3.0, **said))


def test_pages_go_on_no_longer_than_there_are_rows() -> None:
    """A link behind the last row, and rows too many, are no whole either."""
    with pytest.raises(ServiceError, match="go on after 4 of 4 rows"):
        calls.Pages().behind(a_page(1.0, 2.0, 3.0, 4.0, total="4", next="a"))
    with pytest.raises(ServiceError, match="after 2 of 1 rows"):
        calls.Pages().behind(a_page(1.0, 2.0, total="1"))


def test_a_query_that_is_too_long_is_said_in_words() -> None:
    """What would be the next address is too long for every server and client."""
    response = points(1.0, total="2", next="new")
    response.request = httpx.Request("GET", f"{URL}/series", params={"dim_a": "x" * 65_520})
    with pytest.raises(ServiceError, match=r"cannot be sent as an address: .* too long"):
        calls.series_of(response)


def test_only_the_last_answers_are_kept() -> None:
    """What was asked for longest ago is forgotten first."""
    kept = calls.Kept()
    asked = [calls.series_call(calls.Query(limit=limit)) for limit in range(1, 40)]
    for call in asked:
        kept.answered(call, None, answer(points(1.0)))
    assert [kept.known(call) is not None for call in asked] == [False] * 7 + [True] * 32
