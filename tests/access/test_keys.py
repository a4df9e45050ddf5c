"""Keys are recognised whole or not at all, and never kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.callers import Role
from app.access.keys import (
    KEY_PREFIX,
    KeyRing,
    hash_of,
    id_of,
    new_key,
    read_stored,
    stored_form,
)
from tests.access.rig import a_key, stored
from tests.fakes import START

NOW = START
KEY = a_key("one")
KEY_TEXT = st.from_regex(rf"{KEY_PREFIX}[a-km-np-z2-9]{{12}}_[A-Za-z0-9_-]{{43}}", fullmatch=True)


def test_new_keys_are_long_and_unlike() -> None:
    """Each key has 256 random bits behind an id, in one word that a header can hold."""
    keys = {new_key() for _ in range(200)}
    assert len(keys) == len({id_of(key) for key in keys}) == 200
    for key in keys:
        assert key.startswith(KEY_PREFIX)
        assert len(key.split("_", 2)[2]) == 43
        assert key.isascii()
        assert not set(key) & set(" .,;:\"'\\/+=")


def test_a_key_is_found() -> None:
    """The holder of a key has its role and its datasets, and a name that is no secret."""
    ring = KeyRing([stored(KEY, Role.REFRESH, datasets=frozenset({"cash"}))])
    caller = ring.find(KEY, NOW)
    assert caller is not None
    assert caller.roles == {Role.REFRESH}
    assert caller.datasets == frozenset({"cash"})
    assert caller.name == f"key:{id_of(KEY)}"
    assert KEY.split("_", 2)[2] not in repr(caller)
    assert len(ring) == 1


@given(st.text() | KEY_TEXT | st.just(f"{KEY[:-1]}!") | st.just(f"{KEY} "))
def test_any_other_text_is_no_key(text: str) -> None:
    """Whatever is not the key itself, of whatever form, finds nobody."""
    if text != KEY:
        assert KeyRing([stored(KEY)]).find(text, NOW) is None
    assert KeyRing().find(text, NOW) is None


@given(st.integers(0, len(KEY) - 1), st.sampled_from("ab2-_Z"))
def test_one_changed_letter_is_another_key(place: int, letter: str) -> None:
    """A key is known by all its letters, those of the id and those of the secret."""
    changed = KEY[:place] + letter + KEY[place + 1 :]
    found = KeyRing([stored(KEY)]).find(changed, NOW)
    assert (found is not None) == (changed == KEY)


def test_a_key_ends_when_it_says() -> None:
    """It is valid until its end, and not at it."""
    ring = KeyRing([stored(KEY, expires=NOW + timedelta(seconds=1))])
    assert ring.find(KEY, NOW) is not None
    assert ring.find(KEY, NOW + timedelta(seconds=1)) is None


@given(KEY_TEXT, st.sampled_from(Role))
def test_the_stored_form_survives_and_holds_no_secret(key: str, role: Role) -> None:
    """What a variable holds finds the key again, and nobody gets the key out of it."""
    text = stored_form(key)
    kept = read_stored(text, role)
    assert (kept.id, kept.hash, kept.role) == (id_of(key), hash_of(key), role)
    assert KeyRing([kept]).find(key, NOW) is not None
    assert key.split("_", 2)[2] not in text
    assert kept.hash not in repr(kept)


@pytest.mark.parametrize("text", ["", "abc", KEY, f"{id_of(KEY)}:", f"{id_of(KEY)}:{'g' * 64}"])
def test_another_stored_form_is_refused_without_a_quote(text: str) -> None:
    """A key pasted where its hash belongs is refused, and the words do not repeat it."""
    with pytest.raises(ValueError, match="instead of its id and hash") as error:
        read_stored(text, Role.READ)
    assert not text or text not in str(error.value)
    assert ("a key itself" in str(error.value)) == (text == KEY)


def test_a_text_that_is_no_key_has_no_id() -> None:
    """Only keys have ids."""
    with pytest.raises(ValueError, match="no key"):
        id_of("sacs_abc")
