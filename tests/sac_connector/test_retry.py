"""The retry policy, as a table: what is sent again, how often, and after which wait."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    AccessDeniedError,
    BearerRefusedError,
    LoginPageError,
    ModelNotFoundError,
    QueryRefusedError,
    RateLimitedError,
    SourceAnswerError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
)
from app.sac_connector.retry import Retrier, RetryPolicy, retry_delay
from tests.fakes import START
from tests.sac_connector.rig import FakeTenant, Reply, Waits, a_page, connected, refusal

POLICY = RetryPolicy(attempts=4, base_s=0.5, longest_wait_s=60)
IN_NINE_SECONDS = format_datetime(START + timedelta(seconds=9), usegmt=True)
LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(400), QueryRefusedError),
        (refusal(400, "1402"), QueryRefusedError),
        (refusal(400, "3401"), AccessDeniedError),
        (refusal(401), BearerRefusedError),
        (refusal(403), AccessDeniedError),
        (refusal(403, "9999"), AccessDeniedError),
        (refusal(404), ModelNotFoundError),
        (refusal(404, "9999"), ModelNotFoundError),
        (refusal(400, "1305"), ModelNotFoundError),
        (refusal(406), QueryRefusedError),
        (refusal(414), QueryRefusedError),
        (refusal(500, "1205"), QueryRefusedError),
        (httpx.Response(204), SourceAnswerError),
        (httpx.Response(302, headers={"location": "/login"}), LoginPageError),
        (httpx.Response(200, html="<html>"), LoginPageError),
        (httpx.Response(200, text="ok"), SourceAnswerError),
        (httpx.UnsupportedProtocol("x"), SourceAnswerError),
    ],
    ids=lambda value: None,
)
async def test_what_would_fail_again_is_not_sent_again(
    reply: Reply, kind: type[SourceError]
) -> None:
    """A refusal is final: nothing but a renewed token is tried, and that once more in a moment."""
    tenant = FakeTenant([reply] * 3)
    async with connected(tenant, policy=POLICY) as rig:
        with pytest.raises(kind):
            await rig.get()
    refused = kind is BearerRefusedError
    assert rig.waits.seconds == [2] * refused
    assert len(tenant.asked) == 1 + (refused or kind is LoginPageError) + refused


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(408), SourceTimeoutError),
        (refusal(429), RateLimitedError),
        (refusal(429, "4290"), RateLimitedError),
        (refusal(429, retry_after="soon"), RateLimitedError),
        (refusal(500), SourceUnavailableError),
        (refusal(502), SourceUnavailableError),
        (httpx.Response(502, html="<html>gateway</html>"), SourceUnavailableError),
        (refusal(503), SourceUnavailableError),
        (refusal(504), SourceUnavailableError),
        (httpx.ConnectTimeout("x"), SourceTimeoutError),
        (httpx.ReadTimeout("x"), SourceTimeoutError),
        (httpx.WriteTimeout("x"), SourceTimeoutError),
        (httpx.PoolTimeout("x"), SourceTimeoutError),
        (httpx.ConnectError("Connection refused"), SourceUnreachableError),
        (httpx.ReadError("reset"), SourceUnreachableError),
        (httpx.RemoteProtocolError("incomplete"), SourceUnreachableError),
    ],
    ids=lambda value: None,
)
async def test_what_may_pass_is_sent_again_and_not_for_ever(
    reply: Reply, kind: type[SourceError]
) -> None:
    """A passing failure is tried again after a random wait that may double, and then reported."""
    tenant = FakeTenant([*[reply] * 3, a_page(), *[reply] * 4])
    async with connected(tenant, policy=POLICY) as rig:
        await rig.get()
        assert len(tenant.asked) == 4
        with pytest.raises(kind):
            await rig.get()
    assert len(tenant.asked) == 8
    assert len(rig.waits.seconds) == 6
    bounds = [0.5, 1.0, 2.0] * 2
    assert all(0 <= wait <= most for wait, most in zip(rig.waits.seconds, bounds, strict=True))


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("  7 ", 7.0),
        ("86400", 60.0),
        ("999999999", 60.0),
        (IN_NINE_SECONDS, 9.0),
        (LONG_AGO, 0.0),
        ("Sun, 31 Dec 2090 08:49:37 GMT", 60.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed_and_clamped(status: int, header: str, wait_s: float) -> None:
    """Seconds or a date, the tenant gets the wait it asks for, but never more than the longest."""
    tenant = FakeTenant([refusal(status, retry_after=header), a_page()])
    async with connected(tenant, policy=POLICY) as rig:
        await rig.get()
    assert rig.waits.seconds == [wait_s]


async def test_each_attempt_carries_the_bearer_of_its_own_moment() -> None:
    """A token that is due between two attempts is not sent a second time."""

    def slow(_: httpx.Request) -> httpx.Response:
        rig.clock.tick(timedelta(hours=1))
        return refusal(503)

    tenant = FakeTenant([slow, slow, a_page()])
    async with connected(tenant) as rig:
        await rig.get()
    assert tenant.bearers == ["tok-1", "tok-2", "tok-3"]


async def test_a_token_endpoint_that_fails_in_passing_is_asked_again() -> None:
    """The retries cover the login of a request too."""
    tenant = FakeTenant([a_page()], [refusal(429, retry_after="3"), httpx.ReadTimeout("x")])
    async with connected(tenant) as rig:
        await rig.get()
    assert rig.waits.seconds[0] == 3.0
    assert (len(tenant.logins), len(tenant.asked)) == (3, 1)


async def test_a_single_attempt_is_never_repeated() -> None:
    """With one attempt allowed, the first failure is the last."""
    tenant = FakeTenant([refusal(503)])
    async with connected(tenant, policy=RetryPolicy(attempts=1)) as rig:
        with pytest.raises(SourceUnavailableError, match=r"not available \(503\)"):
            await rig.get()
    assert rig.waits.seconds == []


@given(
    asked=st.floats(0, 1e9),
    longest=st.floats(0, 600),
    failures=st.integers(0, 6),
    attempts=st.integers(1, 6),
)
async def test_attempts_and_waits_are_bounded(
    asked: float, longest: float, failures: int, attempts: int
) -> None:
    """Whatever is asked for: no wait is longer than the longest, no try is one too many."""
    waits, calls = Waits(), []

    async def request() -> str:
        calls.append(1)
        if len(calls) <= failures:
            raise RateLimitedError("Too many.", retry_after_s=asked)
        return "done"

    retrier = Retrier(RetryPolicy(attempts, 0.5, longest), waits)
    if failures < attempts:
        assert await retrier.call(request) == "done"
    else:
        with pytest.raises(RateLimitedError):
            await retrier.call(request)
    assert len(calls) == min(failures + 1, attempts)
    assert waits.seconds == [min(asked, longest)] * (len(calls) - 1)
    assert retrier.retries == len(calls) - 1


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (ValueError("a bug of ours"), False),
        (BearerRefusedError("x"), False),
        (SourceTimeoutError("x"), True),
        (RateLimitedError("x"), True),
        (RateLimitedError("x", retry_after_s=0), 0.0),
        (SourceUnavailableError("x", status=503, retry_after_s=4), 4.0),
    ],
    ids=lambda value: None,
)
def test_the_policy_is_one_function(error: Exception, delay: bool | float) -> None:
    """Never, after a random wait, or after the wait that the tenant named."""
    assert retry_delay(error) == delay
    assert type(retry_delay(error)) is type(delay)
