"""A token is checked once, wholly, and remembered no longer than it lasts."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from app.access import tokens
from app.access.callers import Role
from app.access.tokens import KEPT_FOR, looks_like_token
from app.errors import BadCredentialError, IssuerUnavailableError
from tests.access.rig import RULES, URL, Rig
from tests.issuer import claims_of, encoded


@pytest.fixture
def rig() -> Rig:
    """An issuer, and what checks its tokens."""
    return Rig()


async def test_a_token_tells_who_and_what(rig: Rig) -> None:
    """Name, roles and, where tokens are bound, datasets come from the claims."""
    rig = Rig(replace(RULES, datasets_claim="ds"))
    caller = await rig.verifier.check(rig.issuer.token("read monitor other", sub="bob", ds="cash"))
    assert caller.name == "token:bob"
    assert caller.datasets == frozenset({"cash"})
    assert caller.roles == {Role.READ, Role.MONITOR}


async def test_a_checked_token_is_known_until_it_ends(rig: Rig) -> None:
    """It is not checked again while it lasts, and never known beyond its end and the leeway."""
    now = int(time.time())
    token = rig.issuer.token(exp=now + 600)
    assert rig.verifier.known(token) is None
    caller = await rig.verifier.check(token)
    assert rig.verifier.known(token) == caller
    rig.clock.tick(timedelta(seconds=595))
    assert rig.verifier.known(token) == caller
    rig.clock.tick(RULES.leeway + timedelta(seconds=10))
    assert rig.verifier.known(token) is None


async def test_rotated_keys_end_what_was_known(rig: Rig) -> None:
    """A key that the issuer withdrew counts no more, also for tokens that were checked before."""
    old = rig.issuer.token()
    await rig.verifier.check(old)
    rig.issuer.issuer.rotate()
    await rig.verifier.check(rig.issuer.token())
    assert rig.verifier.known(old) is None
    with pytest.raises(BadCredentialError):
        await rig.verifier.check(old)


@pytest.mark.parametrize("exp", [4_000_000_000, 10**15, 1e18, "5000000000"])
async def test_an_end_beyond_all_calendars_is_bounded(rig: Rig, exp: object) -> None:
    """A token that lasts for ever is looked at again after an hour."""
    token = rig.issuer.token(exp=exp)
    caller = await rig.verifier.check(token)
    assert rig.verifier.known(token) == caller
    rig.clock.tick(KEPT_FOR + timedelta(seconds=1))
    assert rig.verifier.known(token) is None


async def test_no_more_are_remembered_than_fit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest makes room for the newest."""
    monkeypatch.setattr(tokens, "TOKENS_KEPT", 3)
    issued = [rig.issuer.token(jti=str(number), algorithm="ES256") for number in range(5)]
    for token in issued:
        await rig.verifier.check(token)
    assert [rig.verifier.known(token) is not None for token in issued] == [False] * 2 + [True] * 3


async def test_refusals_are_not_remembered_and_not_explained(rig: Rig) -> None:
    """The log names the reason, the caller is told none, and neither holds the token."""
    token = rig.issuer.token(aud="payroll")
    with capture_logs() as lines, pytest.raises(BadCredentialError) as error:
        await rig.verifier.check(token)
    assert "audience" not in str(error.value)
    (line,) = [line for line in lines if line["event"] == "token_refused"]
    assert line["reason"] == "it is for another audience"
    assert token not in str(lines)
    assert rig.verifier.known(token) is None


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_only_listed_algorithms_count(algorithm: str) -> None:
    """What the settings do not list is refused, although the key would fit."""
    rig = Rig(replace(RULES, algorithms=("RS256",)))
    token = rig.issuer.token(algorithm=algorithm)
    if algorithm == "RS256":
        assert (await rig.verifier.check(token)).roles
        return
    with pytest.raises(BadCredentialError):
        await rig.verifier.check(token)
    assert rig.issuer.asked == []


@pytest.mark.parametrize(
    "token",
    ["", "a", "..", "a.b.c", "e30.e30.", f"{encoded({'alg': ['RS256']})}.e30.", "[" * 50 + ".."],
)
async def test_any_text_is_refused_without_asking_anybody(rig: Rig, token: str) -> None:
    """Nonsense costs no request to the issuer."""
    with pytest.raises(BadCredentialError):
        await rig.verifier.check(token)
    assert rig.issuer.asked == []


async def test_a_small_key_is_too_small(rig: Rig) -> None:
    """A signature that a laptop can forge is none, even if the issuer publishes its key."""
    private = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - the point of it
    signing = rig.issuer.issuer.keys["RS256"]
    signing.private = private
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims_of(URL), private, "RS256", headers={"kid": signing.id})
    with pytest.raises(BadCredentialError):
        await rig.verifier.check(token)


async def test_a_token_that_cannot_be_checked_is_not_refused(rig: Rig) -> None:
    """An issuer that is down is not the caller's fault."""
    rig.issuer.down = True
    with pytest.raises(IssuerUnavailableError):
        await rig.verifier.check(rig.issuer.token())


@pytest.mark.parametrize(("text", "may_be"), [("a.b.c", True), ("a.b", False), ("a.b.c.d", False)])
def test_a_jwt_has_three_parts(text: str, may_be: bool) -> None:
    """Another number of parts is no token of ours, and is not looked at."""
    assert looks_like_token(text) == may_be
