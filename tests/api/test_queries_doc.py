"""The page about queries says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from app.api.params import PARAMETERS
from app.pipeline.cache import frame_to_rows
from tests.api.bench import Bench
from tests.pipeline.samples import metadata_of

PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text(encoding="utf-8")
BLOCKS = re.compile(
    r"^```sh\ncurl 'localhost:8000(/series\?[^']*)'\n```\n```csv\n(.*?)```$",
    re.MULTILINE | re.DOTALL,
)
SERIES = re.search(r"^```csv\n(date,.*?)```$", PAGE, re.MULTILINE | re.DOTALL)


def shown_series() -> pa.Table:
    """Return the series that the page shows."""
    assert SERIES is not None
    header, *lines = SERIES[1].split()
    columns = list(zip(*(line.split(",") for line in lines), strict=True))
    table = pa.table(dict(zip(header.split(","), columns, strict=True)))
    values = table["value"].cast(pa.float64())
    return frame_to_rows(table.set_column(1, "value", values).to_pandas())


@pytest.mark.parametrize(("url", "answer"), BLOCKS.findall(PAGE))
async def test_every_example_is_answered_as_the_page_shows(
    bench: Bench, url: str, answer: str
) -> None:
    """Each line of the page, sent to the service, gives the rows beneath it."""
    rows = shown_series()
    bench.cache.save(rows, metadata_of(rows, dataset="default"))
    response = await bench.get(f"{url}&format=csv")
    assert response.status_code == 200, response.text
    assert response.text.split() == answer.split()


def test_the_page_has_examples_and_every_parameter() -> None:
    """No command stands without its answer, and no parameter of the service is missing."""
    assert len(BLOCKS.findall(PAGE)) == PAGE.count("```sh") > 5
    elsewhere = {"format", "version", "as_of", "allow_expired"}
    assert {name for name in PARAMETERS if f"`{name}" not in PAGE} <= elsewhere
