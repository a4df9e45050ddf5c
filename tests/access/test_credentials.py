"""A key or token is found in the headers, or it is said that there is none, or none that counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.credentials import LONGEST_CREDENTIAL, credential
from app.errors import BadCredentialError, CallerError, CredentialConflictError

AUTHORIZATION, KEY = b"authorization", b"x-api-key"
TOKEN68 = st.from_regex(r"\A[A-Za-z0-9._~+/-]{1,60}={0,2}\Z")


@given(TOKEN68, st.sampled_from(["Bearer", "bearer", "BEARER"]), st.integers(1, 3))
def test_a_bearer_is_found(text: str, scheme: str, blanks: int) -> None:
    """The scheme is known in any case, with any number of blanks."""
    value = f"{scheme}{' ' * blanks}{text}".encode()
    assert credential([(b"host", b"x"), (AUTHORIZATION, value)]) == text


@given(st.from_regex(r"\A[!-~]{1,80}\Z"))
def test_the_key_header_is_found(text: str) -> None:
    """What the header holds is the key, without blanks around it."""
    assert credential([(KEY, f" {text} ".encode())]) == text


@pytest.mark.parametrize(
    "headers",
    [[], [(AUTHORIZATION, b"Basic abc")], [(AUTHORIZATION, b"")], [(AUTHORIZATION, b"Bearerabc")]],
)
def test_another_scheme_is_no_credential(headers: list[tuple[bytes, bytes]]) -> None:
    """A proxy's own login, or none, is as if nothing were there."""
    assert credential(headers) is None
    assert credential([*headers, (KEY, b"abc")]) == "abc"


@pytest.mark.parametrize(
    "headers",
    [
        [(AUTHORIZATION, b"Bearer")],
        [(AUTHORIZATION, b"Bearer ")],
        [(AUTHORIZATION, b"Bearer a b")],
        [(AUTHORIZATION, b"Bearer a,b")],
        [(AUTHORIZATION, "Bearer ä".encode())],
        [(KEY, b"")],
        [(KEY, b"a b")],
        [(KEY, b"\xff")],
        [(AUTHORIZATION, b"Bearer " + b"a" * (LONGEST_CREDENTIAL + 1))],
    ],
)
def test_what_cannot_be_read_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """A malformed credential is not the same as none."""
    with pytest.raises(BadCredentialError):
        credential(headers)


@pytest.mark.parametrize(
    "headers",
    [
        [(AUTHORIZATION, b"Bearer a"), (KEY, b"a")],
        [(AUTHORIZATION, b"Bearer a"), (AUTHORIZATION, b"Bearer b")],
        [(KEY, b"a"), (KEY, b"b")],
    ],
)
def test_two_are_one_too_many(headers: list[tuple[bytes, bytes]]) -> None:
    """Which one counts is not for us to guess."""
    with pytest.raises(CredentialConflictError):
        credential(headers)


@given(
    st.lists(st.tuples(st.sampled_from([AUTHORIZATION, KEY, b"accept"]), st.binary(max_size=40)))
)
def test_any_headers_are_answered(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever bytes arrive: a text, nothing, or a refusal that quotes none of them."""
    try:
        found = credential(headers)
    except CallerError as error:
        found = str(error)
    assert found is None or found.isascii()
