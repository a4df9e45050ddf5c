"""What goes wrong on the wire has one translation each, and none quotes a body."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import SeriesError, SourceError
from app.sac_connector.faults import (
    CLIENT_ERRORS,
    Answer,
    ClientError,
    error_number,
    export_fault,
    retry_after_s,
    token_fault,
    transport_fault,
)
from app.sac_connector.retry import RetryPolicy
from tests.fakes import START
from tests.sac_connector.rig import PAGE_URL, TOKEN_URL, FakeTenant, a_page, as_json, connected

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
        },
    ),
    BODIES,
)


def exception_classes() -> list[type[Exception]]:
    """Return every class of exception that httpx shows, in a fixed order."""
    kinds = (kind for kind in vars(httpx).values() if isinstance(kind, type))
    found = {kind for kind in kinds if issubclass(kind, Exception)}
    return sorted(found, key=lambda kind: kind.__name__)


def an_error(kind: type[Exception]) -> Exception:
    """Return an exception of a class, however its arguments are called."""
    request = httpx.Request("GET", PAGE_URL)
    if issubclass(kind, httpx.HTTPStatusError):
        return kind(MARK, request=request, response=httpx.Response(500, request=request))
    return kind() if kind in WITHOUT_TEXT else kind(MARK)


WITHOUT_TEXT = {
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.ResponseNotRead,
    httpx.RequestNotRead,
}
ALL_CLIENT_ERRORS = [
    error for error in map(an_error, exception_classes()) if isinstance(error, CLIENT_ERRORS)
]


def test_the_walk_sees_every_class_of_the_client() -> None:
    """Each exception of httpx hangs below a root that the connector catches, so none is missed."""
    assert [type(error) for error in ALL_CLIENT_ERRORS] == exception_classes()
    assert len(ALL_CLIENT_ERRORS) >= 28


@pytest.mark.parametrize("error", ALL_CLIENT_ERRORS, ids=lambda error: type(error).__name__)
async def test_no_exception_of_the_client_leaves_the_connector(error: Exception) -> None:
    """Whatever httpx raises, at a page or at the login, comes out as a source error."""
    once = RetryPolicy(attempts=1)
    async with connected(FakeTenant([error]), policy=once) as rig:
        with pytest.raises(SourceError) as at_page:
            await rig.get()
    async with connected(FakeTenant([a_page()], [error]), policy=once) as rig:
        with pytest.raises(SourceError) as at_login:
            await rig.tokens.token()
    for caught, host in ((at_page, "tenant.example"), (at_login, "login.example")):
        assert caught.value.__cause__ is error
        assert MARK not in str(caught.value)
        assert host in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "the connection was refused"),
        (httpx.ConnectError("nodename nor servname provided"), "the host name is not known"),
        (httpx.ConnectError("getaddrinfo failed"), "the host name is not known"),
        (httpx.ConnectError("All connection attempts failed"), "there is no connection"),
        (httpx.ReadError(""), "broke before the answer was whole"),
        (httpx.DecodingError("bad gzip"), "broke before the answer was whole"),
        (httpx.TooManyRedirects(""), "redirects without end"),
        (httpx.InvalidURL(""), "cannot be asked"),
        (httpx.LocalProtocolError(""), "cannot be asked"),
        (httpx.ConnectError("CERTIFICATE_VERIFY_FAILED"), "SSL_CERT_FILE"),
        (httpx.ConnectTimeout(""), "No connection from tenant.example in time"),
        (httpx.PoolTimeout(""), "No answer from tenant.example in time"),
    ],
    ids=lambda value: None,
)
def test_a_broken_connection_is_told_in_words(error: ClientError, words: str) -> None:
    """The sentence says what happened and where, in our words on every platform."""
    assert words in str(transport_fault(error, PAGE_URL))
    assert "tenant.example" in str(transport_fault(error, PAGE_URL))


@pytest.mark.parametrize("depth", [1, 2])
def test_the_reason_is_found_behind_what_the_client_says(depth: int) -> None:
    """Several addresses were tried: the client says only that, and the reason hangs behind it."""
    refused: list[Exception] = [ConnectionRefusedError(111, "Connect call failed")] * 2
    cause = OSError("All connection attempts failed")
    cause.__cause__ = refused[0] if depth == 1 else ExceptionGroup("multiple", refused)
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = cause
    assert "the connection was refused" in str(transport_fault(error, PAGE_URL))


@given(st.sampled_from(ALL_CLIENT_ERRORS), st.text(max_size=30).map(lambda tail: f"http://{tail}"))
def test_an_address_that_is_none_hides_no_failure(error: ClientError, url: str) -> None:
    """Even for an address that cannot be read, the failure is translated."""
    assert isinstance(transport_fault(error, url), SourceError)


@pytest.mark.parametrize("url", ["http://[bad", "", "/path", "http://"])
def test_an_address_without_a_host_is_called_the_tenant(url: str) -> None:
    """No sentence speaks of a host named None."""
    assert "to the tenant broke" in str(transport_fault(httpx.ReadError(MARK), url))


@given(ANSWERS)
def test_every_answer_of_the_export_service_is_data_or_one_error(answer: Answer) -> None:
    """Only a 200 that is no web page passes, nothing else raises, and no body is quoted."""
    fault = export_fault(answer, START)
    assert (fault is None) == (answer.status == 200 and not answer.looks_like_html)
    assert fault is None or well_told(fault)


@given(ANSWERS)
def test_every_answer_of_the_token_endpoint_is_an_answer_or_one_error(answer: Answer) -> None:
    """Only a 200 that is no web page passes, nothing else raises, and no body is quoted."""
    fault = token_fault(answer, START)
    assert (fault is None) == (answer.status == 200 and not answer.looks_like_html)
    assert fault is None or well_told(fault)


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


@given(st.integers(0, 9999), st.text(max_size=150).filter(lambda text: "[" not in text))
def test_the_number_of_a_message_is_found_in_each_envelope(number: int, text: str) -> None:
    """The four digits in brackets count, in a plain message and in one with a language."""
    message = f"{text} [{number:04}]"
    for shape in (message, {"message": message}, {"message": {"value": message}}):
        assert error_number(as_json({"error": shape})) == number


@given(st.binary(max_size=60))
def test_a_body_that_is_no_error_has_no_number(body: bytes) -> None:
    """Anything at all may stand in a body."""
    assert error_number(body) is None


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"error": {"message": "[1111] then [2222]"}}, 2222),
        ({"error": {"message": "digits [123] or [12345] do not count"}}, None),
        ({"error": {"message": None}}, None),
        ({"error": None}, None),
        ({"error": {"code": "[1402]"}}, None),
        ({"message": "[1402]"}, None),
        ({"error": {"message": "x" * 5_000 + "[1205]"}}, 1205),
    ],
    ids=lambda value: None,
)
def test_only_the_last_number_of_the_message_counts(
    body: dict[str, object], number: int | None
) -> None:
    """The last four digits in brackets are the number, and other fields have none."""
    assert error_number(as_json(body)) == number


def test_an_answer_does_not_show_its_body() -> None:
    """The answer of the token endpoint may stand in a trace-back: its body holds the token."""
    assert MARK not in repr(Answer(200, {}, MARK.encode()))


def test_the_words_of_a_login_name_the_address_that_failed() -> None:
    """A login that breaks speaks of the login's host, not of the tenant's."""
    assert "login.example" in str(transport_fault(httpx.ReadError(""), TOKEN_URL))
