"""The masker hides every secret it knows, and leaves the rest readable."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.keys import id_of, new_key
from app.observability.masking import MASK, MIN_SECRET_LENGTH, TOKENS_KEPT, Masker

SECRET = "s3cr3t-Value/with odd=chars"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ0ZW5hbnQifQ.c2lnbmF0dXJl"
SECRETS = st.text(min_size=MIN_SECRET_LENGTH, max_size=30)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"my-client:{SECRET}".encode()).decode(),
    ],
)
def test_a_registered_value_is_masked_in_every_form(form: str) -> None:
    """A registered secret is masked plain, URL-encoded and base64-encoded."""
    masker = Masker()
    masker.add(SECRET, user="my-client")
    assert form.rstrip("=") not in masker.mask(f"before {form} after")
    assert masker.mask(f"before {form} after").startswith(f"before {MASK}")


def test_our_own_keys_are_known_by_their_shape() -> None:
    """An API key that nobody registered loses its secret part; its id stays, and is no secret."""
    key = new_key()
    masked = Masker().mask(f"GET /series?x={key} and '{key}'.")
    assert key.split("_", 2)[2] not in masked
    assert masked == f"GET /series?x=sacs_{id_of(key)}_{MASK} and 'sacs_{id_of(key)}_{MASK}'."


def test_short_values_are_not_registered() -> None:
    """A value under six characters is ignored, or innocent words would be masked."""
    assert Masker(["month"]).mask("month by month") == "month by month"


def test_tokens_are_masked_and_forgotten_when_many_newer_ones_came() -> None:
    """The last tokens are masked, older ones make room, and lasting secrets stay."""
    masker = Masker([SECRET])
    for number in range(TOKENS_KEPT + 1):
        masker.add_token(f"opaque-{number:03}")
    masker.add_token("short")
    masked = masker.mask(f"{SECRET} opaque-000 opaque-001 opaque-016 short")
    assert masked == "*** opaque-000 *** *** short"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("got Bearer abc.def-123 from it", "got Bearer *** from it"),
        ("sent basic dXNlcjpwYXNz now", "sent basic *** now"),
        (f"token is {JWT}.", "token is ***."),
        ("a" * 24 + "." + "b" * 24 + "." + "c" * 24, MASK),
        ("POST body grant=x&" + "client_" + "secret=abc123&y=1", None),
        ("{'access_token': 'abc', 'expires_in': 5}", "{'access_token': '***', 'expires_in': 5}"),
        ('{"password" : "a b c", "x": "y"}', '{"password" : "***", "x": "y"}'),
    ],
)
def test_secrets_are_known_by_shape(text: str, expected: str | None) -> None:
    """Tokens, Basic and Bearer credentials and named values in a text are masked unregistered."""
    wanted = expected or "POST body grant=x&" + "client_" + "secret=***&y=1"
    assert Masker().mask(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        'WWW-Authenticate: Bearer realm="tenant", error="invalid"',
        "The bearer token was refused.",
        "app.sac_connector.export has 3 pages",
        "token_url=https://tenant.example/oauth/token",
        "SAC_CLIENT_" + "SECRET: found nothing, expected a text",
    ],
)
def test_plain_text_stays_readable(text: str) -> None:
    """What helps an operator and holds no secret is not masked."""
    assert Masker().mask(text) == text


def test_secrets_are_known_by_their_key_at_any_depth() -> None:
    """A value under a telling key is masked in nested mappings and lists; others are kept."""
    when = datetime(2026, 11, 21, tzinfo=UTC)
    event = {
        "headers": [{"Authorization": "abc", "Set-Cookie": ["a", "b"], "Accept": "json"}],
        "api_key": 123456,
        "password": None,
        "has_token": True,
        "token_renewals": 2,
        "token_url": "https://tenant.example/oauth/token",
        "at": when,
    }
    assert Masker().event(None, "info", event) == {
        "headers": [{"Authorization": MASK, "Set-Cookie": MASK, "Accept": "json"}],
        "api_key": MASK,
        "password": None,
        "has_token": True,
        "token_renewals": 2,
        "token_url": "https://tenant.example/oauth/token",
        "at": when,
    }


def test_a_value_that_has_no_bytes_is_masked_too() -> None:
    """A lone surrogate, which neither a URL nor base64 can carry, does not break the masker."""
    assert Masker(["\ud800-secret"]).mask("a \ud800-secret b") == "a *** b"


def test_objects_and_bytes_are_masked_as_text() -> None:
    """What is no plain value is shown as masked text."""

    class Holder:
        """Shows its secret in its repr."""

        def __repr__(self) -> str:
            return f"Holder({SECRET})"

    assert Masker([SECRET]).value((Holder(), SECRET.encode())) == [f"Holder({MASK})", MASK]


def texts(value: object) -> Iterator[str]:
    """Yield every text in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (*texts(key), *texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@given(secrets=st.lists(SECRETS, min_size=1, max_size=4), text=st.text(max_size=20))
def test_no_registered_value_survives_in_text(secrets: list[str], text: str) -> None:
    """However secrets overlap or touch, none of them is left in the masked text."""
    masked = Masker(secrets).mask(text.join(["", *secrets, *reversed(secrets), ""]))
    assert not [secret for secret in secrets if secret in masked]


@given(secret=SECRETS, text=st.text(max_size=40))
def test_masking_twice_is_masking_once(secret: str, text: str) -> None:
    """Masked text has nothing left to mask."""
    masker = Masker([secret])
    once = masker.mask(text + secret)
    assert masker.mask(once) == once


@given(secret=SECRETS, depth=st.integers(0, 4))
def test_no_registered_value_survives_in_a_nested_event(secret: str, depth: int) -> None:
    """A secret is found in keys and values at any depth, also where `repr` or JSON escaped it."""
    value: object = [secret, {secret: f"<{secret!r}>"}, json.dumps(secret)]
    for _ in range(depth):
        value = {"inner": [value]}
    for text in texts(Masker([secret]).event(None, "info", {"event": value})):
        assert secret not in text
        assert repr(secret)[1:-1] not in text
        assert json.dumps(secret)[1:-1] not in text
