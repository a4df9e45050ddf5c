"""What a dataset is asked for, and the TOML file that may ask for any number of them.

The default dataset's variables and the tables of the file go through one model, `DatasetForm`, so
that the checks, the defaults and the words of an error are the same for both.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode

from app import forms
from app.errors import ConfigError, ConfigProblem
from app.records import DatasetDefinition, Grain, PullMode, Sign, TimeAggregation, Window
from app.reports import DEFAULT_MAX_SHRINK, USUAL_WARNINGS, DatasetPolicy, DriftRule
from app.text_files import read_text

SAC_SOURCE: Final = "sac"
LONGEST_WINDOW: Final = 1000

_TABLE: Final = "datasets"
_NAME: Final = re.compile(r"[a-z0-9_-]{1,64}")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_WINDOW: Final = re.compile(rf"([1-9][0-9]{{0,3}})\s+({'|'.join(Grain)})s?")
_END_OF_FILE: Final = "at end of document"


def window_of(text: str) -> Window:
    """Read a window; the inverse of its `str()`.

    >>> window_of("3 months")
    Window(count=3, grain=<Grain.MONTH: 'month'>)

    Raises:
        ValueError: The text is no window; says what was found.
    """
    found = _WINDOW.fullmatch(text.strip())
    if found is None or int(found[1]) > LONGEST_WINDOW:
        raise ValueError(f"'{forms.shown(text)}'")
    return Window(int(found[1]), Grain(found[2]))


def _window(value: object) -> Window:
    return window_of(str(value))


ValueT = TypeVar("ValueT")

# Ten years: longer is never.
Seconds = Annotated[int, Field(ge=0, le=315_360_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Rules = Annotated[tuple[DriftRule, ...], NoDecode, BeforeValidator(forms.split)]
_SECONDS: Final = "whole seconds, 0 for never"
_SHARE: Final = "a share of the rows, 0 to 1"
_RULES: Final = f"some of {', '.join(DriftRule)}"


class PolicyVariables(BaseModel):
    """What refreshes and readers keep to. Attribute names are the variables' in lower case."""

    stale_after_s: Seconds = Field(86_400, description=_SECONDS, examples=["86400"])
    expire_after_s: Seconds = Field(2_592_000, description=_SECONDS, examples=["2592000"])
    refresh_every_s: Seconds = Field(0, description=_SECONDS, examples=["3600"])
    refresh_max_shrink: Share = Field(DEFAULT_MAX_SHRINK, description=_SHARE, examples=["0.5"])
    refresh_drift_warn: Rules = Field(
        USUAL_WARNINGS, description=_RULES, examples=[",".join(USUAL_WARNINGS)]
    )
    refresh_drift_reject: Rules = Field((), description=_RULES, examples=["history"])

    @property
    def shared_policy(self) -> DatasetPolicy:
        """What every dataset keeps to whose table says nothing else."""
        return DatasetPolicy(
            stale_after=_length(self.stale_after_s),
            expire_after=_length(self.expire_after_s),
            refresh_every=_length(self.refresh_every_s),
            max_shrink=self.refresh_max_shrink,
            drift_warn=self.refresh_drift_warn,
            drift_reject=self.refresh_drift_reject,
        )


class PolicyForm(BaseModel):
    """The same for one dataset; a key that is left out is as for all."""

    stale_after_s: Seconds | None = Field(None, description=_SECONDS, examples=[86_400])
    expire_after_s: Seconds | None = Field(None, description=_SECONDS, examples=[2_592_000])
    refresh_every_s: Seconds | None = Field(None, description=_SECONDS, examples=[3600])
    max_shrink: Share | None = Field(None, description=_SHARE, examples=[DEFAULT_MAX_SHRINK])
    drift_warn: Rules | None = Field(None, description=_RULES, examples=[USUAL_WARNINGS])
    drift_reject: Rules | None = Field(None, description=_RULES, examples=[("history",)])

    def policy(self, shared: DatasetPolicy) -> DatasetPolicy:
        """Return the policy for all, changed where this dataset has one of its own."""

        def chosen(own: ValueT | None, usual: ValueT) -> ValueT:
            return usual if own is None else own

        def length(own: int | None, usual: timedelta | None) -> timedelta | None:
            return usual if own is None else _length(own)

        return DatasetPolicy(
            stale_after=length(self.stale_after_s, shared.stale_after),
            expire_after=length(self.expire_after_s, shared.expire_after),
            refresh_every=length(self.refresh_every_s, shared.refresh_every),
            max_shrink=chosen(self.max_shrink, shared.max_shrink),
            drift_warn=chosen(self.drift_warn, shared.drift_warn),
            drift_reject=chosen(self.drift_reject, shared.drift_reject),
        )


def _length(seconds: int) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None


class DatasetForm(BaseModel):
    """What a dataset is asked for. Attribute names are the keys of a table in the file.

    The default dataset's variables have the same names in capitals, behind `SAC_`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    model_id: Annotated[str, AfterValidator(forms.model_id)] = Field(
        description="the ProviderID of the model: letters and digits",
        examples=["C1A2B3C4D5E6F7A8B9C0D1E2F3"],
    )
    date_column: Annotated[str, AfterValidator(forms.column)] = Field(
        "Date", description="the technical name of the date dimension", examples=["Date"]
    )
    value_column: Annotated[str, AfterValidator(forms.column)] = Field(
        description="the technical name of the measure", examples=["Revenue"]
    )
    dimensions: Annotated[
        tuple[str, ...], BeforeValidator(forms.split), AfterValidator(forms.columns)
    ] = Field(
        (),
        description="a list of the technical names of the dimensions to keep",
        examples=[("Region", "Product")],
    )
    filter: Annotated[str, AfterValidator(forms.row_filter)] | None = Field(
        None,
        description="an OData filter; texts in single quotes, a quote inside doubled",
        examples=["Version eq 'public.Actual'"],
    )
    grain: Grain = Field(
        Grain.MONTH, description="one of day, week, month, quarter, year", examples=["month"]
    )
    time_aggregation: TimeAggregation | None = Field(
        None,
        description="one of sum, avg, last, min, max, or nothing to follow the account master",
        examples=["last"],
    )
    sign: Sign = Field(Sign.STORED, description="stored or display", examples=["display"])
    mode: PullMode = Field(
        PullMode.AUTO, description="one of auto, aggregates, facts", examples=["auto"]
    )
    window: Annotated[Window, BeforeValidator(_window)] | None = Field(
        None,
        description=f"a count of 1 to {LONGEST_WINDOW} days, weeks, months, quarters or years",
        examples=["3 months"],
    )
    date_attribute: Annotated[str, AfterValidator(forms.column)] | None = Field(
        None,
        description="the technical name of the date dimension's attribute that holds the date",
        examples=["CalendarDate"],
    )
    allow_mixed: bool = Field(default=False, description="true or false", examples=[True])
    trust_count: bool = Field(default=True, description="true or false", examples=[False])

    @field_validator("value_column", "dimensions")
    @classmethod
    def _in_one_role(
        cls, value: str | tuple[str, ...], info: ValidationInfo
    ) -> str | tuple[str, ...]:
        """Refuse a column that is asked for twice: rows could not carry it."""
        names = (value,) if isinstance(value, str) else value
        for role in ("date_column", "value_column"):
            if info.data.get(role) in names:
                raise ValueError(f"'{info.data[role]}', which is the {role} already")
        return value

    def definition(self, name: str) -> DatasetDefinition:
        """Return what to pull for the dataset of this name."""
        found = {key: getattr(self, key) for key in DatasetForm.model_fields}
        return DatasetDefinition(name=name, source=SAC_SOURCE, **found)


class TableForm(PolicyForm, DatasetForm):
    """A table of the file: what a dataset is, and what its refreshes and readers keep to."""


@dataclass(frozen=True, slots=True)
class TomlTable:
    """A dataset's table in the file, as errors speak of it.

    Attributes:
        name: Name of the dataset.
        file: Name of the file.
    """

    name: str
    file: str

    def __str__(self) -> str:
        return f"{_TABLE}.{_key(self.name)} in {self.file}"

    def spelt(self, key: str) -> str:
        """Return the key; fields and keys have the same names."""
        return key

    def called(self, key: str) -> str:
        """Return the key with its table and its file."""
        return f"{_TABLE}.{_key(self.name)}.{_key(key)} in {self.file}"

    def written(self, key: str, value: object) -> str:
        """Return the line that sets a key; the values in use look the same in TOML and JSON."""
        return f"{key} = {json.dumps(value, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class DatasetsFile:
    """The file's tables as they stand; one that is malformed harms no other.

    Attributes:
        file: Name of the file, for errors.
        tables: What stands under each dataset's name, in the file's order.
        unusable: Why nothing of the file can be read; None if that is not so.
    """

    file: str
    tables: Mapping[str, object] = field(repr=False)
    unusable: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the datasets, well-formed or not, in the file's order."""
        return tuple(self.tables)

    def definition(self, name: str) -> DatasetDefinition:
        """Return what the file says of a dataset that it has.

        Raises:
            ConfigError: The name or the table is malformed; tells all problems.
        """
        return self._form(name).definition(name)

    def policy(self, name: str, shared: DatasetPolicy) -> DatasetPolicy:
        """Return what a dataset keeps to; a malformed one has the policy for all."""
        try:
            return self._form(name).policy(shared)
        except ConfigError:
            return shared

    def _form(self, name: str) -> TableForm:
        place = TomlTable(name, self.file)
        table = self.tables[name]
        found = list(_name_problems(place))
        if not isinstance(table, dict):
            wrong = table_problem(place, f"'{forms.shown(table)}'", "a table of keys")
            raise ConfigError((*found, wrong))
        with forms.noted(found):
            form = forms.checked(TableForm, table, place)
        if found:
            raise ConfigError(tuple(found))
        return form


def read_datasets(path: object) -> DatasetsFile:
    """Read the file; what its tables hold is checked when a dataset is asked for.

    One that cannot be read, or is no list of datasets, has no datasets and says why.
    """
    try:
        place = forms.path(path)
        return DatasetsFile(place.name, _tables(place))
    except ValueError as error:
        return DatasetsFile(Path(str(path)).name, {}, f"{forms.visible(path)}: {error}")


def _tables(place: Path) -> dict[str, object]:
    document = _document(place)
    tables = document.get(_TABLE)
    if isinstance(tables, dict) and len(document) == 1:
        return tables
    found = " and ".join(_top_level(key, value) for key, value in document.items()) or "nothing"
    raise ValueError(f"{found}, not the table '{_TABLE}' alone")


def _top_level(key: str, value: object) -> str:
    return f"the {'table' if isinstance(value, dict) else 'value'} '{forms.shown(key)}'"


def _document(place: Path) -> dict[str, Any]:
    text = read_text(place)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error).replace(_END_OF_FILE, f"at {_end_of(text)}")
        raise ValueError(f"no valid TOML: {reason}") from error
    except RecursionError:
        raise ValueError("no valid TOML: brackets nested too deep") from None


def _end_of(text: str) -> str:
    """Name the place behind a text, for which Python's own message has no numbers."""
    *above, last = text.split("\n")
    return f"the end, line {len(above) + 1}, column {len(last) + 1}"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _name_problems(place: TomlTable) -> tuple[ConfigProblem, ...]:
    if _NAME.fullmatch(place.name):
        return ()
    expected = "a name of 1 to 64 lower-case letters, digits, '_' and '-'"
    return (table_problem(place, f"the name '{forms.shown(place.name)}'", expected),)


def table_problem(place: TomlTable, found: str, expected: str) -> ConfigProblem:
    """Say what is wrong with a table as a whole."""
    return ConfigProblem(
        variable=str(place), found=found, expected=expected, example=f"[{_TABLE}.sales]"
    )
