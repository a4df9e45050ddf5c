"""A large answer does not hold up the requests beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pyarrow as pa
import pytest

from app.api.media import Format
from app.api.writing.points import json_rows
from app.pipeline.contract import series_schema
from app.pipeline.query import SeriesQuery
from app.pipeline.series import SeriesReader
from app.records import CachedSeries, Grain, SeriesMetadata
from tests.api.bench import Bench
from tests.fakes import FakeCache, FakeCatalogue, a_standing
from tests.lag import lag_of, share_of

ROWS = 300_000


@pytest.fixture(scope="module")
def large() -> CachedSeries:
    """A daily series of 300,000 points with one dimension."""
    days = [date(2000, 1, 1) + timedelta(days=number) for number in range(3_000)]
    members = [f"M{number:03}" for number in range(ROWS // len(days))]
    columns = [
        pa.array(days * len(members), pa.date32()),
        pa.array([number / 8 for number in range(ROWS)]),
        pa.array([member for member in members for _ in days]),
    ]
    metadata = SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime(2026, 11, 21, tzinfo=UTC),
        row_count=ROWS,
        min_date=days[0],
        max_date=days[-1],
        grain=Grain.DAY,
    )
    rows = pa.Table.from_arrays(columns, schema=series_schema(["dim_member"]))
    return CachedSeries(rows=rows, metadata=metadata, version=0)


@pytest.mark.parametrize("form", list(Format))
async def test_a_large_answer_leaves_the_loop_free(
    bench: Bench, large: CachedSeries, form: Format
) -> None:
    """While 300,000 points are written, the loop never stands still for long."""
    url, versions = f"/series?format={form}&end=2100", count()

    async def taken() -> None:
        # Each time another version, of which nothing is known yet.
        bench.cache.versions["default"] = [replace(large, version=next(versions))]
        # To decompress the answer, on the same loop, is the caller's part.
        async with bench.client.stream("GET", url) as answer:
            async for _ in answer.aiter_raw():
                pass

    assert await share_of(taken, 0.25) < 0.25


async def test_the_same_work_on_the_loop_would_be_noticed(large: CachedSeries) -> None:
    """The measurement can fail: writing on the loop itself blocks it from start to end."""
    answer = await SeriesReader(FakeCatalogue(), FakeCache(large), a_standing().of).read(
        ("default",), SeriesQuery()
    )

    async def blocking() -> bytes:
        return b"".join(json_rows(answer))

    assert (await lag_of(blocking())).share > 0.75
