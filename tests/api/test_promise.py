"""What `docs/api.md` promises is there, and what is there is promised."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.media import MEDIA_TYPES
from tests.api.bench import Bench
from tests.api_surface import PATH, Surface, promised, surface, written

PAGE = PATH.read_text(encoding="utf-8")
NAMES = st.text("abcXYZ/{}_-?=|[]", min_size=1, max_size=40)


@pytest.fixture(scope="module")
def today() -> Surface:
    """What callers can see as the code is now."""
    return surface()


def lacking(wanted: Surface, there: Surface) -> Surface:
    """Return what is wanted and not there."""
    found = {name: parts - there.get(name, set()) for name, parts in wanted.items()}
    return {name: parts for name, parts in found.items() if parts}


def test_what_is_promised_is_there(today: Surface) -> None:
    """No operation, parameter, status, field or code of the page has gone or changed its type.

    To break this is to break those who rely on it: it takes what the page says of such changes.
    """
    assert not lacking(promised(PAGE), today)


def test_what_is_there_is_promised(today: Surface) -> None:
    """Nothing is added without being written down; `python -m tests.api_surface` does that."""
    assert not lacking(today, promised(PAGE))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("GET /series", "cursor?"),
        ("POST /refresh", "202"),
        ("Series", "warning=string|null"),
        ("problems", "cursor_gone=410"),
        ("SeriesClient.wait", "every_s"),
        ("FreshnessState", "stale"),
    ],
)
def test_a_part_that_went_would_be_noticed(today: Surface, name: str, part: str) -> None:
    """Each kind of part is seen; without it the promise is broken."""
    without = {**today, name: today[name] - {part}}
    assert lacking(promised(PAGE), without) == {name: {part}}


@given(st.dictionaries(NAMES, st.sets(NAMES, min_size=1), max_size=8))
def test_lines_are_read_as_they_are_written(found: Surface) -> None:
    """Whatever there is can be told by the page, however long its lines."""
    assert promised(f"```text\n{written(found)}```\n") == found


def test_the_media_types_are_those_of_the_code() -> None:
    """The page names each form, and the type that it is sent as."""
    (said,) = re.findall(r"^10\. .*?(?=^11\. )", PAGE, re.MULTILINE | re.DOTALL)
    forms = {str(form) for form in MEDIA_TYPES}
    types = {kind.partition(";")[0] for kind in MEDIA_TYPES.values()}
    assert set(re.findall(r"`([^`]*)`", said)) == types | forms | {"format="}


async def test_the_headers_of_a_series_are_sent(filled: Bench) -> None:
    """Each header that is promised of a series comes with one that has all of it to tell."""
    (said,) = re.findall(r"\*\*Headers\*\*: (.*?) of a series", PAGE, re.DOTALL)
    names = set(re.findall(r"`([\w-]+)`", said))
    answer = await filled.get("/series?limit=1")
    assert answer.status_code == 200
    absent = {name for name in names if name not in answer.headers}
    # Told only of data that is not fresh.
    assert absent == {"X-Series-Warning", "X-Series-Warning-Code"}
