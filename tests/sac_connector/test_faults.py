"""What goes wrong on the wire has one translation each, and none quotes a body."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SeriesError
from app.sac_connector.faults import (
    JSON,
    XML,
    data_fault,
    export_fault,
    retry_after_s,
    token_fault,
)
from app.sac_connector.http_answer import Answer
from tests.fakes import START
from tests.sac_connector.rig import PAGE_URL, TOKEN_URL, as_json

MARK = "do-not-quote-me"
BODIES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda message: as_json({"error": {"code": MARK, "message": message}}),
        st.one_of(
            st.text(max_size=20),
            st.from_regex(r"x \[\d{4}\]", fullmatch=True),
            st.just({"lang": "en", "value": "x [1402]"}),
            st.none(),
            st.lists(st.integers(), max_size=2),
        ),
    ),
    st.builds(
        lambda error: as_json({"error": error, "error_description": MARK}),
        st.sampled_from(["invalid_client", "unauthorized_client", 7, None]),
    ),
    st.sampled_from([b"[" * 100_000, b'{"error":' * 50_000, b"<html>", b"\xef\xbb\xbf{}"]),
)
ANSWERS = st.builds(
    Answer,
    st.integers(200, 599),
    st.fixed_dictionaries(
        {},
        optional={
            "content-type": st.sampled_from(["application/json", "text/html", "", "text/xml"]),
            "retry-after": st.text(max_size=12),
            "location": st.one_of(st.text(max_size=30), st.just(f"https://x/{MARK}")),
            "www-authenticate": st.sampled_from(["Bearer", "Negotiate", f"NTLM {MARK}"]),
        },
    ),
    BODIES,
    st.sampled_from(["", PAGE_URL, TOKEN_URL, "http://127.0.0.1:1/api"]),
)


@given(ANSWERS)
def test_every_answer_of_the_export_service_is_data_or_one_error(answer: Answer) -> None:
    """Only a 200 that is no web page and no error passes, and no body is quoted."""
    fault = export_fault(answer, START)
    good = answer.status == 200 and not answer.looks_like_html and not answer.reports_error
    assert (fault is None) == good
    assert fault is None or well_told(fault)


@given(ANSWERS)
def test_every_answer_of_the_token_endpoint_is_an_answer_or_one_error(answer: Answer) -> None:
    """Only a 200 that is no web page may pass, nothing else raises, and no body is quoted."""
    fault = token_fault(answer, START)
    assert fault is not None or (answer.status == 200 and not answer.looks_like_html)
    assert fault is None or well_told(fault)


@given(ANSWERS, st.sampled_from([JSON, XML]))
def test_whatever_a_body_is_it_is_data_or_one_error(answer: Answer, kind: str) -> None:
    """What is passed on at least begins as its kind does, and no body is quoted."""
    fault = data_fault(answer, kind)
    assert fault is None or well_told(fault)
    assert fault is not None or answer.begin[:1] in ({"{", "["} if kind == JSON else {"<"})


def well_told(fault: SeriesError) -> bool:
    """Whether an error has two whole sentences that quote nothing."""
    sentences = (fault.problem, fault.next_step)
    return MARK not in str(fault) and all(
        text.endswith(".") and len(text) > 9 for text in sentences
    )


@given(st.integers(0, 10**9 - 1))
def test_seconds_come_back_as_they_are(seconds: int) -> None:
    """A number of seconds is read as that number."""
    assert retry_after_s(str(seconds), START) == seconds


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_a_date_becomes_the_seconds_until_then(moment: datetime) -> None:
    """A date ahead is the way to it, a date gone by is no wait."""
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    expected = max(0.0, (moment - START) / timedelta(seconds=1))
    assert retry_after_s(format_datetime(moment, usegmt=True), START) == expected


@given(st.one_of(st.none(), st.text(max_size=40), st.from_regex(r"\w{3}, \d+ Nov \d+ \d+:\d+")))
def test_no_header_is_too_odd_to_read(header: str | None) -> None:
    """Any other header is no wait at all, or one that is not negative."""
    wait = retry_after_s(header, START)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("1E-9999999", None),
        ("9" * 5_000, None),
        ("Sun, 22 Nov 99999999999999 00:00:00 GMT", None),
        ("Sat, 21 Nov 2026 14:05:30", 30.0),
        ("Sat, 21 Nov 2026 14:05:30 -0000", 30.0),
        ("Sat, 21 Nov 2026 15:05:30 +0100", 30.0),
        ("Saturday, 21-Nov-26 14:05:30 GMT", 30.0),
    ],
)
def test_odd_headers(header: str | None, wait_s: float | None) -> None:
    """What is no wait is none; a date without a zone counts as UTC."""
    assert retry_after_s(header, START) == wait_s
