"""The login: one request at a time, renewed in time, and silent about its secrets."""

from __future__ import annotations

import asyncio
import base64
import gzip
import traceback
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    BearerRefusedError,
    ConfigError,
    CredentialsRefusedError,
    GrantMissingError,
    GrantRefusedError,
    HostNotFoundError,
    IdentityZoneError,
    LoginPageError,
    ProxyLoginError,
    RateLimitedError,
    SourceAnswerError,
    SourceError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
    TokenEndpointError,
    UnsafeLinkError,
)
from app.sac_connector.auth import Credentials, Token, TokenProbe
from app.sac_connector.pull import PullLimits
from app.sac_connector.retry import RetryPolicy
from app.sac_connector.wire import origin
from tests.fakes import START
from tests.sac_connector.rig import (
    CLIENT_ID,
    PAGE_URL,
    SECRET,
    TENANT_URL,
    TOKEN_URL,
    FakeTenant,
    Reply,
    a_jwt,
    a_page,
    a_token,
    connected,
    refusal,
    turns,
)

ONCE = RetryPolicy(attempts=1)
LOGIN_PAGE = httpx.Response(200, html="<html>Sign in at SAP</html>")


def oauth(status: int, error: str, description: str) -> httpx.Response:
    """Return an error as UAA words it."""
    return httpx.Response(status, json={"error": error, "error_description": description})


async def test_the_pair_is_sent_raw_in_basic_and_the_grant_in_the_form() -> None:
    """The token endpoint gets the pair as Basic, not percent-encoded, and the grant as a form."""
    tenant = FakeTenant()
    async with connected(tenant) as rig:
        token = await rig.tokens.token()
    [request] = tenant.logins
    scheme, _, pair = request.headers["authorization"].partition(" ")
    assert (request.method, scheme) == ("POST", "Basic")
    assert base64.b64decode(pair).decode() == f"{CLIENT_ID}:{SECRET}"
    assert parse_qs(request.content.decode()) == {"grant_type": ["client_credentials"]}
    assert (token.value, rig.seen_tokens, rig.tokens.issued) == ("tok-1", ["tok-1"], 1)


async def test_callers_that_come_together_share_one_request() -> None:
    """Twenty callers at once cause one token request and get the same token."""
    tenant = FakeTenant()
    tenant.gate = asyncio.Event()
    async with connected(tenant) as rig:
        callers = [asyncio.create_task(rig.tokens.token()) for _ in range(20)]
        await turns()
        tenant.gate.set()
        tokens = await asyncio.gather(*callers)
    assert len(tenant.logins) == 1
    assert len({id(token) for token in tokens}) == 1


async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others() -> None:
    """The first caller, whose request it is, is cancelled: the others get their token all the same.

    Nor does a second request go out.
    """
    tenant = FakeTenant()
    tenant.gate = asyncio.Event()
    async with connected(tenant) as rig:
        first, second, third = (asyncio.create_task(rig.tokens.token()) for _ in range(3))
        await turns()
        first.cancel()
        await turns()
        tenant.gate.set()
        tokens = await asyncio.gather(second, third)
    assert first.cancelled()
    assert [token.value for token in tokens] == ["tok-1", "tok-1"]
    assert len(tenant.logins) == 1


async def test_a_token_that_nobody_waits_for_any_more_is_kept() -> None:
    """When all callers have gone, the token that still arrives serves the next one."""
    tenant = FakeTenant()
    tenant.gate = asyncio.Event()
    async with connected(tenant) as rig:
        lonely = asyncio.create_task(rig.tokens.token())
        await turns()
        lonely.cancel()
        tenant.gate.set()
        await turns()
        assert (await rig.tokens.token()).value == "tok-1"
    assert len(tenant.logins) == 1


@pytest.mark.parametrize("cancelled", [False, True], ids=["awaited", "cancelled"])
async def test_a_failure_is_shared_and_the_next_call_tries_again(cancelled: bool) -> None:
    """All who wait see the failure of the one request; whoever comes later causes a new one.

    A failure that nobody sees any more ends without a warning.
    """
    tenant = FakeTenant(login=[refusal(503)])
    tenant.gate = asyncio.Event()
    async with connected(tenant) as rig:
        callers = [asyncio.create_task(rig.tokens.token()) for _ in range(3)]
        await turns()
        if cancelled:
            _ = [caller.cancel() for caller in callers]
            await turns()
        tenant.gate.set()
        seen = await asyncio.gather(*callers, return_exceptions=True)
        expected = asyncio.CancelledError if cancelled else SourceUnavailableError
        assert [type(one) for one in seen] == [expected] * 3
        await turns()
        assert (await rig.tokens.token()).value == "tok-2"
    assert len(tenant.logins) == 2


@pytest.mark.parametrize(
    ("lifetime_s", "margin_s"), [(43_199, 60), (3_600, 60), (600, 60), (100, 10), (1, 0.1)]
)
async def test_a_token_is_renewed_before_it_expires(lifetime_s: int, margin_s: float) -> None:
    """It is kept until a minute, or a tenth of its life, before it expires, and then renewed."""
    tenant = FakeTenant(login=[a_token(expires_in=lifetime_s)])
    async with connected(tenant) as rig:
        token = await rig.tokens.token()
        assert token.expires_at == START + timedelta(seconds=lifetime_s)
        rig.clock.tick(timedelta(seconds=lifetime_s - margin_s, microseconds=-1))
        assert await rig.tokens.token() is token
        rig.clock.tick(timedelta(microseconds=1))
        assert rig.tokens.current is None
        assert (await rig.tokens.token()).value == "tok-2"
    assert len(tenant.logins) == 2


@pytest.mark.parametrize(
    ("body", "lifetime_s"),
    [
        ('{"access_token":"a.b-c_d~e+f/g=="}', 300),
        ('{"access_token":"a","expires_in":null}', 300),
        ('{"access_token":"a","expires_in":"3599"}', 3599),
        ('{"access_token":"a","expires_in":3599.5,"scope":["x"],"jti":{"deep":[1]}}', 3599.5),
    ],
    ids=["absent", "null", "text", "fraction"],
)
async def test_a_lifetime_may_be_absent_or_a_text(body: str, lifetime_s: float) -> None:
    """Without a lifetime a token lives five minutes; one that is written as a text counts."""
    async with connected(FakeTenant(login=[httpx.Response(200, text=body)])) as rig:
        token = await rig.tokens.token()
    assert token.expires_at - START == timedelta(seconds=lifetime_s)


@pytest.mark.parametrize(
    "body",
    [
        '{"access_token":"leaked-a","expires_in":0}',
        '{"access_token":"leaked-a","expires_in":-1}',
        '{"access_token":"leaked-a","expires_in":1e15}',
        '{"access_token":"leaked-a","expires_in":1e400}',
        '{"access_token":"leaked-a","expires_in":1E-9999999}',
        '{"access_token":"leaked-a","expires_in":' + "9" * 5_000 + "}",
        '{"access_token":"leaked-a","expires_in":"NaN"}',
        '{"access_token":"leaked-a","expires_in":"inf"}',
        '{"access_token":"leaked-a","expires_in":"soon"}',
        '{"access_token":"leaked-a","expires_in":[3600]}',
        '{"access_token":"leaked-a\\nX-Injected: 1","expires_in":3600}',
        '{"access_token":"leaked-a leaked-b","expires_in":3600}',
        '{"access_token":"leaked-\u00e4","expires_in":3600}',
        '{"access_token":"","expires_in":3600}',
        '{"access_token":null,"expires_in":3600}',
        '{"access_token":17,"expires_in":3600}',
        '{"expires_in":3600}',
        '["leaked-a"]',
        '{"access_token":"leaked-a",}',
        '{"access_token":"leaked-a","deep":' + "[" * 100_000 + "}",
        "leaked-a",
    ],
    ids=lambda body: body[:60],
)
async def test_an_answer_without_a_usable_token_is_refused_and_not_quoted(body: str) -> None:
    """No token, one that fits no header, or a lifetime that makes no sense: refused, not shown."""
    async with connected(FakeTenant([a_page()], [httpx.Response(200, text=body)])) as rig:
        with pytest.raises(TokenEndpointError) as caught:
            await rig.get()
    assert str(caught.value) == (
        "The token endpoint answered without a usable token. Copy the Token URL from System > "
        "Administration > App Integration into SAC_TOKEN_URL."
    )
    assert "leaked" not in "".join(traceback.format_exception(caught.value))


REFUSED = "refused the client credentials. Check SAC_CLIENT_ID and "
GRANT = "does not allow this OAuth client the client-credentials grant. Create an OAuth client"
LOST = "saw no grant type in the login: what was sent did not arrive whole. Check that SAC_TOKEN"
ELSEWHERE = "SAC_TOKEN_URL does not lead to the token endpoint of a tenant (it answered "


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (oauth(401, "invalid_client", "Bad credentials"), CredentialsRefusedError, REFUSED),
        (oauth(401, "unauthorized", "Bad credentials"), CredentialsRefusedError, REFUSED),
        (httpx.Response(401), CredentialsRefusedError, REFUSED),
        (oauth(403, "forbidden", "no"), CredentialsRefusedError, REFUSED),
        (oauth(401, "unauthorized_client", "no"), GrantRefusedError, GRANT),
        (oauth(400, "unauthorized_client", "no"), GrantRefusedError, GRANT),
        (oauth(400, "unsupported_grant_type", "no"), GrantRefusedError, GRANT),
        (oauth(401, "invalid_client", "Unauthorized grant type: x"), GrantRefusedError, GRANT),
        (oauth(400, "invalid_request", "Missing grant type"), GrantMissingError, LOST),
        (oauth(401, "unauthorized", "grant_type is required"), GrantMissingError, LOST),
        (
            httpx.Response(200, html="<html>maps to no valid Identity Zone</html>"),
            IdentityZoneError,
            "SAC_TOKEN_URL names a tenant that SAP does not know (200 with a web page). Copy",
        ),
        (
            httpx.Response(404, html="<html>No identity zone</html>"),
            IdentityZoneError,
            "SAC_TOKEN_URL names a tenant that SAP does not know (404 with a web page). Copy",
        ),
        (LOGIN_PAGE, TokenEndpointError, f"{ELSEWHERE}200 with a web page)"),
        (
            httpx.Response(200, html="<html>Welcome to our hotel</html>"),
            TokenEndpointError,
            "A web page that is not from SAP Analytics Cloud came (200): a proxy or the network",
        ),
        (httpx.Response(403, text="no"), TokenEndpointError, f"{ELSEWHERE}403)"),
        (httpx.Response(200, json={"error": "invalid_client"}), CredentialsRefusedError, REFUSED),
        (
            httpx.Response(407),
            ProxyLoginError,
            "A proxy on the way wants user and password (407). Write them into HTTPS_PROXY as",
        ),
        (
            httpx.Response(200, text='{"access_token":"tok'),
            SourceUnreachableError,
            "The answer of login.example does not end as it should: it was cut off.",
        ),
        (httpx.Response(200), SourceUnreachableError, "The answer of login.example is empty."),
        (
            httpx.Response(200, content=gzip.compress(b"{}")),
            SourceAnswerError,
            "The answer of login.example is still compressed: twice, or it does not say how. Check",
        ),
        (httpx.Response(404, json={}), TokenEndpointError, f"{ELSEWHERE}404)"),
        (httpx.Response(405, json={}), TokenEndpointError, f"{ELSEWHERE}405)"),
        (httpx.Response(204), TokenEndpointError, f"{ELSEWHERE}204)"),
        (
            httpx.Response(302, headers={"location": "https://foreign.example/"}),
            TokenEndpointError,
            f"{ELSEWHERE}302, a redirect to foreign.example)",
        ),
        (httpx.Response(408), SourceTimeoutError, "The token endpoint gave up waiting (408)."),
        (
            httpx.Response(429, headers={"retry-after": "7"}),
            RateLimitedError,
            "The token endpoint asks for fewer requests (429).",
        ),
        (httpx.Response(500), SourceUnavailableError, "The token endpoint is not available (500)."),
        (
            httpx.Response(503, html="<html>gateway</html>"),
            SourceUnavailableError,
            "The token endpoint is not available (503).",
        ),
        (
            httpx.ConnectError("[Errno -2] Name or service not known"),
            HostNotFoundError,
            "login.example cannot be reached: the host name is not known. Check SAC_TOKEN_URL",
        ),
        (
            httpx.ConnectError("All connection attempts failed"),
            SourceUnreachableError,
            "login.example cannot be reached: there is no connection. Check SAC_TOKEN_URL",
        ),
        (
            httpx.ReadTimeout("slow"),
            SourceTimeoutError,
            "No answer from login.example in time.",
        ),
        (
            httpx.ConnectTimeout("slow"),
            SourceTimeoutError,
            "No connection to login.example:443 in time. Check SAC_TOKEN_URL",
        ),
    ],
    ids=lambda value: None,
)
async def test_each_failure_of_the_token_endpoint_has_its_class_and_words(
    reply: Reply, kind: type[SourceError], words: str
) -> None:
    """What goes wrong at the token endpoint is named, with the step that mends it."""
    tenant = FakeTenant([a_page()], [reply])
    async with connected(tenant, policy=ONCE) as rig:
        with pytest.raises(kind) as caught:
            await rig.get()
    assert words in str(caught.value)
    assert type(caught.value) is kind
    assert not tenant.asked


async def test_a_redirect_of_the_token_endpoint_is_not_followed() -> None:
    """Even a client that follows redirects sends neither pair nor token to where they lead."""
    away = httpx.Response(307, headers={"location": "https://foreign.example/oauth/token"})
    tenant = FakeTenant([away, away], [away])
    async with connected(tenant, follow_redirects=True) as rig:
        with pytest.raises(TokenEndpointError):
            await rig.tokens.token()
        with pytest.raises(LoginPageError):
            await rig.get()
    assert {request.url.host for request in tenant.requests} == {
        "login.example",
        "tenant.example",
    }


@pytest.mark.parametrize(
    "refused",
    [refusal(401), httpx.Response(401), LOGIN_PAGE, httpx.Response(302)],
    ids=["401", "empty 401", "web page", "redirect"],
)
async def test_a_refused_token_is_renewed_once_and_the_same_page_asked_again(
    refused: httpx.Response,
) -> None:
    """A token that the tenant no longer takes is replaced, without a wait, and the page comes."""
    tenant = FakeTenant([refused, a_page()])
    async with connected(tenant) as rig:
        await rig.get()
    assert tenant.bearers == ["tok-1", "tok-2"]
    assert [str(request.url) for request in tenant.asked] == [PAGE_URL] * 2
    assert rig.waits.seconds == []


async def test_a_second_web_page_is_final() -> None:
    """A fresh token that is answered with a web page too ends the pull, without a wait."""
    tenant = FakeTenant([LOGIN_PAGE, LOGIN_PAGE])
    async with connected(tenant) as rig:
        with pytest.raises(LoginPageError):
            await rig.get()
    assert tenant.bearers == ["tok-1", "tok-2"]
    assert rig.waits.seconds == []


async def test_a_new_token_that_is_refused_is_shown_once_more_in_a_moment() -> None:
    """It may not be valid yet, by the tenant's clock: after a short wait it is taken."""
    tenant = FakeTenant([refusal(401), refusal(401), a_page()])
    async with connected(tenant) as rig:
        await rig.get()
    assert tenant.bearers == ["tok-1", "tok-2", "tok-2"]
    assert rig.waits.seconds == [2]


async def test_a_third_refusal_is_final() -> None:
    """Three requests, two tokens, one short wait; nothing is said of clocks that nobody knows."""
    tenant = FakeTenant([refusal(401)] * 3)
    async with connected(tenant) as rig:
        with pytest.raises(BearerRefusedError, match="issued a moment ago") as caught:
            await rig.get()
    assert tenant.bearers == ["tok-1", "tok-2", "tok-2"]
    assert rig.waits.seconds == [2]
    assert "clock" not in str(caught.value)


async def test_clocks_that_differ_are_told_as_the_reason() -> None:
    """The token says when it begins, the answer what time it is: not the tenant's address is wrong.

    The wait is as long as the two differ, but never long.
    """
    fresh = a_jwt(iat=START.timestamp(), exp=START.timestamp() + 3600)
    behind = format_datetime(START - timedelta(seconds=40), usegmt=True)
    tenant = FakeTenant([refusal(401, date=behind)] * 3, [a_token(fresh), a_token(fresh)])
    async with connected(tenant) as rig:
        with pytest.raises(BearerRefusedError) as caught:
            await rig.get()
    assert rig.waits.seconds == [10]
    assert (
        "(401). The token is valid from 14:05:00 UTC, and the tenant's clock says 14:04:20: "
        in (str(caught.value))
    )


async def test_a_byte_order_mark_before_the_token_does_no_harm() -> None:
    """Some gateways put one before JSON."""
    marked = httpx.Response(200, content=b"\xef\xbb\xbf" + a_token("tok-x").content)
    async with connected(FakeTenant(login=[marked])) as rig:
        assert (await rig.tokens.token()).value == "tok-x"


async def test_credentials_are_asked_for_at_each_login() -> None:
    """A secret that was replaced counts from the next login on, and no probe waits for it."""
    secrets, tenant = ["old"], FakeTenant(login=[oauth(401, "invalid_client", "Bad credentials")])

    def credentials() -> Credentials:
        if not secrets:
            raise ConfigError(())
        return Credentials(TOKEN_URL, CLIENT_ID, secrets[-1])

    async with connected(tenant, credentials=credentials) as rig:
        probe = TokenProbe(rig.tokens, rig.clock)
        assert (await probe.check()).code == "credentials_refused"
        assert (await probe.check()).code == "credentials_refused"
        assert len(tenant.logins) == 1
        secrets.clear()
        assert (await probe.check()).code == "configuration"
        secrets.append("new")
        assert (await probe.check()).ok
    shown = [one.headers["authorization"].partition(" ")[2] for one in tenant.logins]
    assert [base64.b64decode(pair).decode() for pair in shown] == [
        f"{CLIENT_ID}:old",
        f"{CLIENT_ID}:new",
    ]


async def test_requests_that_are_refused_together_share_one_renewal() -> None:
    """Five pages refused at once cause one new token, not five."""
    tenant = FakeTenant([*[refusal(401)] * 5, *[a_page()] * 5])
    async with connected(tenant, limits=PullLimits(parallel=5)) as rig:
        await asyncio.gather(*(rig.get() for _ in range(5)))
    assert sorted(set(tenant.bearers)) == ["tok-1", "tok-2"]
    assert len(tenant.logins) == 2


async def test_a_token_that_was_replaced_meanwhile_is_not_discarded() -> None:
    """A late refusal of an old token leaves the new one alone."""
    async with connected(FakeTenant()) as rig:
        old = await rig.tokens.token()
        rig.tokens.discard(old)
        new = await rig.tokens.token()
        rig.tokens.discard(old)
        assert rig.tokens.current is new


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=st.sampled_from(["tenant.example", "tenant.example.evil.example", "evil.example"]),
    port=st.sampled_from(["", ":443", ":80", ":8443"]),
)
async def test_nothing_is_sent_to_another_origin(scheme: str, host: str, port: str) -> None:
    """A request to another scheme, host or port is stopped before even a token is fetched."""
    url = f"{scheme}://{host}{port}/api/v1/dataexport/x"
    tenant = FakeTenant([a_page()])
    async with connected(tenant) as rig:
        if origin(url) == origin(TENANT_URL):
            await rig.get(url)
            return
        with pytest.raises(UnsafeLinkError, match="no token was sent"):
            await rig.get(url)
    assert not tenant.requests


async def test_no_text_of_the_login_shows_a_secret() -> None:
    """Credentials, tokens and what holds them may be printed."""
    async with connected(FakeTenant()) as rig:
        token = await rig.tokens.token()
    credentials = Credentials(TOKEN_URL, CLIENT_ID, SECRET)
    assert isinstance(token, Token)
    shown = "".join(f"{one!r}{one}" for one in (credentials, token, rig.tokens, rig.auth))
    assert SECRET not in shown
    assert "tok-1" not in shown
    assert TOKEN_URL in shown


async def test_the_probe_asks_once_and_then_reports_the_kept_token() -> None:
    """Many checks of a login that works cost one request, and keep the time it was made."""
    tenant = FakeTenant()
    async with connected(tenant) as rig:
        probe = TokenProbe(rig.tokens, rig.clock)
        for _ in range(10):
            status = await probe.check()
            rig.clock.tick(timedelta(minutes=1))
    assert (status.ok, status.code, status.checked_at) == (True, None, START)
    assert status.expires_at == START + timedelta(hours=1)
    assert len(tenant.logins) == 1


async def test_the_probe_does_not_hammer_a_login_that_is_refused() -> None:
    """A failure is reported for half a minute without asking again, and never raised."""
    tenant = FakeTenant(login=[oauth(401, "invalid_client", "Bad credentials")] * 2)
    async with connected(tenant) as rig:
        probe = TokenProbe(rig.tokens, rig.clock)
        seen = []
        for _ in range(30):
            seen.append(await probe.check())
            rig.clock.tick(timedelta(seconds=1))
        assert len(tenant.logins) == 1
        assert {(one.ok, one.code) for one in seen} == {(False, "credentials_refused")}
        assert "Check SAC_CLIENT_ID" in seen[0].detail
        assert not (await probe.check()).ok
        rig.clock.tick(timedelta(seconds=30))
        assert (await probe.check()).ok
    assert len(tenant.logins) == 3


async def test_a_slow_failure_counts_from_its_end() -> None:
    """A login that timed out after minutes is not asked again at once."""

    def late(_: httpx.Request) -> httpx.Response:
        rig.clock.tick(timedelta(minutes=2))
        raise httpx.ReadTimeout("slow")

    tenant = FakeTenant(login=[late])
    async with connected(tenant) as rig:
        probe = TokenProbe(rig.tokens, rig.clock)
        first = await probe.check()
        assert await probe.check() is first
    assert first.checked_at == START + timedelta(minutes=2)
    assert len(tenant.logins) == 1


async def test_the_probe_believes_a_token_that_a_pull_got_meanwhile() -> None:
    """After a failure, a token that came since is reported at once, without a request."""
    tenant = FakeTenant(login=[httpx.Response(503)])
    async with connected(tenant) as rig:
        probe = TokenProbe(rig.tokens, rig.clock)
        assert not (await probe.check()).ok
        await rig.tokens.token()
        assert (await probe.check()).ok
    assert len(tenant.logins) == 2


async def test_checks_that_come_together_share_one_request() -> None:
    """Ten checks at once of a login that fails cause one request."""
    tenant = FakeTenant(login=[httpx.Response(503)])
    tenant.gate = asyncio.Event()
    async with connected(tenant) as rig:
        probe = TokenProbe(rig.tokens, rig.clock)
        checks = [asyncio.create_task(probe.check()) for _ in range(10)]
        await turns()
        tenant.gate.set()
        assert {(await check).code for check in checks} == {"source_unavailable"}
    assert len(tenant.logins) == 1
