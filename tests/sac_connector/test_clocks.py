"""What a token and the answer that refused it say of the time."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sac_connector.clocks import LONGEST_WAIT, SHORTEST_WAIT, Refusal, refusal
from tests.fakes import START
from tests.sac_connector.rig import a_jwt


def seen(
    claims: Mapping[str, object], theirs: datetime | None = START, ours: datetime = START
) -> Refusal:
    """Return what a refusal of a token with these claims tells."""
    headers = {} if theirs is None else {"date": format_datetime(theirs, usegmt=True)}
    return refusal(f"Bearer {a_jwt(**claims)}", headers, ours)


def at(seconds: float) -> float:
    """Return a moment after the start, as a token writes it."""
    return START.timestamp() + seconds


@pytest.mark.parametrize(
    ("claims", "wait_s"),
    [
        ({}, 2),
        ({"iat": at(-60)}, 2),
        ({"iat": at(0)}, 2),
        ({"iat": at(0), "nbf": at(3)}, 4),
        ({"nbf": at(5.5)}, 6.5),
        ({"nbf": at(300)}, 10),
    ],
)
def test_the_wait_is_until_the_token_is_valid_within_bounds(
    claims: dict[str, object], wait_s: float
) -> None:
    """By the tenant's clock if it tells the time, else by ours; never long."""
    assert seen(claims).wait == seen(claims, None).wait == timedelta(seconds=wait_s)


@pytest.mark.parametrize(
    ("claims", "ours", "words"),
    [
        (
            {"iat": at(26), "exp": at(3600)},
            0,
            "valid from 14:05:26 UTC, and the tenant's clock says ",
        ),
        ({"iat": at(-9), "exp": at(-1)}, 0, "The token ended at 14:04:59 UTC, and the tenant's"),
        (
            {"iat": at(-1), "exp": at(3600)},
            95,
            "14:05:00 UTC, and ours 2026-11-21 14:06:35: set the",
        ),
        ({}, -95, "set the clock of this machine"),
    ],
    ids=["not yet", "not any more", "ours is ahead", "ours is behind"],
)
def test_clocks_that_differ_are_a_reason(claims: dict[str, object], ours: int, words: str) -> None:
    """Whose clock differs from whose is told, with both times."""
    assert words in seen(claims, ours=START + timedelta(seconds=ours)).reason


@pytest.mark.parametrize("theirs", [None, START])
def test_clocks_that_agree_or_say_nothing_are_none(theirs: datetime | None) -> None:
    """Then the reason is another one."""
    assert seen({}, theirs).reason == ""
    assert seen({"iat": at(1), "exp": at(3600)}, theirs).reason == ""
    assert refusal("", {"date": "soon"}, START).reason == ""


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists)


@given(claims=st.dictionaries(st.sampled_from(["iat", "nbf", "exp"]), JSON), date=st.text())
def test_any_claims_and_any_date_are_borne(claims: dict[str, object], date: str) -> None:
    """Whatever somebody else's token and header say, the wait stays short and nothing fails."""
    found = refusal(f"Bearer {a_jwt(**claims)}", {"date": date}, START)
    assert SHORTEST_WAIT <= found.wait <= LONGEST_WAIT
    assert isinstance(found.reason, str)


@given(st.text() | st.binary().map(lambda raw: f"a.{urlsafe_b64encode(raw).decode()}.c"))
def test_any_token_is_borne(token: str) -> None:
    """One that is no JWT says nothing of the time."""
    assert SHORTEST_WAIT <= refusal(token, {}, START).wait <= LONGEST_WAIT
