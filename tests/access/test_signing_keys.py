"""The issuer is asked when there is a reason, rarely, and once for all who wait."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.signing_keys import ALGORITHMS, ASK_EVERY, FRESH_FOR, USABLE_FOR, chosen
from app.errors import IssuerUnavailableError
from tests.access.rig import URL, Rig
from tests.oidc_server import SigningKey

RSA, EC = SigningKey("RS256", 1).public, SigningKey("ES256", 1).public
DISCOVERY, JWKS = f"{URL}/.well-known/openid-configuration", f"{URL}/jwks"


@pytest.fixture
def rig() -> Rig:
    """An issuer that nobody asked yet."""
    return Rig()


async def settled() -> None:
    """Let tasks in the background come to their end."""
    for _ in range(10):
        await asyncio.sleep(0)


def key_ids(rig: Rig) -> tuple[str, str]:
    """Return the ids of the keys that the issuer signs with now."""
    keys = rig.issuer.issuer.keys
    return keys["RS256"].id, keys["ES256"].id


async def test_keys_are_found_through_discovery(rig: Rig) -> None:
    """Nothing is asked before it is needed, and then twice: where the keys are, and the keys."""
    assert rig.issuer.asked == []
    for key_id, algorithm in zip(key_ids(rig), ("RS256", "ES256"), strict=True):
        assert await rig.keys.key(key_id, algorithm) is not None
    assert rig.issuer.asked == [DISCOVERY, JWKS]


async def test_all_who_wait_share_one_request(rig: Rig) -> None:
    """Many first tokens at once are one question, also if the first who asked hangs up."""
    rig.issuer.gate = asyncio.Event()
    calls = [asyncio.create_task(rig.keys.key("rs256-1", "RS256")) for _ in range(20)]
    await settled()
    calls[0].cancel()
    rig.issuer.gate.set()
    assert all(await asyncio.gather(*calls[1:]))
    assert rig.issuer.asked == [DISCOVERY, JWKS]


async def test_a_new_key_is_asked_for_at_once_and_then_rarely(rig: Rig) -> None:
    """The first unknown id is a reason to ask; those that follow wait."""
    await rig.keys.key("rs256-1", "RS256")
    rig.issuer.issuer.rotate()
    before = rig.keys.generation
    assert await rig.keys.key("rs256-2", "RS256")
    assert rig.keys.generation == before + 1
    assert await rig.keys.key("rs256-1", "RS256") is None
    asked = len(rig.issuer.asked)
    for number in range(100):
        assert await rig.keys.key(f"made-up-{number}", "RS256") is None
    assert len(rig.issuer.asked) == asked
    rig.clock.tick(ASK_EVERY)
    assert await rig.keys.key("made-up", "RS256") is None
    assert len(rig.issuer.asked) == asked + 2


async def test_keys_are_renewed_in_the_background(rig: Rig) -> None:
    """Once they are not fresh any more, nobody waits for newer ones."""
    await rig.keys.key("rs256-1", "RS256")
    rig.issuer.gate = asyncio.Event()
    rig.clock.tick(FRESH_FOR + timedelta(seconds=1))
    assert await rig.keys.key("rs256-1", "RS256")
    rig.issuer.issuer.rotate()
    rig.issuer.gate.set()
    await settled()
    assert await rig.keys.key("rs256-2", "RS256")
    assert rig.issuer.asked == [DISCOVERY, JWKS] * 2


async def test_old_keys_serve_while_the_issuer_is_down_for_a_day(rig: Rig) -> None:
    """Known keys stay usable, are asked for again now and then, and end at last."""
    await rig.keys.key("rs256-1", "RS256")
    rig.issuer.down = True
    for _ in range(3):
        rig.clock.tick(timedelta(hours=7))
        assert await rig.keys.key("rs256-1", "RS256")
        await settled()
    assert rig.issuer.asked == [DISCOVERY, JWKS, DISCOVERY, DISCOVERY, DISCOVERY]
    rig.clock.tick(USABLE_FOR)
    with pytest.raises(IssuerUnavailableError, match="Try again soon"):
        await rig.keys.key("rs256-1", "RS256")
    rig.issuer.down = False
    with pytest.raises(IssuerUnavailableError):
        await rig.keys.key("rs256-1", "RS256")
    rig.clock.tick(ASK_EVERY)
    assert await rig.keys.key("rs256-1", "RS256")


async def test_an_unknown_key_of_an_issuer_that_is_down_may_be_right(rig: Rig) -> None:
    """It cannot be told, so it is not the caller who is refused; and the issuer is spared."""
    await rig.keys.key("rs256-1", "RS256")
    rig.issuer.down = True
    for _ in range(5):
        with pytest.raises(IssuerUnavailableError):
            await rig.keys.key("rs256-9", "RS256")
    assert rig.issuer.asked == [DISCOVERY, JWKS, DISCOVERY]
    assert await rig.keys.key("rs256-1", "RS256")


BROKEN: dict[str, tuple[str, object]] = {
    "another issuer": (DISCOVERY, {"issuer": "https://other.example", "jwks_uri": JWKS}),
    "a slash more": (DISCOVERY, {"issuer": f"{URL}/", "jwks_uri": JWKS}),
    "no keys": (DISCOVERY, {"issuer": URL}),
    "no object": (DISCOVERY, []),
    "an open address": (DISCOVERY, {"issuer": URL, "jwks_uri": "http://issuer.example/jwks"}),
    "a file": (DISCOVERY, {"issuer": URL, "jwks_uri": "file:///etc/passwd"}),
    "no key set": (JWKS, {"key": []}),
    "keys that are none": (JWKS, {"keys": ["a"]}),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_document_gives_no_keys(rig: Rig, kind: str) -> None:
    """What the issuer sends is not believed blindly; the caller is told no detail of it."""
    url, document = BROKEN[kind]
    rig.issuer.documents[url] = msgspec.json.encode(document)
    with pytest.raises(IssuerUnavailableError) as error:
        await rig.keys.key("rs256-1", "RS256")
    assert URL not in str(error.value)
    assert not any(asked.startswith(("http:", "file:")) for asked in rig.issuer.asked)


async def test_a_byte_order_mark_before_a_document_does_no_harm(rig: Rig) -> None:
    """Some servers put one before JSON."""
    for url in (DISCOVERY, JWKS):
        rig.issuer.documents[url] = b"\xef\xbb\xbf" + await rig.issuer.fetch(url)
    assert await rig.keys.key("rs256-1", "RS256") is not None


async def test_a_deep_document_is_only_a_broken_one(rig: Rig) -> None:
    """Nesting without end exhausts nothing."""
    rig.issuer.documents[JWKS] = b'{"keys": [{"a": ' + b"[" * 100_000
    with pytest.raises(IssuerUnavailableError):
        await rig.keys.key("rs256-1", "RS256")


async def test_an_issuer_without_keys_has_none(rig: Rig) -> None:
    """An empty set is an answer: tokens are refused, and the issuer is not down."""
    rig.issuer.documents[JWKS] = b'{"keys": []}'
    assert await rig.keys.key("rs256-1", "RS256") is None


@pytest.mark.parametrize(
    ("keys", "key_id", "algorithm", "found"),
    [
        ([RSA, EC], "rs256-1", "RS256", True),
        ([RSA, EC], "es256-1", "ES256", True),
        ([RSA, EC], "es256-1", "RS256", False),
        ([RSA, EC], "rs256-1", "ES256", False),
        ([RSA, EC], "rs256-1", "PS256", False),
        ([{**RSA, "alg": None}], "rs256-1", "PS256", True),
        ([RSA, EC], None, "RS256", True),
        ([RSA, {**RSA, "kid": "b"}], None, "RS256", False),
        ([RSA, {**RSA, "kid": "b"}], "b", "RS256", True),
        ([{**RSA, "use": "enc"}], "rs256-1", "RS256", False),
        ([{**EC, "crv": "P-384"}], "es256-1", "ES256", False),
        ([{**RSA, "n": "!"}], "rs256-1", "RS256", False),
        ([{"kty": "RSA", "kid": "a"}], "a", "RS256", False),
        ([{"kty": "oct", "kid": "a", "k": "YWJj"}], "a", "RS256", False),
    ],
)
def test_a_key_is_chosen_for_its_id_and_its_kind(
    keys: list[dict[str, Any]], key_id: str | None, algorithm: str, found: bool
) -> None:
    """A key serves the algorithm that it is made for, and no other."""
    assert (chosen(keys, key_id, algorithm) is not None) == found


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "kid", "use", "alg", "crv", "n", "e", "x", "y"]),
            st.sampled_from(["RSA", "EC", "OKP", "sig", "P-256", "AQAB", "", "RS256"])
            | st.none()
            | st.integers(),
        ),
        max_size=4,
    ),
    st.none() | st.sampled_from(["", "a"]),
    st.sampled_from(ALGORITHMS),
)
def test_any_set_of_keys_is_searched(
    keys: list[dict[str, Any]], key_id: str | None, algorithm: str
) -> None:
    """A key that makes no sense is passed over; nothing fails."""
    assert chosen(keys, key_id, algorithm) is None
