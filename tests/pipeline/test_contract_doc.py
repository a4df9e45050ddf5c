"""The page docs/data_contract.md says what the code does."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest

from app.periods import ID_FORMS, SkipReason, id_of, parse_id
from app.pipeline.contract import contract_name, series_schema
from app.pipeline.fixture import CsvSource
from app.pipeline.normalize import NormalizedSeries, normalize
from app.records import (
    CONTRACT_VERSION,
    DatasetDefinition,
    Grain,
    Page,
    SeriesMetadata,
    TimeAggregation,
)

PAGE = (Path(__file__).parents[2] / "docs" / "data_contract.md").read_text(encoding="utf-8")


def table(section: str) -> list[list[str]]:
    """Return the body of the one table in a section, without back-quotes."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines
    ]


def test_columns_are_the_schema_s() -> None:
    """Names, types and nullability of the page are those of the schema."""
    schema = series_schema(["dim_<name>"])
    found = [(name, kind, null) for name, kind, null, _ in table("Columns")]
    assert found == [(f.name, str(f.type), "maybe" if f.nullable else "never") for f in schema]


@pytest.mark.parametrize(("column", "name"), [tuple(row) for row in table("Dimensions")])
def test_dimension_names_are_the_code_s(column: str, name: str) -> None:
    """Each example of a name is what the code makes of the column."""
    assert contract_name(column) == name


def test_grains_and_id_forms_are_the_code_s() -> None:
    """The page lists every grain with its id form, and its examples are read as it says."""
    rows = table("Grain")
    assert [(Grain(name), form) for name, form, _, _ in rows] == list(ID_FORMS.items())
    for name, _, example, day in rows:
        assert parse_id(example, Grain(name)) == date.fromisoformat(day)
        assert id_of(date.fromisoformat(day), Grain(name)) == example


def test_forms_of_dates_are_the_code_s() -> None:
    """Each example of another form is read for the grain that the page names."""
    rows = table("Dates")
    for _, name, examples in rows:
        for text in examples.split(", "):
            for grain in Grain if name == "every" else (Grain(name),):
                found = parse_id(text, grain)
                assert isinstance(found, date), text
                assert parse_id(f" {text.lower() if 'Date' not in text else text} ", grain) == found
    assert {name for _, name, _ in rows} == {"every", "quarter", "week", "month"}


def test_skip_reasons_are_the_code_s() -> None:
    """The page lists every reason, in order."""
    assert [row[0] for row in table("Missing values")] == list(SkipReason)


def test_metadata_fields_are_the_code_s() -> None:
    """The page lists every field of the metadata, in order."""
    assert [row[0] for row in table("Metadata")] == [f.name for f in fields(SeriesMetadata)]


def test_version_and_time_aggregations_are_the_code_s() -> None:
    """The page names the contract's version and every rule for coarser grains."""
    assert f"version {CONTRACT_VERSION} (`contract_version`)" in PAGE
    assert "(" + ", ".join(f"`{rule}`" for rule in TimeAggregation) + ")" in PAGE


async def test_the_example_is_what_the_pipeline_makes(tmp_path: Path) -> None:
    """The records of the example become the series of the example."""
    records, expected = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "records.csv"
    await asyncio.to_thread(path.write_text, records)
    definition = DatasetDefinition(
        name="example",
        source="fixture",
        model_id="example",
        date_column="Date",
        value_column="Amount",
        dimensions=("Region",),
    )
    pages: list[Page] = [page async for page in CsvSource(path).pull(definition).pages()]
    result: NormalizedSeries = normalize(pages, definition)
    rows = [{key: str(value) for key, value in row.items()} for row in result.rows.to_pylist()]
    assert rows == list(csv.DictReader(io.StringIO(expected)))
    assert f"`{json.dumps(result.skipped)}`" in PAGE
