"""CSV says exactly what the table says; Excel's says it without running it."""

from __future__ import annotations

import codecs
import csv
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.writing.separated import FORMULA_STARTS, csv_exact, csv_for_excel
from tests.api.writing.answers import POINTS, TEXT, Point, a_view, an_answer, as_point

DAY = date(2026, 1, 1)
CELLS = st.builds(str.__add__, st.sampled_from(["", *FORMULA_STARTS]), TEXT)


def records(content: bytes) -> list[dict[str, str]]:
    """Read CSV as Python's own reader does."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


@given(points=POINTS, coded=st.booleans())
def test_csv_holds_every_point_unchanged(points: list[Point], coded: bool) -> None:
    """What a CSV reader makes of it is what was in the table; null is an empty field."""
    rows = records(b"".join(csv_exact(an_answer(a_view(points, coded=coded)))))
    found = [{**row, "value": float(row["value"]) if row["value"] else None} for row in rows]
    assert found == [as_point(point) for point in points]


def test_csv_is_as_rfc_4180_has_it() -> None:
    """A header line, CRLF after every record, no mark before the first."""
    content = b"".join(csv_exact(an_answer(a_view([(DAY, 1.5, 'a "b"', "c")]))))
    assert content == b'date,value,dim_a,dim_b\r\n2026-01-01,1.5,"a ""b""","c"\r\n'


def test_csv_of_several_datasets_names_them() -> None:
    """The dataset comes first; a dimension that it does not have is an empty field."""
    other = a_view([(DAY, None, "x", "z")], dataset="other", dimensions=("dim_a", "dim_c"))
    rows = records(b"".join(csv_exact(an_answer(a_view([(DAY, 1.0, "x", "y")]), other))))
    assert [list(row.values()) for row in rows] == [
        ["default", "2026-01-01", "1", "x", "y", ""],
        ["other", "2026-01-01", "", "x", "", "z"],
    ]


@given(cells=st.lists(CELLS, max_size=5))
def test_no_name_is_a_formula_in_excel(cells: list[str]) -> None:
    """A cell that a spreadsheet would run begins with an apostrophe; all others are unchanged."""
    answer = an_answer(a_view([(DAY, -1.5, cell, "b") for cell in cells]))
    content = b"".join(csv_for_excel(answer))
    assert content.startswith(codecs.BOM_UTF8)
    rows = records(content.removeprefix(codecs.BOM_UTF8))
    for cell, row in zip(cells, rows, strict=True):
        guarded = bool(cell) and cell[0] in FORMULA_STARTS
        assert row["dim_a"] == (f"'{cell}" if guarded else cell)
        assert row["value"] == "-1.5"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_the_known_attacks_are_disarmed(cell: str) -> None:
    """What OWASP lists does not reach the first character of a cell."""
    (row,) = records(b"".join(csv_for_excel(an_answer(a_view([(DAY, 1.0, cell, "b")]))))[3:])
    assert row["dim_a"] == f"'{cell}"
