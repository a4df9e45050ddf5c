"""Settings: read as they stand, checked at once, and never shown."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.config import VARIABLES, Settings, load_settings
from app.datasets import DatasetForm
from app.errors import SECRET_VARIABLE, ConfigError
from app.login_settings import SECRET_FILE_VARIABLE, LoginForm
from app.records import DatasetDefinition, Grain, PullMode, Sign, TimeAggregation, Window
from app.reports import DriftRule

WithFile = Callable[..., Settings]
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
    assert settings.connection().read_secret().get_secret_value() == SECRET
    assert (dataset.name, dataset.source, dataset.model_id) == ("default", "sac", "C1A2B3")
    assert (dataset.date_column, dataset.dimensions) == ("Date", ("Region", "Product"))
    assert (dataset.grain, dataset.time_aggregation) == (Grain.MONTH, None)
    assert (dataset.sign, dataset.mode) == (Sign.STORED, PullMode.AUTO)
    assert (dataset.window, dataset.date_attribute, dataset.allow_mixed) == (None, None, False)
    assert dataset.trust_count


def test_every_variable_of_a_dataset_is_read(env_file: Path) -> None:
    """All variables of the default dataset reach its definition."""
    path = write(
        env_file,
        SAC_DATE_COLUMN="Month",
        SAC_DIMENSIONS="Region Product",
        SAC_FILTER="Version eq 'public.Actual'",
        SAC_GRAIN="week",
        SAC_TIME_AGGREGATION="last",
        SAC_SIGN="display",
        SAC_MODE="facts",
        SAC_WINDOW="3 months",
        SAC_DATE_ATTRIBUTE="CalendarDate",
        SAC_ALLOW_MIXED="true",
        SAC_TRUST_COUNT="false",
    )
    assert load_settings(path).dataset() == DatasetDefinition(
        name="default",
        source="sac",
        model_id="C1A2B3",
        date_column="Month",
        value_column="Revenue",
        dimensions=("Region", "Product"),
        filter="Version eq 'public.Actual'",
        grain=Grain.WEEK,
        time_aggregation=TimeAggregation.LAST,
        sign=Sign.DISPLAY,
        mode=PullMode.FACTS,
        window=Window(3, Grain.MONTH),
        date_attribute="CalendarDate",
        allow_mixed=True,
        trust_count=False,
    )


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
        ("SAC_FILTER", "Version eq 'x') or (Region eq 'y'", "parentheses that do not match"),
        ("SAC_GRAIN", "moon", "'moon'"),
        ("SAC_TIME_AGGREGATION", "median", "'median'"),
        ("SAC_DIMENSIONS", "Region,Date", "'Date', which is the date_column already"),
        ("SAC_SIGN", "plus", "'plus'"),
        ("SAC_MODE", "all", "'all'"),
        ("SAC_WINDOW", "a while", "'a while'"),
        ("SAC_DATE_ATTRIBUTE", "1Date", "'1Date'"),
        ("SAC_ALLOW_MIXED", "maybe", "'maybe'"),
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
        ("SAC_MAX_PARALLEL", "9"),
        ("CACHE_URI", "ftp://host/cache"),
        ("CACHE_URI", "a[b]"),
        ("CACHE_URI", "pct%20x"),
        ("CACHE_URI", "back\\slash"),
        ("CACHE_URI", "file://data/cache"),
        ("CACHE_URI", "s3:/bucket"),
        ("API_KEYS_FILE", "file://host/keys.json"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_malformed_service_settings_stop_the_start(env_file: Path, name: str, value: str) -> None:
    """A setting that the service itself needs must be right before it starts."""
    with pytest.raises(ConfigError) as error:
        load_settings(write(env_file, **{name: value}))
    assert variables(error) == [name]
    assert "\n" not in str(error.value)


def test_paths_are_read_from_the_home_folder_and_from_addresses(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each path of the settings means the same file, however it is written."""
    monkeypatch.setenv("HOME", str(tmp_path))
    name = "ü [1] %20#.txt"
    (tmp_path / name).write_text("[datasets]\n", encoding="utf-8")
    for written in (f"~/{name}", (tmp_path / name).as_uri(), f"file:{quote(str(tmp_path / name))}"):
        lines = {"API_KEYS_FILE": written, "DATASETS_FILE": written, "CACHE_URI": "~/cache"}
        secret = {SECRET_VARIABLE: None, SECRET_FILE_VARIABLE: written}
        settings = load_settings(write(env_file, **{n: f"'{v}'" for n, v in lines.items()}))
        assert settings.api_keys_file == tmp_path / name
        assert settings.datasets_file is not None
        assert settings.cache_uri == str(tmp_path / "cache")
        with_secret = write(env_file, **{n: v and f"'{v}'" for n, v in secret.items()})
        found = load_settings(with_secret).connection().read_secret().get_secret_value()
        assert found == "[datasets]"


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
    assert load_settings(path).connection().read_secret().get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no such file"),
        (b"", "an empty file"),
        (b"two\nlines", "a line break"),
        (b"<client-id>", "the placeholder"),
        (b"caf\xe9", "no UTF-8 text"),
    ],
)
def test_an_unusable_secret_file_is_told_without_its_text(
    env_file: Path, tmp_path: Path, content: bytes | None, found: str
) -> None:
    """A secret file that is absent, empty or no single line is named, not quoted."""
    secret_file = tmp_path / "secret"
    if content is not None:
        secret_file.write_bytes(content)
    path = write(env_file, **{SECRET_VARIABLE: None, SECRET_FILE_VARIABLE: str(secret_file)})
    with pytest.raises(ConfigError) as error:
        load_settings(path).connection().read_secret()
    assert variables(error) == [SECRET_FILE_VARIABLE]
    assert found in error.value.problems[0].found
    assert not {"lines", "client-id", "xe9"} & set(error.value.problems[0].found.split())


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
    assert load_settings(path).connection().read_secret().get_secret_value() == secret


def test_settings_are_frozen(env_file: Path) -> None:
    """Settings cannot change after they were checked."""
    settings = load_settings(write(env_file))
    with pytest.raises(ValueError, match="frozen"):
        settings.cache_uri = "elsewhere"  # type: ignore[misc]


def test_durations_name_their_unit() -> None:
    """Every number of seconds says so in its name."""
    for name, field in Settings.model_fields.items():
        if field.annotation is float and name != "refresh_max_shrink":
            assert name.endswith("_s")


@pytest.mark.parametrize("form", [LoginForm, DatasetForm, Settings])
def test_every_field_says_its_form_and_gives_an_example(form: type[BaseModel]) -> None:
    """Errors can always tell what is expected; a text to be checked later leaves it to its form."""
    later = {f"sac_{key}" for later in (LoginForm, DatasetForm) for key in later.model_fields}
    for field, info in form.model_fields.items():
        assert (info.description and info.examples) or (form is Settings and field in later), field


def test_credentials_pasted_into_a_url_are_not_shown(env_file: Path) -> None:
    """The settings keep URLs unchecked, and so do not print them."""
    settings = load_settings(write(env_file, SAC_TENANT_URL="https://me:pass-word@t.cloud"))
    with pytest.raises(ConfigError) as error:
        settings.connection()
    assert "pass-word" not in repr(settings) + str(error.value)


@pytest.fixture
def with_file(env_file: Path, tmp_path: Path) -> WithFile:
    """Load complete settings, changed, whose file of datasets has this text."""

    def load(text: str, **changes: str | None) -> Settings:
        path = tmp_path / "datasets.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(write(env_file, DATASETS_FILE=str(path), **changes))

    return load


def table(name: str, more: str = "") -> str:
    """Return a complete table of the file, and what else it shall hold."""
    return f'[datasets.{name}]\nmodel_id = "C2"\nvalue_column = "Heads"\n{more}\n'


def test_the_default_dataset_comes_first_then_the_file_s(with_file: WithFile) -> None:
    """Names keep the file's order, and each has a definition of its own."""
    settings = with_file(table("sales") + table("heads", 'time_aggregation = "last"'))
    assert settings.dataset_names == ("default", "sales", "heads")
    assert settings.dataset().model_id == "C1A2B3"
    heads = settings.dataset("heads")
    assert (heads.name, heads.source, heads.model_id) == ("heads", "sac", "C2")
    assert heads.time_aggregation is TimeAggregation.LAST
    assert settings.malformed_datasets() == ()


def test_a_dataset_that_nobody_defined_is_never_another_one(with_file: WithFile) -> None:
    """An unknown name gives neither the default dataset nor one of the file."""
    for settings in (with_file(table("sales")), load_settings(None)):
        with pytest.raises(KeyError):
            settings.dataset("seals")


def test_the_file_is_found_from_the_working_directory(tmp_path: Path, env_file: Path) -> None:
    """A relative path begins where the service was started."""
    (tmp_path / "our.toml").write_text(table("sales"), encoding="utf-8")
    settings = load_settings(write(env_file, DATASETS_FILE="our.toml"))
    assert settings.dataset_names == ("default", "sales")


def test_the_file_may_define_the_default_dataset(with_file: WithFile) -> None:
    """Without `SAC_MODEL_ID` a table `default` is the default dataset."""
    settings = with_file(table("sales") + table("default"), SAC_MODEL_ID=None)
    assert settings.dataset_names == ("default", "sales")
    assert settings.dataset().model_id == "C2"


def test_two_default_datasets_are_one_too_many(with_file: WithFile) -> None:
    """A table `default` beside `SAC_MODEL_ID` is a problem of that dataset alone."""
    settings = with_file(table("sales") + table("default"))
    with pytest.raises(ConfigError, match="while SAC_MODEL_ID is set") as error:
        settings.dataset()
    assert variables(error) == ["datasets.default in datasets.toml"]
    assert settings.malformed_datasets() == error.value.problems
    assert settings.dataset("sales").model_id == "C2"


def test_a_malformed_dataset_harms_no_other(with_file: WithFile) -> None:
    """A wrong table is told to whoever asks for it, with the login's problems and the file."""
    settings = with_file(
        table("sales", 'grain = "moon"') + table("heads"), **{SECRET_VARIABLE: None}
    )
    with pytest.raises(ConfigError) as error:
        settings.dataset("sales")
    assert variables(error) == [SECRET_VARIABLE, "datasets.sales.grain in datasets.toml"]
    assert "the keys in datasets.toml" in error.value.next_step
    with pytest.raises(ConfigError) as error:
        settings.dataset("heads")
    assert variables(error) == [SECRET_VARIABLE]
    assert [problem.found for problem in settings.malformed_datasets()] == ["'moon'"]


def test_without_a_default_dataset_the_others_are_named(with_file: WithFile) -> None:
    """Whoever asks for a default dataset that nobody set up learns which ones there are."""
    settings = with_file(table("sales") + table("heads"), SAC_MODEL_ID=None, SAC_VALUE_COLUMN=None)
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert variables(error) == ["SAC_MODEL_ID", "SAC_VALUE_COLUMN"]
    assert error.value.next_step.endswith("Or ask for a dataset of datasets.toml: sales, heads.")


def test_an_empty_list_of_datasets_changes_nothing(with_file: WithFile) -> None:
    """A file whose table is empty is as good as none."""
    settings = with_file("[datasets]", SAC_MODEL_ID=None)
    assert settings.dataset_names == ("default",)
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert "Or ask" not in error.value.next_step


def test_the_variables_of_the_default_dataset_are_the_keys_of_the_file() -> None:
    """Each key has its variable: the same name in capitals behind `SAC_`."""
    assert {f"SAC_{key.upper()}" for key in DatasetForm.model_fields} <= set(VARIABLES)


@pytest.mark.parametrize("key", list(DatasetForm.model_fields))
def test_an_example_from_an_error_is_valid_in_the_environment(env_file: Path, key: str) -> None:
    """Whoever copies the example of a problem has repaired it."""
    name = f"SAC_{key.upper()}"
    with pytest.raises(ConfigError) as error:
        load_settings(write(env_file, **{name: "<?>"})).dataset()
    assert variables(error) == [name]
    example = error.value.problems[0].example
    load_settings(write(env_file, **{name: example})).dataset()


def test_the_shared_policy_is_read_from_variables(env_file: Path) -> None:
    """Limits, pace and rules of drift reach every dataset; the defaults protect."""
    usual = load_settings(write(env_file)).policy("default")
    assert (usual.stale_after, usual.expire_after) == (timedelta(days=1), timedelta(days=30))
    assert (usual.refresh_every, usual.max_shrink) == (None, 0.5)
    path = write(
        env_file,
        STALE_AFTER_S="0",
        REFRESH_EVERY_S="3600",
        REFRESH_MAX_SHRINK="0.1",
        REFRESH_DRIFT_WARN="rows",
        REFRESH_DRIFT_REJECT="history, total",
    )
    policy = load_settings(path).policy("default")
    assert (policy.stale_after, policy.refresh_every) == (None, timedelta(hours=1))
    assert (policy.max_shrink, policy.drift_warn) == (0.1, (DriftRule.ROWS,))
    assert policy.drift_reject == (DriftRule.HISTORY, DriftRule.TOTAL)


def test_a_rule_that_does_not_exist_is_named(env_file: Path) -> None:
    """A misspelt rule stops the start and lists those there are."""
    with pytest.raises(ConfigError, match=r"REFRESH_DRIFT_WARN.*vanished_members, rows, total"):
        load_settings(write(env_file, REFRESH_DRIFT_WARN="rows,historie"))


def test_a_line_that_cannot_be_read_is_told_when_it_is_missed(env_file: Path) -> None:
    """One Latin-1 letter does not stop the start; nothing is pulled by what is left."""
    write(env_file, SAC_FILTER="Region eq '\u00fc'", LOG_LEVEL="debug")
    env_file.write_bytes(env_file.read_text(encoding="utf-8").encode("latin-1"))
    settings = load_settings(env_file)
    assert (settings.log_level, settings.sac_filter) == ("debug", None)
    for ask in (settings.dataset, settings.connection, lambda: settings.definition("default")):
        with pytest.raises(ConfigError) as error:
            ask()
        assert variables(error) == [f"SAC_FILTER in {env_file}, line 7"]
        assert "line 7 (bytes that are no UTF-8 text)" in error.value.sentence
    assert settings.malformed() == error.value.problems


def test_the_environment_wins_over_a_line_that_cannot_be_read(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would have set does not count anyway."""
    path = write(env_file)
    path.write_bytes(path.read_bytes() + b"\nSAC_FILTER=caf\xe9")
    monkeypatch.setenv("SAC_FILTER", "Region eq 'x'")
    assert load_settings(path).dataset().filter == "Region eq 'x'"


@pytest.mark.parametrize("line", [b"LOG_LEVEL=caf\xe9", b"API_READ_KEYS='caf"])
def test_a_line_that_the_service_needs_stops_the_start(env_file: Path, line: bytes) -> None:
    """Nobody knows who may call, or where the cache is: as with any malformed service setting."""
    env_file.write_bytes(b"CACHE_URI=ftp://x\n" + line)
    with pytest.raises(ConfigError) as error:
        load_settings(env_file)
    assert variables(error) == [
        f"{line.partition(b'=')[0].decode()} in {env_file}, line 2",
        "CACHE_URI",
    ]


@pytest.mark.parametrize("name", ["DATASETS_FILE", SECRET_FILE_VARIABLE])
def test_a_name_of_a_file_that_cannot_be_read_is_that_of_no_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is told like a file that is not there, by whoever reads it."""
    env_file.write_bytes(name.encode() + b"=caf\xe9")
    of_the_file = load_settings(env_file)
    monkeypatch.setenv(name, "caf\udce9")
    for settings in (of_the_file, load_settings(None)):
        assert settings.env.problems == ()
        found = getattr(settings, VARIABLES[name])
        assert str(getattr(found, "file", found)) == "caf\N{REPLACEMENT CHARACTER}"


def test_a_folder_in_the_place_of_the_file_is_told_with_what_is_missing(tmp_path: Path) -> None:
    """It sets nothing, and that may be why."""
    settings = load_settings(tmp_path)
    with pytest.raises(ConfigError) as error:
        settings.connection()
    assert variables(error)[-1] == str(tmp_path)
    assert settings.malformed() == ()
    assert [note.found for note in settings.env.notes] == ["a folder, which sets nothing"]


@pytest.mark.parametrize("name", ["SAC_CLIENT_ID", "SAC_FILTER", SECRET_VARIABLE])
def test_bytes_of_the_environment_that_are_no_text_are_told(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They would fail in a request, of which nobody could see why."""
    monkeypatch.setenv(name, "caf\udce9")
    settings = load_settings(write(env_file))
    with pytest.raises(ConfigError, match="bytes that are no UTF-8 text") as error:
        settings.dataset()
    assert variables(error) == [name]


def test_a_file_of_datasets_that_cannot_be_read_is_told_when_it_is_missed(
    with_file: WithFile,
) -> None:
    """The default dataset of the variables is as ever; any other may have been in the file."""
    settings = with_file("[datasets.sales]\nmodel_id = = 3")
    assert settings.dataset().model_id == "C1A2B3"
    for name in ("sales", "another"):
        with pytest.raises(ConfigError, match=r"datasets\.toml: no valid TOML: .*line 2") as error:
            settings.dataset(name)
        assert variables(error) == ["DATASETS_FILE"]
    assert [one.variable for one in settings.malformed_datasets()] == ["DATASETS_FILE"]
    settings = with_file("[datasets.default", SAC_MODEL_ID=None)
    with pytest.raises(ConfigError) as error:
        settings.dataset()
    assert variables(error) == ["DATASETS_FILE"]
