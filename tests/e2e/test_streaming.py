"""Memory: a million points leave in every form, and need what a few of them need."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import pyarrow as pa
import pytest

from app.api.media import Format
from app.pipeline.cache import DeltaCache
from app.pipeline.contract import series_schema
from app.records import Grain, SeriesMetadata
from tests.service_process import MeasuredService, measured_service

MEMBERS: Final = 1_000
DAYS: Final = 1_100
POINTS: Final = MEMBERS * DAYS
# A slice of rows, its text, and what the coder and the socket hold; not a million of anything.
LIMIT_MB: Final = 40


def fill(folder: Path) -> None:
    """Save a series of 1,100,000 points with two dimensions."""
    days = [date(2020, 1, 1) + timedelta(days=number) for number in range(DAYS)]
    names = pa.array([f"Member {number:04}" for number in range(MEMBERS)])
    codes = pa.array(np.repeat(np.arange(MEMBERS, dtype=np.int32), DAYS))
    rows = pa.Table.from_arrays(
        [
            pa.array(days * MEMBERS, pa.date32()),
            pa.array(np.arange(POINTS) / 8),
            pa.array(["EMEA"] * POINTS),
            names.take(codes),
        ],
        schema=series_schema(["dim_region", "dim_member"]),
    )
    metadata = SeriesMetadata(
        dataset="default",
        source="sac",
        last_refresh_time=datetime.now(UTC),
        row_count=POINTS,
        min_date=days[0],
        max_date=days[-1],
        grain=Grain.DAY,
    )
    DeltaCache(folder / "data" / "cache").save(rows, metadata)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredService]:
    """The service with a large series, which it has loaded."""
    folder = tmp_path_factory.mktemp("service")
    fill(folder)
    with measured_service(folder, {"QUERY_MAX_ROWS": "2000000"}) as service:
        assert service.client.get("/series", params={"limit": 1}).status_code == 200
        yield service


def taken(client: httpx.Client, form: Format, coding: str, limit: int) -> int:
    """Read an answer piece by piece, as it comes, and return how many bytes there were."""
    parameters = {"format": form.value, "limit": str(limit)}
    headers = {"Accept-Encoding": coding}
    with client.stream("GET", "/series", params=parameters, headers=headers) as response:
        assert response.status_code == 200
        return sum(map(len, response.iter_raw()))


@pytest.mark.parametrize("coding", ["identity", "zstd"])
@pytest.mark.parametrize("form", list(Format))
def test_memory_does_not_grow_with_the_answer(
    service: MeasuredService,
    form: Format,
    coding: str,
    record_property: Callable[[str, object], None],
) -> None:
    """The peak of a large answer is that of a small one and a few slices."""
    few = service.peak_mb_of(lambda: taken(service.client, form, coding, 20_000))
    all_bytes = 0

    def take_all() -> None:
        nonlocal all_bytes
        all_bytes = taken(service.client, form, coding, POINTS)

    many = service.peak_mb_of(take_all)
    record_property("summary", f"{form} {coding}: {all_bytes / 1e6:.1f} MB, {few:.0f} {many:.0f}")
    assert many < few + LIMIT_MB


def test_the_measure_would_notice(service: MeasuredService) -> None:
    """The limit is far below what the largest form holds, and the peak is told anew each time."""
    size = taken(service.client, Format.JSON, "identity", POINTS)
    assert size > 2 * LIMIT_MB * 1_000_000
    assert re.fullmatch(r"\d+", str(service.process_id))
