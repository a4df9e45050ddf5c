"""A large refresh does not hold up the requests beside it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from app.pipeline.contract import content_hash
from app.pipeline.normalize import Normalizer
from app.pipeline.refresh import RefreshService
from app.records import Page
from tests.fakes import FakeCache, FakeCatalogue, FakeClock, FakeSource, a_definition, a_standing
from tests.lag import lag_of, share_of

PAGES = 8
ROWS_PER_PAGE = 50_000


@pytest.fixture(scope="module")
def pages() -> tuple[Page, ...]:
    """400,000 rows in eight pages: ten years of months for five thousand pairs of members."""
    numbers = pa.array(range(ROWS_PER_PAGE))
    months = pa.array([f"{2016 + month // 12}{month % 12 + 1:02}" for month in range(120)])
    turn = pc.subtract(numbers, pc.multiply(pc.divide(numbers, 120), 120))
    region = pc.subtract(numbers, pc.multiply(pc.divide(numbers, 50), 50))
    rows = pa.table(
        {
            "Date": months.take(turn),
            "Region": pc.binary_join_element_wise("R", region.cast(pa.string()), ""),
            "Product": pc.binary_join_element_wise("P", pc.divide(numbers, 500).cast("string"), ""),
            "SignedData": pc.binary_join_element_wise(numbers.cast(pa.string()), "25", "."),
        }
    )
    return tuple(Page(number=number + 1, rows=rows, size_bytes=1) for number in range(PAGES))


async def test_a_large_refresh_leaves_the_loop_free(pages: tuple[Page, ...]) -> None:
    """While 400,000 rows are normalised, the loop never stands still for long."""
    cache = FakeCache()
    source = FakeSource(pages)
    service = RefreshService(
        FakeCatalogue(), {"sac": source}, cache, FakeClock(), standing=a_standing(), breakers={}
    )
    share = await share_of(lambda: service.refresh("default"), 0.25)
    assert cache.load("default").metadata.rows_read == PAGES * ROWS_PER_PAGE
    assert share < 0.25


async def test_the_same_work_on_the_loop_would_be_noticed(pages: tuple[Page, ...]) -> None:
    """The measurement can fail: work on the loop itself stands in its way from start to end."""

    async def blocking() -> None:
        normalizer = Normalizer(a_definition())
        for page in pages:
            normalizer.add(page)
        content_hash(normalizer.finish().rows)

    assert (await lag_of(blocking())).share > 0.75
