"""Filters: what they pin, and how they are joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sac_connector.filters import joined, literal, pinned

TEXTS = st.text(max_size=12)


@pytest.mark.parametrize(
    ("row_filter", "member"),
    [
        ("Version eq 'public.Actual'", "public.Actual"),
        ("'public.Actual' eq Version", "public.Actual"),
        ("(Version eq 'a b')", "a b"),
        ("Region ne '#' and Version eq 'x'", "x"),
        ("Region ne '#' and ((Version eq 'x') and Account eq 'y')", "x"),
        ("(Region eq 'a' or Region eq 'b') and Version eq 'x'", "x"),
        ("startswith(Region,'E') and Version eq 'it''s and or ('", "it's and or ("),
        (None, None),
        ("", None),
        ("Version ne 'x'", None),
        ("Version eq 'x' or Version eq 'y'", None),
        ("Region eq 'a' and Version eq 'x' or Version eq 'y'", None),
        ("Region eq 'a' AND Version eq 'x' OR Version eq 'y'", None),
        ("Region eq 'a' AND Version eq 'x'", "x"),
        ("not (Version eq 'x')", None),
        ("Region eq 'Version eq ''x'''", None),
        ("Versions eq 'x'", None),
        ("Version eq", None),
        ("((Version eq 'x')", None),
    ],
)
def test_only_what_holds_for_the_whole_filter_pins(
    row_filter: str | None, member: str | None
) -> None:
    """A version is pinned by an equality that no other part of the filter can undo."""
    assert pinned(row_filter, "Version") == member


@given(TEXTS, TEXTS)
def test_a_literal_pins_its_own_text(member: str, other: str) -> None:
    """Whatever a member is called, its literal pins exactly it, wherever it stands."""
    equality = f"Version eq {literal(member)}"
    noise = f"Region ne {literal(other)} or Region eq {literal(member)}"
    assert pinned(joined(noise, equality), "Version") == member
    assert pinned(joined(equality, noise), "Version") == member
    assert pinned(f"{equality} or {noise}", "Version") is None


@given(st.lists(st.sampled_from(["A eq '1'", "B eq '2' or B eq '3'", "", None]), max_size=5))
def test_joining_leaves_out_nothing_but_blanks(filters: list[str | None]) -> None:
    """Every filter that says something is in the joined one, in parentheses if not alone."""
    present = [row_filter for row_filter in filters if row_filter]
    result = joined(*filters)
    assert (result is None) == (not present)
    assert (result or "").count(" eq ") == sum(item.count(" eq ") for item in present)


@given(st.text(max_size=40))
def test_any_text_is_read_without_failing(row_filter: str) -> None:
    """A malformed filter pins nothing; the tenant will say what is wrong with it."""
    pinned(row_filter, "Version")
