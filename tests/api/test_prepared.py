"""What is read by a known form is what reading the whole query string gives."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.params import SeriesRequest, series_request
from app.api.prepared import Form, PreparedForms, form_of
from app.api.shortcut import QuickReader
from app.errors import BadQueryError
from tests.api.asking import a_request

DAYS = st.sampled_from(["2026", "2026-02", "2026-Q3", "2026-01-31"])
TEXTS = st.text(st.characters(codec="latin-1", exclude_characters="&%+"), max_size=5)
NAMES = st.lists(st.sampled_from(["start", "end", "dim_a", "dim_b", "dim_="]), unique=True)
FIXED = st.lists(
    st.sampled_from(["limit=2", "grain=year", "group_by=a", "sort=-date", "format=csv"]),
    unique=True,
)
READ = QuickReader(series_request)


def read(loop: asyncio.AbstractEventLoop, query: str, etag: str | None = None) -> SeriesRequest:
    """Read a query string as a whole."""
    request = a_request(query, **({} if etag is None else {"if_none_match": etag}))
    values = READ.values(request)
    assert values is not None
    return loop.run_until_complete(series_request(request, **values))


@given(names=NAMES, fixed=FIXED, data=st.data())
def test_other_members_and_days_are_read_as_ever(
    loop: asyncio.AbstractEventLoop, names: list[str], fixed: list[str], data: st.DataObject
) -> None:
    """Of whatever form: after the first such query string the second is read by it."""
    pairs = data.draw(st.permutations([*names, *fixed]))

    def a_query() -> str:
        texts = {name: data.draw(TEXTS if name.startswith("dim_") else DAYS) for name in names}
        return "&".join(f"{one}={texts[one]}" if one in texts else one for one in pairs)

    forms = PreparedForms()
    for number in range(3):
        query = a_query()
        split = form_of(query.encode("latin-1"), b"")
        assert split is not None
        prepared = forms.find(split[0])
        expected = read(loop, query, '"a"')
        if number:
            assert prepared is not None
            assert prepared.request(split[1], '"a"') == expected
            named = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
            assert set(prepared.query_names) == named
            assert list(prepared.query_names) == sorted(prepared.query_names)
        else:
            assert prepared is None
            forms.learn(split[0], expected)


@pytest.mark.parametrize("query", ["dim_a=%41", "dim_a=a+b", "st%61rt=2026"])
def test_escapes_have_no_form(query: str) -> None:
    """What must be decoded first is read as a whole."""
    assert form_of(query.encode(), b"") is None


@pytest.mark.parametrize(
    ("query", "accept"),
    [(f"group_by={'x' * 1_000}", 0), (f"dim_a={'x' * 1_000}", 0), ("a&" * 30_000, 0), ("", 1_001)],
    ids=["fixed", "member", "names", "accept"],
)
def test_what_is_long_has_no_form(query: str, accept: int) -> None:
    """Nobody has checked it yet, and to remember its names alone would take megabytes."""
    assert form_of(query.encode(), b"x" * accept) is None


@pytest.mark.parametrize("query", ["dim_a=1&dim_a=2", "dim_a!=1", "dim_a^=1"])
def test_some_forms_are_not_remembered(loop: asyncio.AbstractEventLoop, query: str) -> None:
    """A name that stands twice or says more than one member."""
    forms = PreparedForms()
    split = form_of(query.encode(), b"")
    assert split is not None
    forms.learn(split[0], read(loop, query))
    assert forms.find(split[0]) is None


def test_accept_is_part_of_the_form(loop: asyncio.AbstractEventLoop) -> None:
    """It may choose the format, which is remembered."""
    forms = PreparedForms()
    one, other = form_of(b"start=2026", b"text/csv"), form_of(b"start=2026", b"")
    assert one is not None
    assert other is not None
    forms.learn(one[0], read(loop, "start=2026"))
    assert forms.find(one[0]) is not None
    assert forms.find(other[0]) is None


def test_a_malformed_day_is_an_error(loop: asyncio.AbstractEventLoop) -> None:
    """The day of the first such query string is not taken for it."""
    forms = PreparedForms()
    split = form_of(b"start=2026", b"")
    assert split is not None
    forms.learn(split[0], read(loop, "start=2026"))
    prepared = forms.find(split[0])
    assert prepared is not None
    with pytest.raises(BadQueryError):
        prepared.request(["soon"], None)


def test_the_forms_that_are_remembered_are_bounded(loop: asyncio.AbstractEventLoop) -> None:
    """Whoever asks for ever other limits does not fill the memory."""
    forms = PreparedForms()
    asked = read(loop, "start=2026")
    for number in range(2_000):
        forms.learn(Form(b"", ("limit", "start"), (str(number),)), asked)
    assert 0 < len(vars(forms)["_known"]) <= 512
