"""Settings from the environment and an optional `.env`, checked before anything is sent.

`docs/configuration.md` and `.env.example` list the same variables; a test compares the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
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
from app.errors import SECRET_VARIABLE, ConfigError, ConfigProblem
from app.http_settings import HttpVariables
from app.records import DEFAULT_DATASET, DatasetDefinition
from app.reports import DatasetPolicy

SECRET_FILE_VARIABLE: Final = f"{SECRET_VARIABLE}_FILE"
FIXTURE_PATH: Final = Path(__file__).parent.parent / "tests" / "fixtures" / "sample_series.csv"
_TENANT_PREFIX: Final = "sac_"
_NAMES_SHOWN: Final = 20


class LoginForm(BaseModel):
    """What a login needs beside the secret. Attribute names are the variables' without `SAC_`."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    tenant_url: Annotated[str, AfterValidator(forms.tenant_url)] = Field(
        description="the https address of the tenant, without a path",
        examples=["https://mytenant.eu10.sapanalytics.cloud"],
    )
    token_url: Annotated[str, AfterValidator(forms.token_url)] = Field(
        description="the Token URL of App Integration, ending in /oauth/token",
        examples=["https://mytenant.authentication.eu10.hana.ondemand.com/oauth/token"],
    )
    client_id: Annotated[str, AfterValidator(forms.client_id)] = Field(
        description="the OAuth client's id",
        examples=["sb-01234567-89ab-cdef-0123-456789abcdef!b1234|client!b567"],
    )


class _PlainDotEnv(DotEnvSettingsSource):
    """Reads `.env` without expanding `$`: SAC secrets hold `$`, and must survive as they are."""

    @override
    def _load_env_vars(self) -> dict[str, str | None]:
        path = Path(str(self.env_file)) if self.env_file else None
        if path is None or not path.is_file():
            return {}
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
        return {key.lower(): value for key, value in values.items() if (value or "").strip()}


class _Environment(EnvSettingsSource):
    """Reads the process environment; a variable that is set but blank counts as missing."""

    @override
    def _load_env_vars(self) -> dict[str, str | None]:
        variables = super()._load_env_vars()
        return {key: value for key, value in variables.items() if (value or "").strip()}


class Settings(AccessVariables, PolicyVariables, HttpVariables, BaseSettings):
    """All settings, frozen. Attribute names are the variables' names in lower case.

    The variables of the login and of the default dataset are texts as they stand: they may be
    missing or malformed, and the service starts all the same and serves its cache.
    `connection()` and `dataset()` put them through their forms and say what is wrong.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_file=".env",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

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
        description="the path of a readable file that holds the secret alone",
        examples=["/run/secrets/sac"],
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
        """Put the process environment before `.env`, and read both in our way."""
        env_file = getattr(dotenv_settings, "env_file", None)
        return (
            init_settings,
            _Environment(settings_cls),
            _PlainDotEnv(settings_cls, env_file=env_file),
        )

    def connection(self) -> Connection:
        """Return what a login needs.

        Raises:
            ConfigError: Variables of the login are missing or malformed; names all of them.
        """
        wrong: list[ConfigProblem] = []
        with forms.noted(wrong):
            login = forms.checked(LoginForm, self._values(LoginForm), _OF_THE_TENANT)
        with forms.noted(wrong):
            secret = self._read_secret()
        if wrong:
            raise ConfigError(tuple(wrong))
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
        if name not in self.dataset_names:
            raise KeyError(name)
        wrong: list[ConfigProblem] = []
        with forms.noted(wrong):
            self.connection()
        with forms.noted(wrong):
            definition = self.definition(name)
        if wrong:
            raise self._advised(ConfigError(tuple(wrong)), name)
        return definition

    def policy(self, name: str) -> DatasetPolicy:
        """Return what a dataset's refreshes and readers keep to; never fails."""
        file, shared = self.datasets_file, self.shared_policy
        return file.policy(name, shared) if file and name in file.names else shared

    def malformed_datasets(self) -> tuple[ConfigProblem, ...]:
        """Return what is wrong with the datasets of the file, the login left aside."""
        wrong: list[ConfigProblem] = []
        for name in self.datasets_file.names if self.datasets_file else ():
            with forms.noted(wrong):
                self.definition(name)
        return tuple(wrong)

    def definition(self, name: str) -> DatasetDefinition:
        """Return a dataset as `dataset` does, the settings of the login left aside."""
        file = self.datasets_file
        if file is None or name not in file.names:
            form = forms.checked(DatasetForm, self._values(DatasetForm), _OF_THE_TENANT)
            return form.definition(DEFAULT_DATASET)
        if name == DEFAULT_DATASET and self.sac_model_id:
            table = TomlTable(name, file.file)
            found = "a second default dataset, while SAC_MODEL_ID is set as well"
            raise ConfigError((table_problem(table, found, "another name"),))
        return file.definition(name)

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

    def _read_secret(self) -> SecretStr:
        """Return the secret from its variable or its file, or say what is wrong with both."""
        if self.sac_secret and self.sac_secret_file:
            raise _wrong("sac_secret", f"a value, while {SECRET_FILE_VARIABLE} is set as well")
        if self.sac_secret_file:
            return _secret_in(self.sac_secret_file)
        if self.sac_secret is None:
            raise _wrong("sac_secret", "nothing")
        try:
            forms.text(self.sac_secret.get_secret_value())
        except ValueError as error:
            raise _wrong("sac_secret", str(error)) from None
        return self.sac_secret


@dataclass(frozen=True, slots=True)
class Connection:
    """What a login needs, complete and well-formed.

    Attributes:
        tenant_url: Scheme, host and port of the tenant's API.
        token_url: The token endpoint.
        client_id: The OAuth client's id.
        secret: Its secret; shown as stars.
    """

    tenant_url: str
    token_url: str
    client_id: str
    secret: SecretStr


def load_settings(env_file: Path | str | None = ".env") -> Settings:
    """Read the environment and `.env`.

    What tenant and datasets need is looked at later: a good cache is served without it.

    Args:
        env_file: The file to read beside the environment; None for none.

    Raises:
        ConfigError: A variable of the service itself is malformed, the file of datasets cannot
            be read, or `.env` has a variable that does not exist; names all that are wrong.
    """
    source: dict[str, Any] = {"_env_file": env_file}
    try:
        return Settings(**source)
    except ValidationError as error:
        raise ConfigError(forms.problems(Settings, error, _OF_THE_SERVICE)) from None


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
_OF_THE_SERVICE: Final = _Variables()
_OF_THE_TENANT: Final = _Variables(_TENANT_PREFIX)


def _wrong(field: str, found: str) -> ConfigError:
    return ConfigError((forms.problem(Settings, field, found, _OF_THE_SERVICE),))


def _secret_in(path: Path) -> SecretStr:
    try:
        text = forms.text(forms.path(path).read_text(encoding="utf-8").strip())
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        # Its own words quote the bytes, and these may be the secret.
        reason = "no UTF-8 text"
    except ValueError as error:
        reason = str(error)
    else:
        if text:
            return SecretStr(text)
        reason = "an empty file"
    raise _wrong("sac_secret_file", f"{path}: {reason}")
