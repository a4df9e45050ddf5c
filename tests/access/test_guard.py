"""The guard lets in whom it knows, counts the others, and never says what was wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from limits import parse

from app.access.callers import ANYONE, EVERY_ROLE, READERS, REFRESHERS, Caller, Role
from app.access.guard import OPEN, Guard, Headers, admit
from app.access.keyfile import WatchedKeys, changing
from app.access.keys import KeyRing
from app.access.limiting import Bucket, Limiter
from app.errors import (
    BadCredentialError,
    ConfigError,
    ForbiddenError,
    LoginRequiredError,
    TooManyRequestsError,
)
from tests.access.rig import Rig, a_key, stored, yesterday
from tests.access.test_keyfile import entry

KEY = a_key("one")
TWO = parse("2/hour")


def key_header(text: str) -> Headers:
    """Return headers with a key."""
    return [(b"x-api-key", text.encode())]


def token_header(text: str) -> Headers:
    """Return headers with a token."""
    return [(b"authorization", b"Bearer " + text.encode())]


@pytest.fixture
def rig() -> Rig:
    """An issuer."""
    return Rig()


async def test_without_keys_and_issuer_everybody_is_let_in() -> None:
    """An open service looks at no header."""
    assert OPEN.is_open
    assert await OPEN.identify(key_header("nonsense"), None) is ANYONE
    assert Guard(limiter=Limiter({Bucket.CALLS: TWO})).is_open


async def test_a_key_is_let_in_by_either_header(rig: Rig) -> None:
    """A key may be shown as a key or as a Bearer."""
    guard = rig.guard(stored(KEY, Role.REFRESH))
    assert not guard.is_open
    for headers in (key_header(KEY), token_header(KEY)):
        assert (await guard.identify(headers, "a")).roles == {Role.REFRESH}


async def test_keys_of_the_file_count_as_well(rig: Rig, tmp_path: Path) -> None:
    """A key may stand in a variable or in the file."""
    path = tmp_path / "keys.json"
    with changing(path) as entries:
        entries.append(entry(a_key("two")))
    guard = rig.guard(stored(KEY), file=WatchedKeys(path))
    for key in (KEY, a_key("two")):
        assert (await guard.identify(key_header(key), "a")).roles == {Role.READ}


async def test_an_empty_file_is_no_open_door(tmp_path: Path) -> None:
    """A service whose last key was revoked lets nobody in."""
    path = tmp_path / "keys.json"
    path.write_text('{"keys": []}', encoding="utf-8")
    guard = Guard(file=WatchedKeys(path))
    assert not guard.is_open
    with pytest.raises(LoginRequiredError):
        await guard.identify([], None)


async def test_while_nobody_knows_who_may_call_nobody_is_let_in(rig: Rig) -> None:
    """The file that may name keys cannot be read: that is no reason to open the door."""
    guard = Guard(knows_callers=False)
    assert not guard.is_open
    for headers in ([], key_header(KEY)):
        with pytest.raises(ConfigError, match=r"\.env"):
            await guard.identify(headers, None)
    known = Guard(KeyRing([stored(KEY)]), clock=rig.clock, knows_callers=False)
    assert (await known.identify(key_header(KEY), None)).roles == {Role.READ}


async def test_whoever_shows_nothing_is_told_what_to_show(rig: Rig) -> None:
    """No credential is not a wrong one."""
    with pytest.raises(LoginRequiredError, match="X-API-Key"):
        await rig.guard().identify([], "a")


async def test_all_that_is_wrong_is_refused_alike(rig: Rig) -> None:
    """An unknown id, a wrong secret, an expired key, a bad token: one and the same answer."""
    expired = a_key("expired")
    guard = rig.guard(stored(KEY), stored(expired, expires=yesterday(rig.clock)))
    wrong = [a_key("two"), f"{KEY[:-1]}_", expired, "password", "a.b.c", rig.issuer.token(aud="x")]
    words = set()
    for text in wrong:
        for headers in (key_header(text), token_header(text)):
            with pytest.raises(BadCredentialError) as error:
                await guard.identify(headers, "a")
            words.add((error.value.code, str(error.value)))
    assert len(words) == 1


async def test_without_an_issuer_no_token_is_trusted(rig: Rig) -> None:
    """A token means nothing to a service that knows keys alone."""
    guard = Guard(KeyRing([stored(KEY)]), clock=rig.clock)
    with pytest.raises(BadCredentialError):
        await guard.identify(token_header(rig.issuer.token()), "a")


async def test_a_guard_without_a_clock_knows_no_key() -> None:
    """A key that may have ended is not let in."""
    with pytest.raises(BadCredentialError):
        await Guard(KeyRing([stored(KEY)])).identify(key_header(KEY), "a")


async def test_guessing_is_slowed_down_by_address(rig: Rig) -> None:
    """After some refusals an address is told to wait; others, and valid credentials, are not."""
    guard = rig.guard(stored(KEY), paces={Bucket.FAILURES: TWO})
    good = rig.issuer.token()
    assert (await guard.identify(token_header(good), "10.0.0.1")).roles
    for text in ("a.b.c", "wrong"):
        with pytest.raises(BadCredentialError):
            await guard.identify(token_header(text), "10.0.0.1")
    with pytest.raises(TooManyRequestsError):
        await guard.identify(token_header("wrong"), "10.0.0.1")
    checks = rig.verifier.checks
    with pytest.raises(TooManyRequestsError):
        await guard.identify(token_header(rig.issuer.token(jti="new")), "10.0.0.1")
    assert rig.verifier.checks == checks
    assert (await guard.identify(key_header(KEY), "10.0.0.1")).roles
    assert (await guard.identify(token_header(good), "10.0.0.1")).roles
    with pytest.raises(BadCredentialError):
        await guard.identify(token_header("wrong"), "10.0.0.2")


def test_a_caller_is_counted_by_name_wherever_it_is() -> None:
    """A key has one allowance, however many machines use it; who has no name goes by address."""
    guard = Guard(limiter=Limiter({Bucket.CALLS: TWO}))
    caller = Caller("key:a", EVERY_ROLE)
    for address in ("10.0.0.1", "10.0.0.2"):
        guard.count(caller, address, Bucket.CALLS)
        guard.count(ANYONE, address, Bucket.CALLS)
    with pytest.raises(TooManyRequestsError):
        guard.count(caller, "10.0.0.3", Bucket.CALLS)
    guard.count(ANYONE, "10.0.0.1", Bucket.CALLS)
    left = guard.left(caller, "10.0.0.3", Bucket.CALLS)
    assert left is not None
    assert left.remaining == 0
    assert guard.left(caller, None, Bucket.REFRESHES) is None


def test_a_role_that_is_missing_is_named() -> None:
    """Whoever may not is told which role would do."""
    reader = Caller("x", frozenset({Role.READ}))
    admit(reader, READERS)
    with pytest.raises(ForbiddenError, match="the role operate or refresh") as error:
        admit(reader, REFRESHERS)
    assert error.value.roles == ("operate", "refresh")
    with pytest.raises(ForbiddenError):
        admit(Caller("x", frozenset()), EVERY_ROLE)


def test_who_is_bound_may_not_have_the_whole() -> None:
    """What tells of all datasets at once is not for a caller who sees some."""
    bound = Caller("x", EVERY_ROLE, frozenset({"cash"}))
    admit(bound, EVERY_ROLE)
    with pytest.raises(ForbiddenError, match="bound"):
        admit(bound, EVERY_ROLE, whole=True)
    admit(ANYONE, EVERY_ROLE, whole=True)
