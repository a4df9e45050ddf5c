"""From pages of text to one exact series."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal, localcontext
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadValueError, DataError, GrainError, UnknownColumnError
from app.pipeline import normalize as module
from app.pipeline.contract import content_hash, validate
from app.pipeline.normalize import NormalizedSeries, Normalizer, normalize
from app.records import Grain, Page
from tests.pipeline.samples import DEFINITION, Record, members, months, numbers, page

JAN = date(2024, 1, 1)

bad_dates = st.sampled_from(["#", "0000", "", None, "no date"])
records: st.SearchStrategy[list[Record]] = st.lists(
    st.tuples(
        st.one_of(months, bad_dates),
        members | st.none(),
        members | st.none(),
        numbers.map(str) | st.none(),
    ),
    max_size=40,
)


def pages_of(found: Sequence[Record], size: int) -> list[Page]:
    """Return the records cut into pages of a size."""
    starts = range(0, len(found), size)
    return [page(found[start : start + size], number + 1) for number, start in enumerate(starts)]


def one(*found: Record) -> NormalizedSeries:
    """Return the series of one page."""
    return normalize([page(found, 3)], DEFINITION)


@given(records)
def test_values_are_the_exact_sums(found: list[Record]) -> None:
    """Each value is the sum of its records in plain decimals, rounded once."""
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for day, region, centre, amount in found:
        if day is not None and day.isdigit() and day != "0000" and amount is not None:
            key = (region or "#", centre or "#", f"{day[:4]}-{day[4:]}-01")
            sums[key] += Decimal(amount)
    rows = normalize(pages_of(found, 7), DEFINITION).rows.to_pylist()
    result = {(r["dim_region"], r["dim_cost_center"], str(r["date"])): r["value"] for r in rows}
    assert result == {key: float(total) for key, total in sums.items()}


@given(records, st.randoms(use_true_random=False), st.integers(1, 9), st.integers(1, 40))
def test_order_and_pages_do_not_matter(
    found: list[Record], random: Random, size: int, other_size: int
) -> None:
    """Shuffled rows in other pages give the same series, byte for byte, and the same counts."""
    shuffled = list(found)
    random.shuffle(shuffled)
    first = normalize(pages_of(found, size), DEFINITION)
    second = normalize(pages_of(shuffled, other_size), DEFINITION)
    assert content_hash(first.rows) == content_hash(second.rows)
    assert replace(first, rows=None) == replace(second, rows=None)


short_numbers = st.decimals(-(10**6), 10**6, places=2).map(str)
short_records: st.SearchStrategy[list[Record]] = st.lists(
    st.tuples(
        st.one_of(months, bad_dates),
        members | st.none(),
        members | st.none(),
        short_numbers | numbers.map(str) | st.none(),
    ),
    max_size=40,
)


@given(short_records, st.integers(1, 40))
def test_short_numbers_are_added_up_as_all_others(found: list[Record], size: int) -> None:
    """The quick way and the wide one end in the same bytes and counts, page by page."""
    quick = normalize(pages_of(found, size), DEFINITION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "multiples", lambda _: None)
        wide = normalize(pages_of(found, size), DEFINITION)
    assert content_hash(quick.rows) == content_hash(wide.rows)
    assert replace(quick, rows=None) == replace(wide, rows=None)


@given(records)
def test_no_record_is_lost(found: list[Record]) -> None:
    """Records read are records used plus records skipped, and the exact total is conserved."""
    result = normalize(pages_of(found, 5), DEFINITION)
    assert result.rows_read == len(found) == result.rows_used + sum(result.skipped.values())
    kept = [r for r in found if r[0] and r[0] != "0000" and r[0].isdigit() and r[3] is not None]
    assert result.rows_used == len(kept)
    without_keys = replace(DEFINITION, dimensions=(), grain=Grain.YEAR)
    total = [("2024", None, None, r[3]) for r in kept]
    values = normalize([page(total)], without_keys).rows["value"].to_pylist()
    assert sum(values) == float(sum(Decimal(r[3] or 0) for r in kept))


@given(records)
def test_the_result_keeps_the_contract(found: list[Record]) -> None:
    """Whatever comes in, a valid series goes out; it has no negative zero; its bounds fit."""
    result = normalize(pages_of(found, 11), DEFINITION)
    validate(result.rows, DEFINITION.grain)
    assert all(math.copysign(1, v) > 0 for v in result.rows["value"].to_pylist() if v == 0)
    days = result.rows["date"].to_pylist()
    assert (result.min_date, result.max_date) == ((min(days), max(days)) if days else (None, None))


@given(records)
def test_normalising_a_series_again_changes_nothing(found: list[Record]) -> None:
    """A series is its own normal form."""
    rows = normalize(pages_of(found, 11), DEFINITION).rows
    columns = {"Date": "date", "Region": "dim_region", "CostCenter": "dim_cost_center"}
    texts = {name: rows[column].cast(pa.string()) for name, column in columns.items()}
    again = Page(1, pa.table({**texts, "Amount": rows["value"].cast(pa.string())}), 1)
    assert normalize([again], DEFINITION).rows.equals(rows)


def test_every_skipped_record_is_counted_by_reason() -> None:
    """Each reason is counted; a record with a bad date and no value counts for its date."""
    result = one(
        ("202401", "a", "x", "1"),
        ("#", "a", "x", "1"),
        ("#", "a", "x", None),
        ("0000", "a", "x", "1"),
        (None, "a", "x", "1"),
        (" ", "a", "x", "1"),
        ("soon", "a", "x", "1"),
        ("202401", "a", "x", None),
    )
    assert result.skipped == {
        "date_unassigned": 2,
        "date_unused": 1,
        "date_missing": 2,
        "date_unparsable": 1,
        "value_null": 1,
    }
    assert (result.rows_read, result.rows_used) == (8, 1)


def test_records_of_one_key_are_summed_and_not_rounded() -> None:
    """Equal records count each time, and tenths add up to tenths."""
    result = one(
        ("202401", "a", None, "0.1"), ("2024-01-31", "a", "#", "0.1"), ("202401", "a", None, "0.1")
    )
    assert result.rows.to_pylist() == [
        {"date": JAN, "value": 0.3, "dim_region": "a", "dim_cost_center": "#"}
    ]


def test_a_sum_that_cancels_is_plain_zero() -> None:
    """Large opposite values cancel without a trace, and -0.0 is 0.0."""
    result = one(
        ("202401", "a", "x", "1e30"), ("202401", "a", "x", "-1E30"), ("202402", "a", "x", "-0.0")
    )
    values = result.rows["value"].to_pylist()
    assert values == [0.0, 0.0]
    assert [math.copysign(1, value) for value in values] == [1, 1]


huge_numbers = st.floats(-1e306, 1e306).map(repr) | numbers.map(str)
huge_records: st.SearchStrategy[list[Record]] = st.lists(
    st.tuples(months | bad_dates, members | st.none(), st.none(), huge_numbers | st.none()),
    max_size=40,
)


@given(huge_records, st.randoms(use_true_random=False), st.integers(1, 9), st.integers(1, 40))
def test_numbers_of_any_size_are_added_up_exactly(
    found: list[Record], random: Random, size: int, other_size: int
) -> None:
    """Whatever a double holds is added exactly and rounded once, in any order and any pages."""
    sums: dict[tuple[str, str], Decimal] = {}
    with localcontext(prec=2_000):
        for day, region, _, amount in found:
            if day is not None and day.isdigit() and day != "0000" and amount is not None:
                key = (region or "#", f"{day[:4]}-{day[4:]}-01")
                sums[key] = sums.get(key, Decimal(0)) + Decimal(amount)
    shuffled = list(found)
    random.shuffle(shuffled)
    first = normalize(pages_of(found, size), DEFINITION)
    rows = first.rows.to_pylist()
    assert {(row["dim_region"], str(row["date"])): row["value"] for row in rows} == {
        key: float(total) for key, total in sums.items()
    }
    again = normalize(pages_of(shuffled, other_size), DEFINITION)
    assert content_hash(first.rows) == content_hash(again.rows)
    validate(first.rows, DEFINITION.grain)


def test_a_sum_that_no_double_holds_is_named() -> None:
    """Values that are each fine and together too large name their date and members."""
    records = [("202401", "a", "x", "1.7e308")] * 2
    with pytest.raises(DataError, match="The values of 2024-01-01, a, x add up to more than"):
        one(*records)
    assert one(*records, ("202401", "a", "x", "-1.7e308")).rows["value"].to_pylist() == [1.7e308]


def test_no_usable_record_gives_an_empty_series() -> None:
    """Nothing usable is no error here: the counts tell, and the caller decides."""
    assert normalize([], DEFINITION).rows.num_rows == 0
    result = one(("#", "a", "x", "1"))
    validate(result.rows, Grain.MONTH)
    assert (result.rows.num_rows, result.rows_read, result.min_date) == (0, 1, None)


@pytest.mark.parametrize("bad", ["abc", " 1", "NaN", "1e309", "1E-9999999", "9" * 60 + "e-7969"])
def test_a_bad_value_names_its_place(bad: str) -> None:
    """A value that is no number stops the pull and names page, row, column and what was found."""
    with pytest.raises(BadValueError) as caught:
        one(("202401", "a", "x", "1"), ("#", "a", "x", bad), ("202401", "a", "x", bad))
    error = caught.value
    assert (error.page, error.row, error.column) == (3, 2, "Amount")
    assert "Page 3, row 2, column 'Amount'" in error.problem
    assert f"'{bad}'" in error.problem or f"'{bad[:20]}" in error.problem
    assert f"{bad[-6:]}'" in error.problem


def test_a_wrong_grain_names_its_place() -> None:
    """A date id of another grain names page, row, column, id and the grain that fits."""
    with pytest.raises(GrainError) as caught:
        one(("202401", "a", "x", "1"), ("20243", "a", "x", "1"))
    assert "Page 3, row 2, column 'Date'" in caught.value.problem
    assert "'20243' is a quarter" in caught.value.problem
    assert "to quarter" in caught.value.next_step


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["202401", "202402"], "id"),
        (["2024-01-01"], "iso"),
        (["202401", "2024-01-01"], "mixed"),
        (["2024-01"], "other"),
        (["202401 "], "other"),
        (["2024-01-01T00:00:00", "2024/02/01"], "other"),
        (["20240101000000"], "other"),
        (["2024-01", "202401"], "mixed"),
        (["#", "soon", "0000-00-00"], ""),
    ],
)
def test_how_dates_are_written_is_told(texts: list[str], form: str) -> None:
    """Only plain ids are told as such: no others stand in the order of time."""
    assert one(*((text, "a", "x", "1") for text in texts)).date_form == form


def test_dates_of_several_forms_are_one_period() -> None:
    """Whatever surely means one month is added up to it, and no record is dropped."""
    texts = ["202402", "202402 ", "2024-02", "02.2024", "2024-02-01", "2024-02-01T00:00:00Z"]
    texts += ["/Date(1706745600000)/"]
    found = one(*((text, "a", "x", "1") for text in texts))
    assert [row["value"] for row in found.rows.to_pylist()] == [7.0]
    assert (found.skipped, found.same_period) == ({}, None)


def test_two_moments_of_one_period_are_told() -> None:
    """Two readings of one day are no sum where values over time are none."""
    texts = ["2024-02-01T08:00:00", "2024-02-01T20:00:00"]
    assert one(*((text, "a", "x", "1") for text in texts)).same_period == tuple(texts)


def test_a_date_of_a_master_is_named_as_such() -> None:
    """An error of a date that the master names says so."""
    definition = replace(DEFINITION, date_attribute="START")
    with pytest.raises(GrainError, match="row 1, column 'Date', by 'START' of its master: The"):
        normalize([page([("FY24", "a", "x", "1")])], definition)


def test_a_missing_column_is_named_with_those_there_are() -> None:
    """A page without a column of the definition names it, and the columns it has."""
    with pytest.raises(UnknownColumnError, match=r"no column 'Amout'; it has: Amount"):
        normalize([page([])], replace(DEFINITION, value_column="Amout"))


def test_colliding_dimensions_are_refused_at_once() -> None:
    """Two dimensions of one contract name are refused before any page is read."""
    with pytest.raises(DataError, match="'Region' and 'region'"):
        Normalizer(replace(DEFINITION, dimensions=("Region", "region")))


def test_partial_sums_are_merged_as_they_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merging in mid-pull changes nothing but what is held."""
    found = [(f"2024{month:02}", "a", "x", "0.1") for month in range(1, 13)] * 9
    expected = normalize(pages_of(found, 12), DEFINITION).rows
    monkeypatch.setattr(module, "_MERGE_ROWS", 20)
    normalizer = Normalizer(DEFINITION)
    for one_page in pages_of(found, 12):
        normalizer.add(one_page)
    assert normalizer.finish().rows.equals(expected)
    assert normalizer.finish().rows.equals(expected)


def test_members_are_sorted_by_their_bytes() -> None:
    """Members stand in the order of their UTF-8 bytes on every platform."""
    found = [("202401", member, "x", "1") for member in ("ä", "a", "Z", "#", "é", "日")]
    order = one(*found).rows["dim_region"].to_pylist()
    assert order == ["#", "Z", "a", "ä", "é", "日"]


@given(days=st.lists(st.dates(date(2024, 1, 1), date(2024, 3, 31)), max_size=8), ids=st.booleans())
def test_two_days_of_one_period_are_told(*, days: list[date], ids: bool) -> None:
    """Days that fall into one month are named, if they differ; an id names the first day of it."""
    texts = [f"{day:%Y%m}" if ids else day.isoformat() for day in days]
    found = normalize(
        pages_of([(text, "R", "P", "1") for text in texts], 3), DEFINITION
    ).same_period
    months = {(day.year, day.month) for day in days}
    crowded = not ids and len(set(days)) > len(months)
    assert (found is not None) is crowded
    if found is not None:
        first, other = found
        assert first != other
        assert first[:7] == other[:7]
