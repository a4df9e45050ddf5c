"""What answers the questions of one key is made once for a version, and goes with it."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from datetime import date, timedelta

import httpx
import pytest

from app.api.key_answers import key_answers_of
from app.api.lane import Ready
from app.api.media import Format
from app.api.params import SeriesRequest
from app.api.prepared import PreparedRequest
from app.pipeline.at_hand import Loaded
from app.pipeline.query import SeriesQuery
from app.pipeline.standing import Told
from app.reports import FreshnessState
from tests.api.bench import ROWS, Bench
from tests.api.doors import client_of, entered
from tests.api.test_lane import ROOM
from tests.fakes import a_page

NAMES = ("dim_product", "start", "dim_region")


def a_form(names: tuple[str, ...] = NAMES, **query: object) -> PreparedRequest:
    """Return a form of query strings."""
    asked = SeriesQuery(**query)  # type: ignore[arg-type] # the fields of several types
    return PreparedRequest(names, SeriesRequest((), asked, Format.JSON))


async def loaded_of(bench: Bench) -> Loaded:
    """Return what a bench serves, with its index."""
    await bench.services.reader.read((), SeriesQuery())
    loaded = bench.services.reader.at_hand("default")
    assert loaded is not None
    assert loaded.cube is not None
    return loaded


def answered(form: PreparedRequest, loaded: Loaded, *members: str, most_rows: int = 9) -> Ready:
    """Return the answer to a question."""
    answers = key_answers_of(form, loaded, most_rows)
    assert answers is not None
    ready = answers.answer(members, None, None)
    assert ready is not None
    return ready


async def test_one_set_serves_a_form_of_a_version(filled: Bench) -> None:
    """Until the version, or what its readers are told, is another."""
    form, loaded = a_form(), await loaded_of(filled)
    first = key_answers_of(form, loaded, 9)
    assert first is not None
    assert key_answers_of(form, loaded, 9) is first
    assert key_answers_of(a_form(), loaded, 9) is not first
    filled.clock.tick(timedelta(days=3))
    later = await loaded_of(filled)
    assert key_answers_of(form, later, 9) is not first


@pytest.mark.parametrize(
    "form",
    [
        a_form(("dim_region",)),
        a_form(("dim_region", "dim_product", "dim_other")),
        a_form(limit=1),
        a_form(group_by=()),
    ],
    ids=["fewer", "more", "limit", "sums"],
)
async def test_other_forms_have_none(filled: Bench, form: PreparedRequest) -> None:
    """Whatever is not all points of one key, as they are stored."""
    loaded = await loaded_of(filled)
    assert [key_answers_of(form, loaded, 9) for _ in range(2)] == [None, None]


async def test_without_an_index_there_are_none(filled: Bench) -> None:
    """To build it takes a thread, and the long way has one."""
    assert key_answers_of(a_form(), replace(await loaded_of(filled), cube=None), 9) is None


async def test_what_is_too_old_is_not_shown(filled: Bench) -> None:
    """Unless the form allows it; the version of yesterday is no answer of today."""
    loaded = await loaded_of(filled)
    told = loaded.told
    expired = replace(told.freshness, state=FreshnessState.EXPIRED)
    old = replace(loaded, told=Told(told.notice, expired))
    assert key_answers_of(a_form(), old, 9) is None
    asked = SeriesRequest((), SeriesQuery(), Format.JSON, allow_expired=True)
    assert key_answers_of(PreparedRequest(NAMES, asked), old, 9) is not None


async def test_what_has_no_points_or_too_many_goes_the_long_way(filled: Bench) -> None:
    """It has the words for both."""
    loaded = await loaded_of(filled)
    answers = key_answers_of(a_form(), loaded, 1)
    assert answers is not None
    assert answers.answer(["Bike", "EMEA"], None, None) is None
    assert answers.answer(["Bike", "EMEA"], date(2026, 2, 1), None) is not None
    assert answers.answer(["Bike", "EMEA"], date(2027, 1, 1), None) is None
    assert answers.answer(["Car", "EMEA"], None, None) is None
    assert answers.answer(["Tram", "EMEA"], None, None) is None


async def test_an_answer_says_what_it_was_made_from(filled: Bench) -> None:
    """The lane keeps it as long as that is the same."""
    loaded = await loaded_of(filled)
    slip, status, headers, body = answered(a_form(), loaded, "Bike", "EMEA")
    assert (slip.datasets, slip.stamp, status) == (("default",), loaded.stamp, 200)
    assert dict(headers)[b"etag"] == slip.etag.encode()
    assert dict(headers)[b"x-series-total"] == b"2"
    assert dict(headers)[b"content-length"] == b"%d" % len(body)
    # What is shared stays as it was made.
    other = answered(a_form(), loaded, "Car", "APJ")
    assert dict(other[2])[b"x-series-total"] == b"1"
    assert dict(headers)[b"x-series-total"] == b"2"


async def test_an_answer_is_of_the_dataset_that_was_asked_for(filled: Bench) -> None:
    """Also where its folder was copied from another, whose name the metadata have."""
    loaded = replace(await loaded_of(filled), dataset="copy")
    assert answered(a_form(), loaded, "Bike", "EMEA")[0].datasets == ("copy",)


async def test_the_forms_that_are_remembered_are_bounded(filled: Bench) -> None:
    """A version in use for months does not fill the memory."""
    loaded = await loaded_of(filled)
    for _ in range(600):
        answered(a_form(), loaded, "Bike", "EMEA")
    assert loaded.cube is not None
    assert 0 < len(loaded.cube.answers) <= 64


async def test_a_version_goes_when_another_is_served(filled: Bench) -> None:
    """Neither forms nor answers keep rows that nobody is served any more."""
    client = client_of(entered(filled, room_bytes=ROOM))

    async def ask(region: str) -> int:
        url = f"http://service/series?dim_region={region}&dim_product=Bike"
        answer = await client.send(httpx.Request("GET", url))
        return int(answer.json()["version"])

    assert [await ask(region) for region in ("EMEA", "APJ", "EMEA")] == [0, 0, 0]
    gone = weakref.ref(filled.cache.versions["default"][0].rows)
    filled.source.pages = (a_page(ROWS[:3]),)
    await filled.refresh({"force": True})
    filled.cache.versions["default"].pop(0)
    assert await ask("EMEA") == 1
    gc.collect()
    assert gone() is None
