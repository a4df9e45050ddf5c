"""The file of datasets: any number of them, each checked on its own, every problem in words."""

import json
import re
import tomllib
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.datasets import (
    LONGEST_WINDOW,
    DatasetForm,
    DatasetsFile,
    PolicyVariables,
    TomlTable,
    read_datasets,
    window_of,
)
from app.errors import ConfigError, ConfigProblem
from app.records import DatasetDefinition, Grain, PullMode, Sign, TimeAggregation, Window
from app.reports import DriftRule

COMPLETE: dict[str, Any] = {"model_id": "C1A2B3", "value_column": "Revenue"}
PLACE = TomlTable("sales", "datasets.toml")


def a_file(**tables: object) -> DatasetsFile:
    """Return a file with these tables."""
    return DatasetsFile("datasets.toml", tables)


def problems(file: DatasetsFile, name: str = "sales") -> tuple[ConfigProblem, ...]:
    """Return what is wrong with a dataset of a file."""
    with pytest.raises(ConfigError) as error:
        file.definition(name)
    assert "\n" not in str(error.value)
    return error.value.problems


def found_in(path: Path, text: str | bytes) -> str:
    """Return what a file that cannot be read is said to hold; it has no dataset."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_datasets(path)
    assert not found.names
    return (found.unusable or "").removeprefix(f"{path}: ")


windows = st.builds(Window, st.integers(1, LONGEST_WINDOW), st.sampled_from(Grain))


@given(windows)
def test_a_window_survives_being_written(window: Window) -> None:
    """Reading is the inverse of writing."""
    assert window_of(str(window)) == window


@given(windows, st.sampled_from(["", "s"]), st.sampled_from([" ", "  ", "\t"]))
def test_a_window_is_read_generously(window: Window, plural: str, blank: str) -> None:
    """Blanks and the plural do not matter."""
    assert window_of(f" {window.count}{blank}{window.grain}{plural} ") == window


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,5} (days?|moons?)", fullmatch=True))
def test_a_text_is_a_window_or_refused_in_words(text: str) -> None:
    """What is accepted is written the same way ever after; all else is a `ValueError`."""
    try:
        window = window_of(text)
    except ValueError as error:
        assert str(error).startswith("'")  # noqa: PT017 - either outcome is right
    else:
        assert window_of(str(window)) == window
        assert 1 <= window.count <= LONGEST_WINDOW


@pytest.mark.parametrize("text", ["", "3", "months", "0 days", "-1 day", "1001 days", "3 monthss"])
def test_what_is_no_window_is_refused(text: str) -> None:
    """A count from 1 and a unit are both needed."""
    with pytest.raises(ValueError, match=f"'{text}'"):
        window_of(text)


def test_the_form_has_every_field_of_a_definition() -> None:
    """Whatever a definition holds, but its name and source, can be asked for."""
    defined = {field.name for field in fields(DatasetDefinition)} - {"name", "source"}
    assert set(DatasetForm.model_fields) == defined


def test_the_defaults_are_those_of_a_definition() -> None:
    """A dataset of two keys is what a definition of two fields is, dates in `Date`."""
    assert a_file(sales=COMPLETE).definition("sales") == DatasetDefinition(
        name="sales", source="sac", date_column="Date", **COMPLETE
    )


def test_every_key_reaches_the_definition() -> None:
    """All keys of a table are read, in the types that TOML has."""
    table = tomllib.loads("""
        model_id = "t.X:C1A2B3"
        date_column = "Month"
        value_column = "Revenue"
        dimensions = ["Region", "Product"]
        filter = "Version eq 'public.Actual'"
        grain = "week"
        time_aggregation = "avg"
        sign = "display"
        mode = "aggregates"
        window = "13 weeks"
        date_attribute = "CalendarDate"
        allow_mixed = true
        trust_count = false
    """)
    assert set(table) == set(DatasetForm.model_fields)
    assert a_file(sales=table).definition("sales") == DatasetDefinition(
        name="sales",
        source="sac",
        model_id="C1A2B3",
        date_column="Month",
        value_column="Revenue",
        dimensions=("Region", "Product"),
        filter="Version eq 'public.Actual'",
        grain=Grain.WEEK,
        time_aggregation=TimeAggregation.AVG,
        sign=Sign.DISPLAY,
        mode=PullMode.AGGREGATES,
        window=Window(13, Grain.WEEK),
        date_attribute="CalendarDate",
        allow_mixed=True,
        trust_count=False,
    )


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("model_id", 5, "'5'"),
        ("model_id", "", "nothing"),
        ("model_id", "<provider-id>", "the placeholder of the example"),
        ("date_column", "1Date", "'1Date'"),
        ("value_column", "Date", "'Date', which is the date_column already"),
        ("dimensions", ["Region", 2], "'2'"),
        ("dimensions", ["Region", "Region"], "a column named twice"),
        ("dimensions", ["Region", "Revenue"], "'Revenue', which is the value_column already"),
        ("dimensions", {"Region": True}, "'{'Region': True}'"),
        ("filter", "Version eq 'public.Actual", "an odd number of quotes"),
        ("filter", "(Version eq 'public.Actual'", "parentheses that do not match"),
        ("filter", "A eq 'a'\nor B eq 'b'", "a line break or control character in the middle"),
        ("grain", "a\nmoon", "'a moon'"),
        ("time_aggregation", "median", "'median'"),
        ("sign", 1, "'1'"),
        ("mode", "all", "'all'"),
        ("window", 3, "'3'"),
        ("date_attribute", [], "'[]'"),
        ("allow_mixed", "perhaps", "'perhaps'"),
        ("trust_count", "perhaps", "'perhaps'"),
    ],
)
def test_a_malformed_key_is_named_with_its_table_and_file(
    key: str, value: object, found: str
) -> None:
    """A problem says where it is, what was found, and which line would be right."""
    (problem,) = problems(a_file(sales={**COMPLETE, key: value}))
    assert problem.variable == f"datasets.sales.{key} in datasets.toml"
    assert problem.found == found
    assert problem.expected
    assert problem.example.startswith(f"{key} = ")


@pytest.mark.parametrize("key", list(DatasetForm.model_fields))
def test_an_example_from_an_error_is_a_valid_line(key: str) -> None:
    """Whoever copies the example of a problem into the file has repaired it."""
    (problem,) = problems(a_file(sales={**COMPLETE, key: "<?>"}))
    table = {**COMPLETE, **tomllib.loads(problem.example)}
    assert key in table
    a_file(sales=table).definition("sales")


def test_all_problems_of_a_dataset_come_at_once() -> None:
    """Missing, malformed and unknown keys and a wrong name are told together."""
    told = problems(a_file(Sales={"grain": "moon", "modelid": "C1"}), "Sales")
    assert [(problem.variable, problem.found) for problem in told] == [
        ("datasets.Sales in datasets.toml", "the name 'Sales'"),
        ("datasets.Sales.model_id in datasets.toml", "nothing"),
        ("datasets.Sales.value_column in datasets.toml", "nothing"),
        ("datasets.Sales.grain in datasets.toml", "'moon'"),
        ("datasets.Sales.modelid in datasets.toml", "an unknown name"),
    ]
    assert told[-1].example == "model_id"


@pytest.mark.parametrize("table", [5, "C1", [COMPLETE], True])
def test_a_dataset_that_is_no_table_is_told(table: object) -> None:
    """A value or a list of tables under a dataset's name is no dataset."""
    (problem,) = problems(a_file(sales=table))
    assert problem.variable == "datasets.sales in datasets.toml"
    assert (problem.expected, problem.example) == ("a table of keys", "[datasets.sales]")


@given(st.text(max_size=70))
def test_a_name_is_well_formed_or_told(name: str) -> None:
    """Only names of 1 to 64 lower-case letters, digits, `_` and `-` define a dataset."""
    file = a_file(**{name: COMPLETE})
    assert file.names == (name,)
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    if 1 <= len(name) <= 64 and set(name) <= allowed:
        assert file.definition(name).name == name
    else:
        (problem,) = problems(file, name)
        assert "lower-case" in problem.expected


@given(st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True))
def test_every_well_formed_name_defines_a_dataset(name: str) -> None:
    """A dataset bears the name of its table."""
    assert a_file(**{name: COMPLETE}).definition(name).name == name


@given(st.text(), st.text())
def test_a_key_in_an_error_is_the_key_in_the_file(name: str, key: str) -> None:
    """Names that TOML must quote are quoted, on one line."""
    called = TomlTable(name, "f").called(key)
    assert "\n" not in called
    # TOML has no escape for half a surrogate pair, and JSON escapes less than TOML wants.
    assume("\x7f" not in name + key)
    assert tomllib.loads(f"{called.removesuffix(' in f')} = 1") == {"datasets": {name: {key: 1}}}


def test_the_file_keeps_the_order_of_its_tables(tmp_path: Path) -> None:
    """Datasets are listed as they are written, whatever their form."""
    path = tmp_path / "our.toml"
    path.write_text("[datasets.b]\n[datasets.a]\n[datasets.'C d']\n", encoding="utf-8")
    file = read_datasets(path)
    assert (file.file, file.names) == ("our.toml", ("b", "a", "C d"))


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    """A file from an editor of Windows is read like any other."""
    path = tmp_path / "datasets.toml"
    text = '[datasets.a]\r\nmodel_id = "C1"\r\nvalue_column = "V"\r\n'
    for coding in ("utf-8-sig", "utf-16", "utf-16-be"):
        path.write_bytes(text.encode(coding))
        assert read_datasets(path).definition("a").model_id == "C1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[datasets.a]\nmodel_id = C1\n", r"no valid TOML: .*line 2, column 12"),
        ("[datasets.a]\nmodel_id =", r"no valid TOML: .*at the end, line 2, column 11"),
        ("[datasets.a]\n[datasets.a]\n", r"no valid TOML: .*line 2, column"),
        ("", r"nothing, not the table 'datasets' alone"),
        ("[dataset.a]", r"the table 'dataset', not the table 'datasets' alone"),
        ("[[datasets]]", r"the value 'datasets', not"),
        ("[datasets.a]\n[dataset.b]", r"the table 'datasets' and the table 'dataset', not"),
        ("model_id = 'C1'\n[datasets.a]", r"the value 'model_id' and the table 'datasets', not"),
        (b"[datasets.a]\n# caf\xe9", r"line 2: bytes that are no UTF-8 text"),
        (b"[datasets.a]\n\0", r"line 2: a null character"),
        (b"a = " + b"[" * 5_000, r"no valid TOML: brackets nested too deep"),
    ],
)
def test_a_file_that_is_no_list_of_datasets_is_refused(
    tmp_path: Path, text: str | bytes, found: str
) -> None:
    """What is wrong with the file as a whole is said in one line, with its place if it has one."""
    words = found_in(tmp_path / "datasets.toml", text)
    assert len(words.splitlines()) == 1
    assert re.match(found, words), words


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A file that is absent, or a folder, is told with the path that was looked at."""
    absent = read_datasets(tmp_path / "absent.toml")
    assert (absent.names, absent.file) == ((), "absent.toml")
    assert absent.unusable == f"{tmp_path}/absent.toml: no such file or directory"
    assert (read_datasets(tmp_path).unusable or "").endswith("a folder")


@given(st.recursive(st.text() | st.booleans(), st.lists, max_leaves=4))
def test_a_written_value_is_the_same_in_the_file(value: object) -> None:
    """Examples are written in TOML."""
    assume("\x7f" not in json.dumps(value, ensure_ascii=False))
    assert tomllib.loads(PLACE.written("key", value)) == {"key": value}


def test_a_table_has_a_policy_of_its_own(tmp_path: Path) -> None:
    """Keys that are set replace what all datasets share; 0 means never; the others stay."""
    path = tmp_path / "datasets.toml"
    keys = 'model_id = "C2"\nvalue_column = "Heads"\n'
    path.write_text(
        f"[datasets.own]\n{keys}stale_after_s = 60\nexpire_after_s = 0\nmax_shrink = 0\n"
        f'drift_reject = ["history"]\n[datasets.usual]\n{keys}[datasets.broken]\nmax_shrink = 2\n',
        encoding="utf-8",
    )
    file, shared = read_datasets(path), PolicyVariables().shared_policy
    own = file.policy("own", shared)
    assert (own.stale_after, own.expire_after) == (timedelta(minutes=1), None)
    assert (own.max_shrink, own.drift_reject) == (0, (DriftRule.HISTORY,))
    assert (own.drift_warn, own.refresh_every) == (shared.drift_warn, None)
    assert file.policy("usual", shared) == file.policy("broken", shared) == shared
    with pytest.raises(ConfigError, match=r"datasets\.broken\.max_shrink.*found '2'"):
        file.definition("broken")
