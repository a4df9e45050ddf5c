"""A reader gets the last good version, what it asked for, and what it must be told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import (
    BadQueryError,
    CacheMissingError,
    CursorGoneError,
    QueryTooLargeError,
    QueryTooSlowError,
    UnknownDatasetError,
)
from app.pipeline.contract import content_hash, series_schema
from app.pipeline.freshness import Notice
from app.pipeline.history import Pin
from app.pipeline.query import SeriesQuery
from app.pipeline.series import QueryLimits, SeriesAnswer, SeriesReader
from app.pipeline.standing import Told
from app.records import CachedSeries, Grain, SeriesMetadata
from app.reports import Freshness, FreshnessState
from tests.fakes import FakeCache, FakeCatalogue, a_definition
from tests.pipeline.query.drawing import queries, rows_of, tables
from tests.pipeline.query.oracle import Row, answered
from tests.pipeline.samples import metadata_of

TOLD = Told(Notice("Showing old data.", "source_timeout"), Freshness(state=FreshnessState.STALE))


@pytest.fixture
def series() -> CachedSeries:
    """Two months of one series without dimensions."""
    columns = [pa.array([date(2026, 1, 1), date(2026, 2, 1)]), pa.array([1.5, 2.5])]
    metadata = SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime(2026, 11, 21, tzinfo=UTC),
        row_count=2,
        min_date=date(2026, 1, 1),
        max_date=date(2026, 2, 1),
    )
    rows = pa.Table.from_arrays(columns, schema=series_schema([]))
    return CachedSeries(rows=rows, metadata=metadata, version=5)


def a_reader(cache: FakeCache) -> SeriesReader:
    """Return a reader who is always told the same."""
    return SeriesReader(FakeCatalogue(), cache, lambda _: TOLD)


async def test_a_query_is_run_on_the_version_in_the_cache(series: CachedSeries) -> None:
    """The view holds the version, the rows that the query selects, and the notice."""
    (view,) = (
        await a_reader(FakeCache(series)).read(("default",), SeriesQuery(start=date(2026, 2, 1)))
    ).views
    assert view.series is series
    assert view.result.rows["value"].to_pylist() == [2.5]
    assert view.result.total == 1
    assert (view.notice, view.freshness) == (TOLD.notice, TOLD.freshness)


async def test_the_notice_is_asked_for_the_version_that_is_shown(series: CachedSeries) -> None:
    """What a reader is told is about the very version that it gets."""
    asked: list[CachedSeries] = []

    def tell(shown: CachedSeries) -> Told:
        asked.append(shown)
        return TOLD

    await SeriesReader(FakeCatalogue(), FakeCache(series), tell).read(("default",), SeriesQuery())
    assert asked == [series]


async def test_an_unknown_dataset_is_refused_with_the_known_ones() -> None:
    """A name that no dataset has is refused before the cache is asked."""
    with pytest.raises(UnknownDatasetError, match="There is no dataset 'other'") as raised:
        await a_reader(FakeCache()).read(("other",), SeriesQuery())
    assert raised.value.next_step == "Ask for one of: default."


async def test_an_empty_cache_is_an_error() -> None:
    """Nothing saved means nothing to serve."""
    with pytest.raises(CacheMissingError):
        await a_reader(FakeCache()).read(("default",), SeriesQuery())


async def test_a_query_for_what_is_not_there_is_refused(series: CachedSeries) -> None:
    """A dimension that the series does not have is the caller's mistake."""
    with pytest.raises(BadQueryError):
        await a_reader(FakeCache(series)).read(("default",), SeriesQuery(group_by=("region",)))


MONTHS = tuple(date(2026, month, 1) for month in range(1, 7))


def a_version(
    dataset: str = "default", version: int = 0, *, first: float = 1.0, regions: str = "ab"
) -> CachedSeries:
    """Return six months in some regions."""
    points = [(day, first + n, name) for name in regions for n, day in enumerate(MONTHS)]
    columns = [pa.array(column) for column in zip(*points, strict=True)]
    rows = pa.Table.from_arrays(columns, schema=series_schema(["dim_region"]))
    metadata = metadata_of(rows, dataset=dataset)
    found = replace(metadata, content_hash=content_hash(rows))
    return CachedSeries(rows=rows, metadata=found, version=version)


def read_at_once(cache: FakeCache, *definitions: str, **limits: float) -> SeriesReader:
    """Return a reader who needs no thread for what is light."""
    catalogue = FakeCatalogue(*(a_definition(name) for name in definitions or ("default",)))
    return SeriesReader(
        catalogue,
        cache,
        lambda _: TOLD,
        tell_at_once=lambda _: TOLD,
        limits=QueryLimits(**limits),  # type: ignore[arg-type]
    )


def values(answer: SeriesAnswer) -> list[float]:
    """Return the values of all parts."""
    return [value for view in answer.views for value in view.result.columns.values.tolist()]


async def test_several_datasets_come_in_the_order_asked() -> None:
    """Each is a part of its own, and the total is that of all."""
    reader = read_at_once(FakeCache(a_version("x"), a_version("y", first=50)), "x", "y")
    answer = await reader.read(("y", "x"), SeriesQuery(group_by=(), last=1))
    assert [view.series.metadata.dataset for view in answer.views] == ["y", "x"]
    assert (values(answer), answer.total, answer.next) == ([110, 12], 2, None)


async def test_a_query_must_fit_every_dataset() -> None:
    """The error names the dataset that it does not fit."""
    reader = read_at_once(FakeCache(a_version("x"), a_version("y", regions="cd")), "x", "y")
    with pytest.raises(BadQueryError, match="In the dataset 'y': dim_region has no member 'a'"):
        await reader.read(("x", "y"), SeriesQuery(filters={"region": ("a",)}))
    with pytest.raises(BadQueryError, match="each counts its own") as caught:
        await reader.read(("x", "y"), SeriesQuery(), Pin(0))
    assert caught.value.parameter == "version"


@pytest.mark.parametrize("size", [1, 5, 7, 12])
async def test_pages_lead_through_all_datasets_of_one_moment(size: int) -> None:
    """A refresh between two pages changes nothing of what is still to be read."""
    cache = FakeCache(a_version("x"), a_version("y", first=50))
    reader = read_at_once(cache, "x", "y")
    query = SeriesQuery(limit=size)
    expected = values(await reader.read(("x", "y"), SeriesQuery()))
    answer = await reader.read(("x", "y"), query)
    found = values(answer)
    cache.versions["x"].append(a_version("x", 1, first=1000))
    while answer.next is not None:
        answer = await reader.read(("x", "y"), replace(query, cursor=answer.next))
        found += values(answer)
        assert answer.total == 24
    assert found == expected


async def test_a_cursor_whose_version_is_gone_says_so() -> None:
    """Cleaned away, or the same number in a cache that was filled anew: neither is read on."""
    cache = FakeCache(a_version())
    reader = read_at_once(cache)
    query = SeriesQuery(limit=1)
    cursor = (await reader.read((), query)).next
    cache.versions["default"] = [a_version(first=5)]
    with pytest.raises(CursorGoneError):
        await reader.read((), replace(query, cursor=cursor))
    cache.versions["default"] = []
    with pytest.raises(CursorGoneError, match="default"):
        await reader.read((), replace(query, cursor=cursor))


async def test_a_query_that_takes_too_long_is_given_up() -> None:
    """The limits of the installation hold for every query."""
    cache = FakeCache(a_version())
    with pytest.raises(QueryTooSlowError, match="longer than 0 seconds"):
        await read_at_once(cache, timeout_s=0).read((), SeriesQuery())
    with pytest.raises(QueryTooLargeError, match="12 rows, and at most 3"):
        await read_at_once(cache, max_rows=3).read((), SeriesQuery())


async def test_what_is_light_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a version is indexed, a small question is answered where it was asked."""
    reader = read_at_once(FakeCache(a_version()))
    await reader.read((), SeriesQuery())
    hops = 0
    there = asyncio.to_thread

    async def counted(call: Any, *given: Any) -> Any:  # noqa: ANN401 - as asyncio has it
        nonlocal hops
        hops += 1
        return await there(call, *given)

    monkeypatch.setattr(asyncio, "to_thread", counted)
    await reader.read((), SeriesQuery(filters={"region": ("a",)}))
    assert hops == 0
    with pytest.raises(BadQueryError):
        await reader.read((), SeriesQuery(filters={"region": ("x",)}))
    assert hops == 1


async def test_the_stamp_tells_of_every_change() -> None:
    """Another version has another stamp; an answer carries that of what it was made of."""
    cache = FakeCache(a_version())
    reader = read_at_once(cache)
    stamp = reader.stamp(())
    answer = await reader.read((), SeriesQuery(limit=1))
    assert stamp is not None
    assert stamp == reader.stamp(("default",)) == answer.stamp
    assert stamp.data_times == (TOLD.freshness.data_time,)
    page = await reader.read((), SeriesQuery(limit=1, cursor=answer.next))
    assert page.stamp is None
    cache.versions["default"].append(a_version(version=1))
    assert reader.stamp(()) != stamp
    assert reader.stamp((), Pin(0)) == stamp
    assert reader.stamp(("other",)) is None
    assert reader.stamp((), Pin(7)) is None
    assert a_reader(cache).stamp(()) is None


def common(first: pa.Table, second: pa.Table) -> pa.Table:
    """Return the rows of the first whose members the second has, too."""
    for name in first.schema.names[2:]:
        first = first.filter(pc.is_in(first[name], second[name]))
    return first


def rows_of_all(answer: SeriesAnswer) -> list[tuple[str, Row]]:
    """Return the rows of all parts, each with its dataset."""
    return [
        (view.series.metadata.dataset, row) for view in answer.views for row in rows_of(view.result)
    ]


def test_pages_of_several_datasets_are_those_of_plain_pandas(
    record_property: Callable[[str, object], None],
) -> None:
    """Whatever is asked of two datasets, cursors lead through all rows of both, and no others.

    Half-way a version with other rows is published, which none of the pages may show.
    """
    tally: Counter[str] = Counter()

    @settings(suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        grain, dimensions = data.draw(st.sampled_from(Grain)), data.draw(st.integers(0, 3))
        cache = FakeCache()
        for name in ("x", "y"):
            rows, metadata = data.draw(tables(grain, dimensions))
            told = replace(metadata, dataset=name, content_hash=content_hash(rows))
            cache.versions[name] = [CachedSeries(rows=rows, metadata=told, version=0)]
        old = [cache.load(name) for name in ("x", "y")]
        shared = common(old[0].rows, old[1].rows)
        query = replace(data.draw(queries(shared, grain)), limit=None)
        expected = [
            (one.metadata.dataset, row)
            for one in old
            for row in answered(one.rows, one.metadata, query)
        ]
        few = data.draw(st.integers(1, 7))
        query = replace(query, limit=max(few, len(expected) // 12))
        reader = read_at_once(cache, "x", "y")
        found: list[tuple[str, Row]] = []
        cursor: str | None = None
        while cursor is not None or not found:
            answer = asyncio.run(reader.read(("x", "y"), replace(query, cursor=cursor)))
            page = rows_of_all(answer)
            assert answer.total == len(expected)
            assert len(page) == min(query.limit or 0, len(expected) - len(found))
            found, cursor = found + page, answer.next
            tally["pages"] += 1
            if not page:
                break
            cache.versions["x"] = [old[0], a_version("x", 1, first=1e9)]
        assert found == expected
        tally["cases"] += 1
        tally["rows"] += len(found)

    try:
        check()
    finally:
        record_property("summary", ", ".join(f"{name} {tally[name]}" for name in sorted(tally)))
    assert tally["pages"] > tally["cases"] >= 50
