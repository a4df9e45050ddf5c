"""The CSV source, and the sample that comes with the tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from app.errors import (
    BadValueError,
    EmptyPullError,
    GrainError,
    ModelNotFoundError,
    SeriesError,
    SourceAnswerError,
    SourceUnreachableError,
    UnknownColumnError,
)
from app.pipeline.contract import validate
from app.pipeline.fixture import CsvSource, fixture_definition
from app.pipeline.normalize import normalize
from app.pipeline.ports import Pull, SeriesSource
from app.records import Page, Progress, PullReport
from tests.pipeline.samples import FIXTURE


async def read(source: SeriesSource) -> tuple[list[Page], PullReport]:
    """Return all pages of a source and the report."""
    pull: Pull = source.pull(fixture_definition())
    pages = [page async for page in pull.pages()]
    return pages, pull.report


def csv_file(folder: Path, content: bytes) -> CsvSource:
    """Return a source that reads this content."""
    path = folder / "rows.csv"
    path.write_bytes(content)
    return CsvSource(path)


async def test_the_sample_keeps_the_contract() -> None:
    """The sample passes the pipeline: valid schema, no nulls, nothing skipped, three years."""
    pages, _ = await read(CsvSource(FIXTURE))
    result = normalize(pages, fixture_definition())
    validate(result.rows, fixture_definition().grain)
    assert (result.rows.num_rows, result.skipped) == (228, {})
    assert (str(result.min_date), str(result.max_date)) == ("2023-01-01", "2025-12-01")
    assert "#" in result.rows["dim_product"].to_pylist()


async def test_the_sample_is_its_own_normal_form() -> None:
    """The file as pandas reads it is the series as the pipeline makes it."""
    pages, _ = await read(CsvSource(FIXTURE))
    rows = normalize(pages, fixture_definition()).rows.to_pandas(date_as_object=False)
    frame = pd.read_csv(FIXTURE, parse_dates=["date"])
    pd.testing.assert_frame_equal(rows, frame, check_dtype=False)
    assert not frame.isna().any(axis=None)


async def test_a_report_says_what_was_read() -> None:
    """The report counts rows and pages, proves by the file's end, and progress grows to it."""
    seen: list[Progress] = []
    pull = CsvSource(FIXTURE, block_bytes=2000).pull(fixture_definition(), seen.append)
    with pytest.raises(RuntimeError):
        _ = pull.report
    pages = [page async for page in pull.pages()]
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert len(pages) > 2
    assert (pull.report.received, pull.report.pages) == (228, len(pages))
    assert (pull.report.proof, pull.report.mode, pull.report.expected) == ("file", "file", None)
    assert [progress.pages for progress in seen] == [page.number for page in pages]
    assert seen[-1].rows == 228


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "mark"])
async def test_cells_are_passed_on_as_text(tmp_path: Path, mark: bytes) -> None:
    """No cell is interpreted: NA is a member, leading zeros stay, an empty cell is null.

    Nor is a byte order mark a part of the first name.
    """
    content = mark + b"dim_product,extra,value,dim_region,date\n007,1,1.50,NA,202401\n,,,nan,#\n"
    pages, _ = await read(csv_file(tmp_path, content))
    assert pages[0].rows.to_pylist() == [
        {"date": "202401", "dim_region": "NA", "dim_product": "007", "value": "1.50"},
        {"date": "#", "dim_region": "nan", "dim_product": None, "value": None},
    ]


HEADER = b"date,value,dim_region,dim_product\n"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", EmptyPullError, "holds no row"),
        (HEADER.strip(), EmptyPullError, "holds no row"),
        (HEADER, EmptyPullError, "holds no row"),
        (
            b"date,valu,dim_region,dim_product\n1,2,3,4\n",
            UnknownColumnError,
            "'value'; it has: valu,",
        ),
        (
            b"date,value,value,dim_region,dim_product\n1,2,3,4,5\n",
            UnknownColumnError,
            "more than one",
        ),
        (HEADER + b"1,2,3\n", SourceAnswerError, "Expected 4 columns, got 3"),
        (HEADER + b"1,2,3,\xff\n", SourceAnswerError, "UTF"),
    ],
    ids=["nothing", "cut header", "no rows", "column", "twice", "ragged", "bytes"],
)
async def test_a_bad_file_is_explained(
    tmp_path: Path, content: bytes, error: type[SeriesError], words: str
) -> None:
    """A file that cannot be read as rows says what is wrong with it, and where it is."""
    with pytest.raises(error) as caught:
        await read(csv_file(tmp_path, content))
    assert words in caught.value.problem
    assert "rows.csv" in caught.value.problem
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("row", "error", "words"),
    [
        (b"202402,1E-9999999,a,b", BadValueError, "row 2, column 'value': found '1E-9999999'"),
        (b"202402," + b"9" * 60 + b"e-7969,a,b", BadValueError, "row 2, column 'value'"),
        (b"FY24P01,1,a,b", GrainError, "row 2, column 'date': The date 'FY24P01'"),
    ],
    ids=["small", "long", "date"],
)
async def test_a_bad_cell_names_its_place(
    tmp_path: Path, row: bytes, error: type[SeriesError], words: str
) -> None:
    """Numbers and dates of a file are read as those of a tenant, or refused as these are."""
    pages, _ = await read(csv_file(tmp_path, HEADER + b"202401,5e-324,a,b\n" + row + b"\n"))
    with pytest.raises(error) as caught:
        normalize(pages, fixture_definition())
    assert f"Page 1, {words}" in caught.value.problem


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere, or to a folder, is an error of the source."""
    with pytest.raises(ModelNotFoundError, match=r"no file .*nowhere\.csv"):
        await read(CsvSource(tmp_path / "nowhere.csv"))
    with pytest.raises(SourceUnreachableError, match="cannot be read"):
        await read(CsvSource(tmp_path))


def test_the_definition_can_be_named() -> None:
    """The name of the definition is free and changes nothing else."""
    assert fixture_definition("other") == replace(fixture_definition(), name="other")
