"""Settings from the environment and an optional `.env`, checked before anything is sent.

`docs/configuration.md` and `.env.example` list the same variables; a test compares the three.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from app import forms
from app.access_settings import AccessVariables
from app.datasets import (
    DatasetForm,
    DatasetsFile,
    PolicyVariables,
    TomlTable,
    read_datasets,
    table_problem,
)
from app.env_file import EnvFile, read_env_file
from app.errors import NOTHING, SECRET_VARIABLE, ConfigError, ConfigProblem
from app.http_settings import HttpVariables
from app.login_settings import (
    FILE_EXAMPLE,
    FILE_FORM,
    SECRET_FILE_VARIABLE,
    Connection,
    LoginForm,
)
from app.records import DEFAULT_DATASET, DatasetDefinition
from app.reports import DatasetPolicy

FIXTURE_PATH: Final = Path(__file__).parent.parent / "tests" / "fixtures" / "sample_series.csv"
_TENANT_PREFIX: Final = "sac_"
_NAMES_SHOWN: Final = 20


class _Environment(EnvSettingsSource):
    """Reads the process environment; a variable that is set but blank counts as missing.

    Bytes that are no UTF-8 become signs that no form lets pass, and no file has in its name.
    """

    @override
    def _load_env_vars(self) -> dict[str, str | None]:
        variables = super()._load_env_vars()
        return {
            key: forms.replaced(value)
            for key, value in variables.items()
            if value and value.strip()
        }


class Settings(AccessVariables, PolicyVariables, HttpVariables, BaseSettings):
    """All settings, frozen. Attribute names are the variables' names in lower case.

    The variables of the login and of the default dataset are texts as they stand: they may be
    missing or malformed, and the service starts all the same and serves its cache.
    `connection()` and `dataset()` put them through their forms and say what is wrong.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    # `.env`, with the lines alone that leave something out which a pull needs.
    _env_file: EnvFile = PrivateAttr(default_factory=EnvFile)
    # Unchecked, they may hold credentials, so that `repr()` leaves them out.
    sac_tenant_url: str | None = Field(None, repr=False)
    sac_token_url: str | None = Field(None, repr=False)
    sac_client_id: str | None = None
    sac_secret: SecretStr | None = Field(
        None,
        validation_alias=SECRET_VARIABLE,
        description="the OAuth client's secret, on one line",
        examples=["(as SAC showed it once)"],
    )
    sac_secret_file: Path | None = Field(
        None,
        validation_alias=SECRET_FILE_VARIABLE,
        description=FILE_FORM,
        examples=[FILE_EXAMPLE],
    )
    sac_model_id: str | None = None
    sac_date_column: str | None = None
    sac_value_column: str | None = None
    sac_dimensions: str | None = None
    sac_filter: str | None = None
    sac_grain: str | None = None
    sac_time_aggregation: str | None = None
    sac_sign: str | None = None
    sac_mode: str | None = None
    sac_window: str | None = None
    sac_date_attribute: str | None = None
    sac_allow_mixed: str | None = None
    sac_trust_count: str | None = None
    datasets_file: Annotated[
        Annotated[DatasetsFile, BeforeValidator(read_datasets)] | None, NoDecode
    ] = Field(
        None,
        description="the path of a TOML file with one table [datasets.<name>] for each dataset",
        examples=["datasets.toml"],
    )
    sac_max_parallel: int = Field(
        2, ge=1, le=8, description="requests at once, 1 to 8", examples=["2"]
    )
    sac_page_size: int = Field(
        5000, ge=1, le=100_000, description="rows per page, 1 to 100000", examples=["5000"]
    )
    sac_connect_timeout_s: float = Field(
        10, gt=0, le=600, description="seconds, more than 0, at most 600", examples=["10"]
    )
    sac_read_timeout_s: float = Field(
        120, gt=0, le=3600, description="seconds, more than 0, at most 3600", examples=["120"]
    )
    sac_pull_deadline_s: float = Field(
        1800, gt=0, le=86_400, description="seconds, more than 0, at most 86400", examples=["1800"]
    )
    sac_retry_attempts: int = Field(
        5, ge=1, le=20, description="tries of one request, 1 to 20", examples=["5"]
    )
    sac_retry_base_s: float = Field(
        0.5, ge=0, le=60, description="seconds, 0 to 60", examples=["0.5"]
    )
    sac_retry_max_wait_s: float = Field(
        60, ge=0, le=3600, description="seconds, 0 to 3600", examples=["60"]
    )
    cache_uri: Annotated[str, AfterValidator(forms.cache_uri)] = Field(
        "data/cache",
        validate_default=True,
        description="a folder without []^|\\ in its path, or an s3://, az:// or gs:// address",
        examples=["/var/lib/sac-series/cache"],
    )
    breaker_failures: int = Field(
        3, ge=0, le=100, description="failures in a row, 0 for no breaker", examples=["3"]
    )
    breaker_cool_down_s: int = Field(
        60, ge=1, le=900, description="whole seconds, 1 to 900", examples=["60"]
    )
    cache_retention_days: float | None = Field(
        None, gt=0, le=36_500, description="days, more than 0", examples=["90"]
    )
    cache_retention_versions: int | None = Field(
        None, ge=1, le=1_000_000, description="a number of versions, at least 1", examples=["30"]
    )
    shutdown_grace_s: float = Field(
        20, ge=0, le=3600, description="seconds, 0 to 3600", examples=["20"]
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="one of debug, info, warning, error", examples=["info"]
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="json, text, or auto (text on a terminal, else json)", examples=["json"]
    )

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the process environment in our way; `load_settings` hands in what `.env` says."""
        return (init_settings, _Environment(settings_cls))

    def connection(self) -> Connection:
        """Return what a login needs.

        Raises:
            ConfigError: Variables of the login are missing or malformed; names all of them.
        """
        self._check_env()
        wrong: list[ConfigProblem] = []
        with forms.noted(wrong):
            login = forms.checked(LoginForm, self._values(LoginForm), _OF_THE_TENANT)
        with forms.noted(wrong):
            secret = self._secret()
        if wrong:
            raise ConfigError((*wrong, *self.env.notes))
        return Connection(login.tenant_url, login.token_url, login.client_id, secret)

    @property
    def dataset_names(self) -> tuple[str, ...]:
        """Names of all datasets, the default one first, then those of the file."""
        listed = self.datasets_file.names if self.datasets_file else ()
        return (DEFAULT_DATASET, *(name for name in listed if name != DEFAULT_DATASET))

    def dataset(self, name: str = DEFAULT_DATASET) -> DatasetDefinition:
        """Return a dataset: the default one, or one of the file.

        Args:
            name: One of `dataset_names`.

        Raises:
            ConfigError: Settings of the login or the dataset are missing or malformed; names
                all of them, so that one look suffices.
            KeyError: There is no dataset of this name.
        """
        if name not in self.dataset_names and not self._lost_datasets():
            raise KeyError(name)
        wrong: list[ConfigProblem] = []
        with forms.noted(wrong):
            self.connection().read_secret()
        with forms.noted(wrong):
            definition = self.definition(name)
        if wrong:
            # What is wrong with `.env` is wrong with the login and with the dataset.
            raise self._advised(ConfigError(tuple(dict.fromkeys(wrong))), name)
        return definition

    def policy(self, name: str) -> DatasetPolicy:
        """Return what a dataset's refreshes and readers keep to; never fails."""
        file, shared = self.datasets_file, self.shared_policy
        return file.policy(name, shared) if file and name in file.names else shared

    @property
    def env(self) -> EnvFile:
        """What is odd about `.env`; while it has problems, nothing is pulled."""
        return self._env_file

    def malformed(self) -> tuple[ConfigProblem, ...]:
        """Return what is wrong with `.env` and the login, leaving aside what is not set.

        What is in the file of the secret is left aside, too: it may change.
        """
        wrong: list[ConfigProblem] = []
        with forms.noted(wrong):
            self.connection()
        told = (NOTHING, *(note.found for note in self.env.notes))
        return tuple(problem for problem in wrong if problem.found not in told)

    def malformed_datasets(self) -> tuple[ConfigProblem, ...]:
        """Return what is wrong with the datasets of the file, the login left aside."""
        wrong = list(self._lost_datasets())
        for name in self.datasets_file.names if self.datasets_file else ():
            with forms.noted(wrong):
                self.definition(name)
        return tuple(wrong)

    def definition(self, name: str) -> DatasetDefinition:
        """Return a dataset as `dataset` does, the settings of the login left aside."""
        file = self.datasets_file
        if (lost := self._lost_datasets()) and not (name == DEFAULT_DATASET and self.sac_model_id):
            raise ConfigError(lost)
        if file is None or name not in file.names:
            self._check_env()
            form = forms.checked(DatasetForm, self._values(DatasetForm), _OF_THE_TENANT)
            return form.definition(DEFAULT_DATASET)
        if name == DEFAULT_DATASET and self.sac_model_id:
            table = TomlTable(name, file.file)
            found = "a second default dataset, while SAC_MODEL_ID is set as well"
            raise ConfigError((table_problem(table, found, "another name"),))
        return file.definition(name)

    def _check_env(self) -> None:
        """Refuse to go by settings of which some were lost: data would be those of others."""
        if self.env.problems:
            raise ConfigError(self.env.problems)

    def _lost_datasets(self) -> tuple[ConfigProblem, ...]:
        """Return why the file of datasets cannot be read; empty if it can."""
        file = self.datasets_file
        if file is None or file.unusable is None:
            return ()
        return _wrong("datasets_file", file.unusable).problems

    def _advised(self, error: ConfigError, name: str) -> ConfigError:
        """Lead to the datasets of the file, where the problem or a way around it is."""
        file = self.datasets_file
        if file is None:
            return error
        if name in file.names:
            error.next_step = (
                f"Set the variables in the environment or in .env, and the keys in {file.file}; "
                "docs/configuration.md explains each."
            )
        elif self.sac_model_id is None and file.names:
            names = ", ".join(file.names[:_NAMES_SHOWN])
            error.next_step += f" Or ask for a dataset of {file.file}: {names}."
        return error

    def _values(self, form: type[BaseModel]) -> dict[str, object]:
        return {key: getattr(self, f"{_TENANT_PREFIX}{key}") for key in form.model_fields}

    def _secret(self) -> SecretStr | Path:
        """Return the secret, or the file that holds it; or say what is wrong with both."""
        if self.sac_secret and self.sac_secret_file:
            raise _wrong("sac_secret", f"a value, while {SECRET_FILE_VARIABLE} is set as well")
        if self.sac_secret_file:
            return self.sac_secret_file
        if self.sac_secret is None:
            raise _wrong("sac_secret", NOTHING)
        try:
            forms.secret(self.sac_secret.get_secret_value())
        except ValueError as error:
            raise _wrong("sac_secret", str(error)) from None
        return self.sac_secret


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the environment and `.env`.

    What tenant and datasets need is looked at later: a good cache is served without it.

    Args:
        env_file: The file to read beside the environment; None for none.

    Raises:
        ConfigError: A variable of the service itself is malformed, or `.env` has a variable that
            does not exist; names all that are wrong.
    """
    path = None if env_file is None else Path(env_file)
    env = EnvFile() if path is None else read_env_file(path, {name.lower() for name in VARIABLES})
    # The environment wins, also over what cannot be read.
    given = {name.lower() for name, value in os.environ.items() if value.strip()}
    bad = [one for one in env.bad if one.name not in given and one.name not in _FILES]
    values: dict[str, Any] = {
        VARIABLES.get(name.upper(), name): forms.replaced(value)
        for name, value in env.values.items()
        if name not in given and name not in {one.name for one in bad}
    }
    fatal = [one for one in bad if one.name is not None and one.name not in _OF_A_PULL]
    found = replace(env, bad=tuple(fatal)).problems if fatal else ()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        found += forms.problems(Settings, error, _OF_THE_SERVICE)
    if found:
        raise ConfigError(found)
    settings._env_file = replace(env, bad=tuple(bad), values={})  # noqa: SLF001 - frozen from here on
    return settings


@dataclass(frozen=True, slots=True)
class _Variables:
    """The environment, as errors speak of it."""

    prefix: str = ""

    def spelt(self, key: str) -> str:
        name = f"{self.prefix}{key}"
        return next((v for v, field in VARIABLES.items() if field == name), name.upper())

    def called(self, key: str) -> str:
        return self.spelt(key)

    def written(self, key: str, value: object) -> str:  # noqa: ARG002 - a Place is asked so
        if isinstance(value, tuple):
            return ",".join(value)
        return str(value).lower() if isinstance(value, bool) else str(value)


def _variable(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else field.upper()


VARIABLES: Final = {_variable(field): field for field in Settings.model_fields}
# A pull needs them, and it says so; what the service needs, it needs at its start.
_OF_A_PULL: Final = {
    *(f"{_TENANT_PREFIX}{key}" for form in (LoginForm, DatasetForm) for key in form.model_fields),
    SECRET_VARIABLE.lower(),
}
# These are told like any other file that cannot be read.
_FILES: Final = {SECRET_FILE_VARIABLE.lower(), "datasets_file"}
_OF_THE_SERVICE: Final = _Variables()
_OF_THE_TENANT: Final = _Variables(_TENANT_PREFIX)


def _wrong(field: str, found: str) -> ConfigError:
    return ConfigError((forms.problem(Settings, field, found, _OF_THE_SERVICE),))
