"""A series becomes the frame that its reader works with."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

from app.client.series import Series
from tests.client.wire import rows

SERIES = Series(rows=rows(1.5, None), version=1, freshness="fresh")


def test_pandas_gets_dates_numbers_and_text() -> None:
    """The types are those of `load_cache`; what is missing is NaN."""
    frame = SERIES.to_pandas()
    assert [str(kind) for kind in frame.dtypes] == ["datetime64[us]", "float64", "str"]
    assert list(frame["date"]) == [pd.Timestamp("1970-01-01"), pd.Timestamp("1970-01-02")]
    assert frame["value"].isna().tolist() == [False, True]
    assert frame["dim_region"].tolist() == ["Zürich", "Zürich"]


def test_polars_gets_the_same() -> None:
    """Dates are dates, and what is missing is null."""
    frame = SERIES.to_polars()
    assert frame.columns == ["date", "value", "dim_region"]
    assert frame.schema["date"] == pl.Date
    assert frame["value"].to_list() == [1.5, None]
    assert frame["dim_region"].cast(pl.String).to_list() == ["Zürich", "Zürich"]


def test_arrow_gets_the_rows_as_they_came() -> None:
    """Nothing is copied."""
    assert SERIES.to_arrow() is SERIES.rows


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who asks for a polars frame needs polars."""
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(ModuleNotFoundError, match="polars"):
        SERIES.to_polars()
