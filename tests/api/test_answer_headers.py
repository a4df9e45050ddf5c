"""Headers say of an answer what its body cannot, in forms that every client reads."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.answer_headers import (
    age_at,
    data_time,
    disposition,
    file_name,
    header_text,
    raw_headers,
)
from app.api.media import Format
from app.pipeline.freshness import CLOCK_SKEW, Notice
from app.pipeline.series import SeriesAnswer, SeriesView
from app.reports import FreshnessState
from tests.api.writing.answers import TEXT, TIME, a_view, an_answer


def headers(answer: SeriesAnswer, form: Format = Format.JSON, query: str = "") -> httpx.Headers:
    """Return the headers of an answer."""
    return httpx.Headers(raw_headers(answer, form, "/series", query))


def aged(view: SeriesView, age_s: int | None) -> SeriesView:
    """Return a part whose data is of another age."""
    return replace(view, freshness=replace(view.freshness, age_s=age_s))


@given(text=TEXT)
def test_any_text_fits_into_a_header(text: str) -> None:
    """A header text is printable ASCII, and decodes to the text it was made from."""
    encoded = header_text(text)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert unquote(encoded) == text


@pytest.mark.parametrize("form", list(Format))
def test_version_freshness_and_warning_come_with_every_form(form: Format) -> None:
    """The version comes always, the warning and its code together if there is one."""
    plain = headers(an_answer(), form)
    warned = headers(an_answer(a_view(notice=Notice("Old.", "old"))), form)
    assert (plain["X-Series-Version"], plain["X-Series-Freshness"]) == ("7", "fresh")
    assert (plain["Age"], plain["X-Series-Total"]) == ("90", "0")
    assert plain["Last-Modified"] == "Sat, 21 Nov 2026 14:05:00 GMT"
    assert "X-Series-Warning" not in plain
    assert (warned["X-Series-Warning"], warned["X-Series-Warning-Code"]) == ("Old.", "old")


def test_several_datasets_are_told_by_the_least_fresh() -> None:
    """Versions are named; freshness and age are those of the worst part."""
    stale = aged(a_view(dataset="other", state=FreshnessState.STALE), 500)
    told = headers(an_answer(a_view(), stale))
    assert told["X-Series-Version"] == "default=7, other=7"
    assert (told["X-Series-Freshness"], told["Age"]) == ("stale", "500")
    unknown = headers(an_answer(a_view(), aged(stale, None)))
    assert "Age" not in unknown


def test_the_age_grows_with_the_clock() -> None:
    """What is written anew later is what would have been written then; the future has no age."""
    answer = an_answer(a_view(), a_view(dataset="other"))
    assert data_time(answer) == TIME
    assert data_time(an_answer(aged(a_view(), None))) is None
    assert age_at(TIME, TIME + timedelta(seconds=90.9)) == 90
    assert age_at(TIME, TIME - CLOCK_SKEW) == 0
    assert age_at(TIME, TIME - CLOCK_SKEW - timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("answer", "form", "name"),
    [
        (an_answer(), Format.CSV, "default_day_v7.csv"),
        (an_answer(a_view(dataset="sales")), Format.ARROW, "sales_day_v7.arrows"),
        (an_answer(a_view(), a_view(dataset="b")), Format.JSON, "default-b_day.json"),
        (
            an_answer(*(a_view(dataset=name) for name in "abcde")),
            Format.PARQUET,
            "a-b-c-and-2-more_day.parquet",
        ),
    ],
)
def test_a_file_is_called_by_what_it_holds(answer: SeriesAnswer, form: Format, name: str) -> None:
    """Dataset, grain and version stand in the name; many datasets are counted."""
    assert file_name(answer, form) == name


@pytest.mark.parametrize("form", list(Format))
def test_files_are_saved_and_json_is_shown(form: Format) -> None:
    """A browser shows JSON in place and saves the rest."""
    kind = "inline" if form in {Format.JSON, Format.COLUMNS} else "attachment"
    assert headers(an_answer(), form)["Content-Disposition"].startswith(f"{kind}; filename=")


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_name_is_carried_safely(name: str) -> None:
    """No name breaks out of its quotes; the whole name comes back by RFC 8187."""
    text = disposition(name, Format.CSV)
    assert text.isascii()
    assert text.isprintable()
    match = re.fullmatch(
        r"attachment; filename=\"([A-Za-z0-9._+-]*)\"(?:; filename\*=UTF-8''(\S+))?", text
    )
    assert match is not None
    assert (unquote(match[2]) if match[2] else match[1]) == name


def test_the_next_page_is_told_twice() -> None:
    """A page that is not the last carries the link to the next and its cursor, the last neither."""
    told = headers(an_answer(cursor="new"), query="limit=5&cursor=x")
    assert told["Link"] == '<series?limit=5&cursor=new>; rel="next"'
    assert told["X-Series-Next"] == "new"
    assert not {"Link", "X-Series-Next"} & set(headers(an_answer()))


def test_no_header_is_too_long_for_common_clients() -> None:
    """Of many datasets the versions are left out; a warning ends where there is no more room."""
    many = [a_view(dataset=f"dataset-{number:04}") for number in range(300)]
    assert "X-Series-Version" not in headers(an_answer(*many))
    warned = headers(an_answer(a_view(notice=Notice("Zürich. " * 900, "old"))))
    shown = unquote(warned["X-Series-Warning"], errors="strict")
    assert len(warned["X-Series-Warning"]) <= 3_000
    assert shown.startswith("Zürich. Zürich.")
    assert shown.endswith("…")
