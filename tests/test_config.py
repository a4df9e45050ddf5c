"""Settings: read as they stand, checked at once, and never shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import SECRET_FILE_VARIABLE, VARIABLES, Settings, load_settings
from app.errors import SECRET_VARIABLE, ConfigError
from app.records import Grain, TimeAggregation

SECRET = "9f8e7d6c-aaaa$fakeFAKE${HOME}=!|+/x="
COMPLETE = {
    "SAC_TENANT_URL": "https://t.eu10.sapanalytics.cloud",
    "SAC_TOKEN_URL": "https://t.authentication.eu10.hana.ondemand.com/oauth/token",
    "SAC_CLIENT_ID": "sb-0a1b!b1|client!b77",
    SECRET_VARIABLE: SECRET,
    "SAC_MODEL_ID": "C1A2B3",
    "SAC_VALUE_COLUMN": "Revenue",
}


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A `.env` to be written by a test."""
    return tmp_path / "settings.env"


def write(path: Path, **changes: str | None) -> Path:
    """Write a complete `.env`, changed; None leaves a variable out."""
    values = {**COMPLETE, **changes}
    lines = [f"{name}={value}" for name, value in values.items() if value is not None]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def variables(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    """Name the variables that an error complains of."""
    return [problem.variable for problem in error.value.problems]


def test_complete_settings_define_the_default_dataset(env_file: Path) -> None:
    """A complete `.env` gives a connection and a dataset with the documented defaults."""
    settings = load_settings(write(env_file, SAC_DIMENSIONS="Region, Product"))
    dataset = settings.dataset()
    assert settings.connection().secret.get_secret_value() == SECRET
    assert (dataset.name, dataset.source, dataset.model_id) == ("default", "sac", "C1A2B3")
    assert (dataset.date_column, dataset.dimensions) == ("Date", ("Region", "Product"))
    assert (dataset.grain, dataset.time_aggregation) == (Grain.MONTH, TimeAggregation.SUM)


def test_the_environment_wins_over_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of the process beats the same one in `.env`."""
    monkeypatch.setenv("SAC_MODEL_ID", "FROMPROCESS")
    assert load_settings(write(env_file)).dataset().model_id == "FROMPROCESS"


def test_no_configuration_at_all_is_no_error_until_it_is_needed() -> None:
    """Without any variable the settings load, and asking for the tenant names all missing ones."""
    settings = load_settings(None)
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert variables(error) == list(COMPLETE)
    assert all("nothing" in problem.found for problem in error.value.problems)
    assert "docs/configuration.md" in str(error.value)


@pytest.mark.parametrize("name", list(COMPLETE))
def test_each_missing_variable_is_named(env_file: Path, name: str) -> None:
    """Leaving out one required variable is an error that names it, its form and an example."""
    settings = load_settings(write(env_file, **{name: None}))
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert variables(error) == [name]
    problem = error.value.problems[0]
    assert problem.expected
    assert problem.example
    assert name in error.value.sentence


def test_a_blank_variable_counts_as_missing(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks in the environment or in `.env` are no values."""
    monkeypatch.setenv("SAC_CLIENT_ID", "  ")
    settings = load_settings(write(env_file, SAC_CLIENT_ID=" ", SAC_MODEL_ID=""))
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert variables(error) == ["SAC_CLIENT_ID", "SAC_MODEL_ID"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SAC_TENANT_URL", "http://t.eu10.sapanalytics.cloud", "unencrypted"),
        ("SAC_TENANT_URL", "t.eu10.sapanalytics.cloud", "no full URL"),
        ("SAC_TENANT_URL", "https://t.eu10.sapanalytics.cloud/sap/fpa/ui", "the path /sap/fpa/ui"),
        ("SAC_TENANT_URL", "https://user:word@t.eu10.sapanalytics.cloud", "credentials inside"),
        ("SAC_TENANT_URL", "https://t.cloud:port", "no valid URL"),
        ("SAC_TENANT_URL", "https://<tenant>.sapanalytics.cloud", "placeholder"),
        ("SAC_TOKEN_URL", "https://t.hana.ondemand.com/oauth/token/alias/t.aws", "SAML"),
        ("SAC_TOKEN_URL", "https://t.hana.ondemand.com", "the path /"),
        ("SAC_CLIENT_ID", "<client-id>", "placeholder"),
        ("SAC_CLIENT_ID", "sb one", "a blank"),
        ("SAC_MODEL_ID", "Sales plan", "'Sales plan'"),
        ("SAC_DATE_COLUMN", "1Date", "'1Date'"),
        ("SAC_DIMENSIONS", "Region,Region", "named twice"),
        ("SAC_DIMENSIONS", "Reg'ion", "'Reg'ion'"),
        ("SAC_FILTER", "Version eq 'public.Actual", "odd number of quotes"),
        ("SAC_GRAIN", "moon", "'moon'"),
        ("SAC_TIME_AGGREGATION", "median", "'median'"),
        (SECRET_VARIABLE, "<client-secret>", "placeholder"),
    ],
)
def test_malformed_tenant_settings_are_told_when_needed(
    env_file: Path, name: str, value: str, found: str
) -> None:
    """A malformed setting of the tenant does not stop the start, but the first use names it."""
    settings = load_settings(write(env_file, **{name: value}))
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert variables(error) == [name]
    assert found in error.value.problems[0].found


def test_all_problems_come_at_once(env_file: Path) -> None:
    """Missing, malformed and out-of-range settings are reported together, in one line."""
    path = write(env_file, SAC_TENANT_URL="http://x.y", SAC_MODEL_ID=None, SAC_GRAIN="moon")
    with pytest.raises(ConfigError) as error:
        load_settings(path).dataset()
    assert set(variables(error)) == {"SAC_TENANT_URL", "SAC_MODEL_ID", "SAC_GRAIN"}
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAC_PAGE_SIZE", "0"),
        ("SAC_READ_TIMEOUT_S", "soon"),
        ("SAC_RETRY_ATTEMPTS", "100"),
        ("CACHE_URI", "ftp://host/cache"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_malformed_service_settings_stop_the_start(env_file: Path, name: str, value: str) -> None:
    """A setting that the service itself needs must be right before it starts."""
    with pytest.raises(ConfigError) as error:
        load_settings(write(env_file, **{name: value}, SAC_GRAIN="moon"))
    assert name in variables(error)
    assert "SAC_GRAIN" in variables(error)


def test_an_unknown_variable_in_the_file_suggests_the_nearest(env_file: Path) -> None:
    """A typing error in `.env` is found, and the right name is offered."""
    with pytest.raises(ConfigError) as error:
        load_settings(write(env_file, SAC_MODELID="C1"))
    assert variables(error) == ["SAC_MODELID"]
    assert error.value.problems[0].example == "SAC_MODEL_ID"


def test_the_secret_may_be_in_a_mounted_file(env_file: Path, tmp_path: Path) -> None:
    """A file that holds the secret alone works, its closing line break cut."""
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{SECRET}\n", encoding="utf-8")
    path = write(env_file, **{SECRET_VARIABLE: None, SECRET_FILE_VARIABLE: str(secret_file)})
    assert load_settings(path).connection().secret.get_secret_value() == SECRET


@pytest.mark.parametrize("content", [None, "", "two\nlines"])
def test_an_unusable_secret_file_is_told_without_its_text(
    env_file: Path, tmp_path: Path, content: str | None
) -> None:
    """A secret file that is absent, empty or of several lines is named, not quoted."""
    secret_file = tmp_path / "secret"
    if content is not None:
        secret_file.write_text(content, encoding="utf-8")
    path = write(env_file, **{SECRET_VARIABLE: None, SECRET_FILE_VARIABLE: str(secret_file)})
    with pytest.raises(ConfigError) as error:
        load_settings(path).connection()
    assert variables(error) == [SECRET_FILE_VARIABLE]
    assert "lines" not in error.value.problems[0].found or "several lines" in str(error.value)


def test_two_secrets_are_one_too_many(env_file: Path) -> None:
    """Secret and secret file together are refused: nobody could say which counts."""
    with pytest.raises(ConfigError) as error:
        load_settings(write(env_file, **{SECRET_FILE_VARIABLE: "/run/secrets/sac"})).connection()
    assert variables(error) == [SECRET_VARIABLE]


def test_no_secret_is_ever_shown(env_file: Path) -> None:
    """Neither the settings nor the connection nor any error prints the secret."""
    settings = load_settings(write(env_file, SAC_MODEL_ID=None))
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    shown = [repr(settings), str(settings), repr(settings.connection()), str(error.value)]
    assert SECRET not in "".join(shown)


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"#\\<>`"),
        min_size=1,
        max_size=80,
    )
)
def test_any_printable_secret_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, secret: str
) -> None:
    """Whatever SAC issues arrives as it is: no `$` is expanded and no `=` cuts it."""
    path = tmp_path_factory.mktemp("env") / ".env"
    if secret.lower() in {"changeme", "change-me", "todo"} or secret.lower().startswith("xxx"):
        return
    write(path, **{SECRET_VARIABLE: secret})
    assert load_settings(path).connection().secret.get_secret_value() == secret


def test_settings_are_frozen(env_file: Path) -> None:
    """Settings cannot change after they were checked."""
    settings = load_settings(write(env_file))
    with pytest.raises(ValueError, match="frozen"):
        settings.cache_uri = "elsewhere"  # type: ignore[misc]


def test_durations_name_their_unit() -> None:
    """Every number of seconds says so in its name."""
    for name, field in Settings.model_fields.items():
        if field.annotation is float:
            assert name.endswith("_s")


def test_every_field_says_its_form_and_gives_an_example() -> None:
    """Errors can always tell what is expected."""
    for field in VARIABLES.values():
        info = Settings.model_fields[field]
        assert info.description
        assert info.examples
