"""Scopes and datasets are read from what issuers really write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.callers import Role
from app.access.claims import claim, datasets_of, name_of, roles_of, words

WORD = st.from_regex(r"\A[!-~]{1,10}\Z")
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
CLAIMS = ("scope", "scp", "realm_access.roles")
GRANTS = {"app.read": frozenset({Role.READ}), "app.all": frozenset({Role.REFRESH, Role.MONITOR})}


@given(st.lists(WORD))
def test_a_text_and_a_list_say_the_same(listed: list[str]) -> None:
    """Issuers write scopes with blanks between, or as an array."""
    assert words(" ".join(listed)) == words(listed) == frozenset(listed)


@given(JSON)
def test_any_claim_is_read(value: object) -> None:
    """Whatever stands in a claim, only texts are words."""
    assert all(isinstance(word, str) for word in words(value))


@given(st.dictionaries(st.text(max_size=4), JSON), st.text(max_size=8))
def test_any_name_is_looked_up(claims: dict[str, Any], name: str) -> None:
    """A name finds what it names, and else nothing; it never fails."""
    found = claim(claims, name)
    if name in claims:
        assert found == claims[name]


def test_dots_lead_inside_unless_they_belong_to_a_name() -> None:
    """Keycloak nests, XSUAA has names with dots, and both at once."""
    assert claim({"a": {"b": {"c": 1}}}, "a.b.c") == 1
    assert claim({"a.b": {"c": 1}, "a": {"b": {"c": 2}}}, "a.b.c") == 1
    assert claim({"a.b.c": 3, "a.b": {"c": 1}}, "a.b.c") == 3
    assert claim({"a": 1}, "a.b") is None


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"scope": "openid app.read"}, {Role.READ}),
        ({"scp": ["app.all"]}, {Role.REFRESH, Role.MONITOR}),
        ({"realm_access": {"roles": ["app.read"]}, "scope": "x"}, {Role.READ}),
        ({"scope": "app.read", "scp": "app.all"}, {Role.READ, Role.REFRESH, Role.MONITOR}),
        ({"scope": "app.reader xapp.read APP.READ"}, set()),
        ({"roles": ["app.read"]}, set()),
        ({}, set()),
    ],
)
def test_roles_come_from_the_claims_that_count(claims: dict[str, Any], roles: set[Role]) -> None:
    """A word gives its roles if it is exactly the one, in a claim, of the settings."""
    assert roles_of(claims, CLAIMS, GRANTS) == roles


@pytest.mark.parametrize(
    ("claims", "name", "datasets"),
    [
        ({}, None, None),
        ({"ds": ["cash"]}, None, None),
        ({"ds": ["cash", "heads"]}, "ds", {"cash", "heads"}),
        ({"ds": "cash heads"}, "ds", {"cash", "heads"}),
        ({"ds": ["cash", "*"]}, "ds", None),
        ({"ds": 7}, "ds", set()),
        ({}, "ds", set()),
    ],
)
def test_a_token_is_bound_by_its_claim(
    claims: dict[str, Any], name: str | None, datasets: set[str] | None
) -> None:
    """Where a claim binds, a token without it sees nothing, and `*` everything."""
    assert datasets_of(claims, name) == datasets


def test_the_holder_has_a_name() -> None:
    """The subject, or the client that has none; never more than a log line can bear."""
    assert name_of({"sub": "a", "azp": "b"}) == "token:a"
    assert name_of({"sub": "", "azp": "b"}) == "token:b"
    assert name_of({"sub": 7}) == "token:unnamed"
    assert len(name_of({"sub": "x" * 1_000})) < 100
