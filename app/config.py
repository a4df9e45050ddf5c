"""Settings from the environment and an optional `.env`, checked before anything is sent.

`docs/configuration.md` and `.env.example` list the same variables; a test compares the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
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
from app.errors import SECRET_VARIABLE, ConfigError, ConfigProblem
from app.records import DEFAULT_DATASET, DatasetDefinition, Grain, TimeAggregation

SECRET_FILE_VARIABLE: Final = f"{SECRET_VARIABLE}_FILE"
FIXTURE_PATH: Final = Path(__file__).parent.parent / "tests" / "fixtures" / "sample_series.csv"


def _secret(value: SecretStr) -> SecretStr:
    forms.text(value.get_secret_value())
    return value


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


class Settings(BaseSettings):
    """All settings, frozen. Attribute names are the variables' names in lower case.

    The variables of the tenant may be missing or malformed: the service then starts all the
    same and serves its cache. `connection()` and `dataset()` say what is wrong.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_file=".env",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    sac_tenant_url: Annotated[str, AfterValidator(forms.tenant_url)] | None = Field(
        None,
        description="the https address of the tenant, without a path",
        examples=["https://mytenant.eu10.sapanalytics.cloud"],
    )
    sac_token_url: Annotated[str, AfterValidator(forms.token_url)] | None = Field(
        None,
        description="the Token URL of App Integration, ending in /oauth/token",
        examples=["https://mytenant.authentication.eu10.hana.ondemand.com/oauth/token"],
    )
    sac_client_id: Annotated[str, AfterValidator(forms.client_id)] | None = Field(
        None,
        description="the OAuth client's id",
        examples=["sb-01234567-89ab-cdef-0123-456789abcdef!b1234|client!b567"],
    )
    sac_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
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
    sac_model_id: Annotated[str, AfterValidator(forms.model_id)] | None = Field(
        None,
        description="the ProviderID of the model: letters and digits",
        examples=["C1A2B3C4D5E6F7A8B9C0D1E2F3"],
    )
    sac_date_column: Annotated[str, AfterValidator(forms.column)] = Field(
        "Date", description="the technical name of the date dimension", examples=["Date"]
    )
    sac_value_column: Annotated[str, AfterValidator(forms.column)] | None = Field(
        None, description="the technical name of the measure", examples=["Revenue"]
    )
    sac_dimensions: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(forms.split), AfterValidator(forms.columns)
    ] = Field(
        (),
        description="technical names of the dimensions to keep, separated by commas",
        examples=["Region,Product"],
    )
    sac_filter: Annotated[str, AfterValidator(forms.row_filter)] | None = Field(
        None,
        description="an OData filter; texts in single quotes, a quote inside doubled",
        examples=["Version eq 'public.Actual'"],
    )
    sac_grain: Grain = Field(
        Grain.MONTH,
        description="one of day, week, month, quarter, year",
        examples=["month"],
    )
    sac_time_aggregation: TimeAggregation = Field(
        TimeAggregation.SUM,
        description="one of sum, avg, last, min, max",
        examples=["last"],
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
        description="a folder, or an s3://, az:// or gs:// address",
        examples=["data/cache"],
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="one of debug, info, warning, error", examples=["info"]
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto",
        description="json, text, or auto (text on a terminal, else json)",
        examples=["json"],
    )

    _withheld: tuple[ConfigProblem, ...] = PrivateAttr(())

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
        problems = self._problems("sac_tenant_url", "sac_token_url", "sac_client_id")
        secret, secret_problems = self._read_secret()
        if (
            problems
            or secret_problems
            or not (self.sac_tenant_url and self.sac_token_url and self.sac_client_id and secret)
        ):
            raise ConfigError((*problems, *secret_problems))
        return Connection(self.sac_tenant_url, self.sac_token_url, self.sac_client_id, secret)

    def dataset(self) -> DatasetDefinition:
        """Return the default dataset.

        Raises:
            ConfigError: Variables of the login or the dataset are missing or malformed; names
                all of them, so that one look suffices.
        """
        problems: tuple[ConfigProblem, ...] = ()
        try:
            self.connection()
        except ConfigError as error:
            problems = error.problems
        problems += self._problems("sac_model_id", "sac_value_column")
        problems += tuple(p for p in self._withheld if p not in problems)
        if problems or not (self.sac_model_id and self.sac_value_column):
            raise ConfigError(problems)
        return DatasetDefinition(
            name=DEFAULT_DATASET,
            source="sac",
            model_id=self.sac_model_id,
            date_column=self.sac_date_column,
            value_column=self.sac_value_column,
            dimensions=self.sac_dimensions,
            filter=self.sac_filter,
            grain=self.sac_grain,
            time_aggregation=self.sac_time_aggregation,
        )

    def _problems(self, *fields: str) -> tuple[ConfigProblem, ...]:
        malformed = {problem.variable: problem for problem in self._withheld}
        return tuple(
            malformed.get(_variable(name)) or _problem(name, "nothing")
            for name in fields
            if getattr(self, name) is None
        )

    def _read_secret(self) -> tuple[SecretStr | None, tuple[ConfigProblem, ...]]:
        """The secret from its variable or its file, or what is wrong with both."""
        names = {SECRET_VARIABLE, SECRET_FILE_VARIABLE}
        malformed = tuple(p for p in self._withheld if p.variable in names)
        if malformed:
            return None, malformed
        if self.sac_secret and self.sac_secret_file:
            both = f"a value, while {SECRET_FILE_VARIABLE} is set as well"
            return None, (_problem("sac_secret", both),)
        if self.sac_secret_file is None:
            missing = () if self.sac_secret else (_problem("sac_secret", "nothing"),)
            return self.sac_secret, missing
        try:
            text = self.sac_secret_file.read_text(encoding="utf-8").strip()
            found = "" if text else "an empty file"
            forms.text(text)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "a text of several lines"
            found = f"{self.sac_secret_file}: {reason}"
        if found:
            return None, (_problem("sac_secret_file", found),)
        return SecretStr(text), ()


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

    Malformed variables of the tenant are held back and reported by `connection()` and
    `dataset()`: a service with a good cache must start without them.

    Args:
        env_file: The file to read beside the environment; None for none.

    Raises:
        ConfigError: A variable of the service itself is malformed, or `.env` has a variable
            that does not exist; names all that are wrong.
    """
    source: dict[str, Any] = {"_env_file": env_file}
    try:
        return Settings(**source)
    except ValidationError as error:
        problems = {_field(item["loc"]): _from_pydantic(item) for item in error.errors()}
    withheld = {name: problem for name, problem in problems.items() if name in _TENANT_FIELDS}
    if len(withheld) < len(problems):
        raise ConfigError(tuple(problems.values()))
    defaults = {name: Settings.model_fields[name].get_default() for name in withheld}
    settings = Settings(**source, **defaults)
    settings._withheld = tuple(withheld.values())  # noqa: SLF001 - this module's own class
    return settings


_TENANT_FIELDS: Final = frozenset(
    {
        "sac_tenant_url",
        "sac_token_url",
        "sac_client_id",
        "sac_secret",
        "sac_secret_file",
        "sac_model_id",
        "sac_date_column",
        "sac_value_column",
        "sac_dimensions",
        "sac_filter",
        "sac_grain",
        "sac_time_aggregation",
    }
)


def _variable(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else field.upper()


VARIABLES: Final = {_variable(field): field for field in Settings.model_fields}


def _field(location: tuple[int | str, ...]) -> str:
    """The field of an error; pydantic names it by its alias, and an unknown key as it is."""
    name = str(location[0])
    return VARIABLES.get(name.upper(), name)


def _problem(field: str, found: str) -> ConfigProblem:
    info = Settings.model_fields[field]
    return ConfigProblem(
        variable=_variable(field),
        found=found,
        expected=info.description or "",
        example=str((info.examples or [""])[0]),
    )


def _from_pydantic(item: Any) -> ConfigProblem:  # noqa: ANN401 - pydantic's ErrorDetails
    field = _field(item["loc"])
    if item["type"] == "extra_forbidden":
        variable = field.upper()
        near = get_close_matches(variable, VARIABLES, n=1) or ["SAC_MODEL_ID"]
        return ConfigProblem(
            variable=variable,
            found="a variable that does not exist in .env",
            expected="one of docs/configuration.md",
            example=near[0],
        )
    if item["type"] == "value_error":
        return _problem(field, str(item["ctx"]["error"]))
    secret = field in {"sac_secret", "sac_secret_file"}
    return _problem(field, "no text" if secret else f"'{forms.shown(item['input'])}'")
