"""The wiring builds what the settings ask for, and does without a tenant."""

import gc
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.access.callers import Caller, Role, calling
from app.access.keyfile import KeyEntry, changing
from app.access.keys import hash_of, id_of, new_key, stored_form
from app.config import load_settings
from app.errors import SECRET_VARIABLE, ConfigError, UnknownDatasetError
from app.observability.masking import Masker
from app.pipeline.cache import DeltaCache
from app.pipeline.query import SeriesQuery
from app.wiring import (
    SettingsCatalogue,
    breaker_limits,
    guard_of,
    open_client,
    open_services,
    paces,
    retry_policy,
)
from tests.pipeline.samples import metadata_of, three_months

CONNECTION = {
    "SAC_TENANT_URL": "https://t.eu10.sapanalytics.cloud",
    "SAC_TOKEN_URL": "https://t.authentication.eu10.hana.ondemand.com/oauth/token",
    "SAC_CLIENT_ID": "sb-0a1b!b1|client!b77",
    SECRET_VARIABLE: "made-up-secret",
}


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of a login that nobody answers."""
    for name, value in CONNECTION.items():
        monkeypatch.setenv(name, value)


async def test_without_a_tenant_the_services_are_there_all_the_same(tmp_path: Path) -> None:
    """No configuration gives services whose login says in words what is missing."""
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    async with open_services(settings, Masker()) as services:
        status = await services.auth.check()
        with pytest.raises(ConfigError):
            await services.refresh.refresh("default")
    assert not status.ok
    assert status.code == "configuration"
    assert "SAC_TENANT_URL" in status.detail


class Circle:
    """Something that only the garbage collector can free."""

    def __init__(self) -> None:
        self.own = self


async def test_what_was_imported_is_no_work_for_the_garbage_collector(tmp_path: Path) -> None:
    """Once the services are there, imports are not looked through; what comes later still is."""
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    async with open_services(settings, Masker()):
        assert gc.get_freeze_count() > 10_000
        gone = weakref.ref(Circle())
        gc.collect()
        assert gone() is None


@pytest.mark.usefixtures("connected")
async def test_the_secret_is_masked_from_the_start(tmp_path: Path) -> None:
    """Building the services tells the logs which text to hide."""
    masker = Masker()
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    async with open_services(settings, masker):
        assert "made-up-secret" not in str(masker.mask("a made-up-secret in a text"))


async def test_every_phase_of_a_request_has_its_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits as long as the settings say, and follows no redirect."""
    monkeypatch.setenv("SAC_CONNECT_TIMEOUT_S", "3")
    monkeypatch.setenv("SAC_READ_TIMEOUT_S", "7")
    async with open_client(load_settings(None)) as client:
        timeout = client.timeout
        assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == (3, 7, 7, 7)
        assert not client.follow_redirects


def test_the_retry_policy_is_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts and waits come from their variables."""
    monkeypatch.setenv("SAC_RETRY_ATTEMPTS", "2")
    monkeypatch.setenv("SAC_RETRY_BASE_S", "0.25")
    monkeypatch.setenv("SAC_RETRY_MAX_WAIT_S", "9")
    policy = retry_policy(load_settings(None))
    assert (policy.attempts, policy.base_s, policy.longest_wait_s) == (2, 0.25, 9)


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SettingsCatalogue:
    """Return a catalogue of the default dataset and three more, one of them malformed."""
    keys = 'model_id = "C2"\nvalue_column = "Heads"\n'
    (tmp_path / "datasets.toml").write_text(
        f"[datasets.sales]\n{keys}[datasets.heads]\n{keys}[datasets.broken]\n{keys}sing = 1\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("DATASETS_FILE", "datasets.toml")
    return SettingsCatalogue(load_settings(None))


def test_unknown_datasets_and_sources_are_told_apart() -> None:
    """The catalogue names what exists when it is asked for what does not."""
    catalogue = SettingsCatalogue(load_settings(None))
    assert catalogue.names == ("default",)
    assert catalogue.definition("default", "fixture").source == "fixture"
    with pytest.raises(UnknownDatasetError, match="no dataset 'sales'"):
        catalogue.definition("sales")
    with pytest.raises(UnknownDatasetError, match="sac, fixture"):
        catalogue.definition("default", "csv")


@pytest.mark.usefixtures("connected")
def test_the_datasets_of_the_file_follow_the_default_one(several: SettingsCatalogue) -> None:
    """Each is defined, with or without naming its source."""
    assert several.names == ("default", "sales", "heads", "broken")
    assert several.definition("heads") == several.definition("heads", "sac")
    assert several.definition("heads").value_column == "Heads"


@pytest.mark.usefixtures("connected")
def test_a_malformed_dataset_is_told_when_asked_for(several: SettingsCatalogue) -> None:
    """Its problem names the key and the nearest one that exists."""
    with pytest.raises(ConfigError, match=r"datasets\.broken\.sing in datasets\.toml.*sign"):
        several.definition("broken")


def test_a_fingerprint_needs_no_login_and_never_fails(several: SettingsCatalogue) -> None:
    """Readers are told of an older definition also while the settings of the login are missing."""
    with pytest.raises(ConfigError, match="SAC_TENANT_URL"):
        several.definition("sales")
    sales, heads = several.fingerprint("sales"), several.fingerprint("heads")
    assert sales is not None
    assert sales == heads
    assert [several.fingerprint(name) for name in ("default", "broken", "nobody's")] == [None] * 3


def test_a_malformed_dataset_is_told_to_the_log(several: SettingsCatalogue) -> None:
    """Whoever runs the service learns of it at its start, and nothing of the sound ones."""
    with capture_logs() as lines:
        SettingsCatalogue(load_settings(None))
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("dataset_malformed", "warning")
    assert "datasets.broken.sing" in line["reason"]


def test_an_unknown_dataset_is_told_the_nearest_names_first(several: SettingsCatalogue) -> None:
    """A typing error is answered with the name that was meant."""
    with pytest.raises(UnknownDatasetError, match="Ask for one of: heads, "):
        several.definition("haeds")


def test_the_sample_is_for_the_default_dataset_alone(several: SettingsCatalogue) -> None:
    """Another dataset has no source `fixture`, and the error says why."""
    assert several.definition("default", "fixture").source == "fixture"
    with pytest.raises(UnknownDatasetError, match=r"for 'default' alone\. Ask for one of: sac\."):
        several.definition("sales", "fixture")


@pytest.mark.usefixtures("connected")
def test_a_default_dataset_that_is_not_set_up_names_the_others(
    several: SettingsCatalogue,
) -> None:
    """Whoever forgot to name a dataset learns which ones there are."""
    with pytest.raises(ConfigError, match=r"datasets\.toml: sales, heads, broken"):
        several.definition("default")


async def test_without_a_login_a_dataset_of_the_file_says_so(
    several: SettingsCatalogue, tmp_path: Path
) -> None:
    """A refresh names the missing variables instead of failing for want of a source."""
    assert "sales" in several.names
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    async with open_services(settings, Masker()) as services:
        with pytest.raises(ConfigError, match="SAC_TENANT_URL"):
            await services.refresh.refresh("sales")


def test_a_schedule_is_for_the_datasets_that_have_a_pace(
    several: SettingsCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off by default; the shared pace is for all, a table's own for its dataset."""
    assert paces(several) == {}
    monkeypatch.setenv("REFRESH_EVERY_S", "60")
    text = (tmp_path / "datasets.toml").read_text(encoding="utf-8")
    changed = text.replace("[datasets.heads]", "refresh_every_s = 0\n[datasets.heads]")
    (tmp_path / "datasets.toml").write_text(changed, encoding="utf-8")
    found = paces(SettingsCatalogue(load_settings(None)))
    assert found == dict.fromkeys(("default", "heads", "broken"), timedelta(minutes=1))


def test_the_breaker_s_limits_are_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures and cool-down come from their variables."""
    monkeypatch.setenv("BREAKER_FAILURES", "7")
    monkeypatch.setenv("BREAKER_COOL_DOWN_S", "5")
    limits = breaker_limits(load_settings(None))
    assert (limits.failures, limits.cool_down) == (7, timedelta(seconds=5))


def test_a_caller_sees_its_own_datasets_of_the_catalogue(several: SettingsCatalogue) -> None:
    """Others do not exist for whoever is bound: not in names, definitions, or words of errors."""
    with calling(Caller("key:a", frozenset({Role.READ}), frozenset({"heads", "gone"}))):
        assert list(several.names) == ["heads"]
        with pytest.raises(UnknownDatasetError, match=r"Ask for one of: heads\.$"):
            several.definition("sales")
    assert list(several.names) == ["default", "sales", "heads", "broken"]


async def test_the_guard_knows_keys_of_variables_and_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the settings name is what is let in."""
    assert guard_of(load_settings(None)).is_open
    first, second = new_key(), new_key()
    with changing(tmp_path / "keys.json") as entries:
        entries.append(
            KeyEntry(
                id=id_of(second),
                hash=hash_of(second),
                role=Role.MONITOR,
                name="x",
                created=datetime.now(UTC),
            )
        )
    monkeypatch.setenv("API_REFRESH_KEYS", stored_form(first))
    monkeypatch.setenv("API_KEYS_FILE", "keys.json")
    guard = guard_of(load_settings(None))
    for key, role in ((first, Role.REFRESH), (second, Role.MONITOR)):
        caller = await guard.identify([(b"x-api-key", key.encode())], None)
        assert caller.roles == {role}


def test_the_guard_is_not_built_from_contradictions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Production without keys: an error before anything is served."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(ConfigError, match="ENVIRONMENT"):
        guard_of(load_settings(None))


async def test_a_file_of_keys_that_cannot_be_read_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may come, or be mended; until then its keys are not known, which is no refusal."""
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("API_KEYS_FILE", "keys.json")
    with capture_logs() as lines:
        guard = guard_of(load_settings(None))
    assert [line["event"] for line in lines] == ["keys_file_unusable"]
    with pytest.raises(ConfigError, match="API_KEYS_FILE"):
        await guard.identify([(b"x-api-key", new_key().encode())], None)


@pytest.mark.parametrize(
    ("text", "is_open"), [("API_KEYS_FILE=keys.json", False), ("SAC_GRAIN=month", True)]
)
def test_an_env_file_that_may_name_keys_and_cannot_be_read_opens_no_door(
    tmp_path: Path, text: str, is_open: bool
) -> None:
    """What shows through of it decides: most files say nothing of callers."""
    path = tmp_path / "settings.env"
    path.write_bytes(text.encode("utf-32"))
    assert guard_of(load_settings(path)).is_open is is_open


@pytest.mark.usefixtures("connected")
async def test_an_environment_without_a_way_out_is_told_and_the_rest_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log, the login, a refresh and the readiness name the variable."""
    monkeypatch.setenv("SAC_MODEL_ID", "C1")
    monkeypatch.setenv("SAC_VALUE_COLUMN", "Revenue")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    with capture_logs() as lines:
        async with open_services(settings, Masker()) as services:
            status = await services.auth.check()
            with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
                await services.refresh.refresh("default")
    assert "SSL_CERT_FILE (/nowhere/certificates.pem: no such file)" in status.detail
    assert services.malformed == ("SSL_CERT_FILE",)
    told = [line for line in lines if line["event"] == "setting_malformed"]
    assert ["SSL_CERT_FILE: found" in line["reason"] for line in told] == [True]


@pytest.mark.usefixtures("connected")
async def test_a_secret_that_comes_later_is_read_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mounted file may come after the start; the logs mask what it holds from then on."""
    path, masker = tmp_path / "secret", Masker()
    monkeypatch.delenv(SECRET_VARIABLE)
    monkeypatch.setenv(f"{SECRET_VARIABLE}_FILE", str(path))
    # Nobody listens there, so that no login succeeds.
    monkeypatch.setenv("SAC_TOKEN_URL", "http://127.0.0.1:9/oauth/token")
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    async with open_services(settings, masker) as services:
        assert (await services.auth.check()).code == "configuration"
        path.write_text("a-late-secret\n", encoding="utf-8")
        assert (await services.auth.check()).code == "source_unreachable"
    assert "a-late-secret" not in masker.mask("with a-late-secret in it")


async def test_datasets_of_a_lost_file_are_those_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They can be read, though nobody knows how to refresh them."""
    rows = three_months()
    DeltaCache(tmp_path).save(rows, metadata_of(rows, dataset="heads"))
    monkeypatch.setenv("DATASETS_FILE", "no-such.toml")
    settings = load_settings(None).model_copy(update={"cache_uri": str(tmp_path)})
    async with open_services(settings, Masker()) as services:
        assert list(services.catalogue.names) == ["default", "heads"]
        (view,) = (await services.reader.read(("heads",), SeriesQuery())).views
        assert view.result.rows.num_rows == rows.num_rows
        with pytest.raises(ConfigError, match="DATASETS_FILE"):
            services.catalogue.definition("heads")
        assert "DATASETS_FILE" in services.malformed


def test_an_issuer_is_trusted_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start needs no issuer that answers."""
    monkeypatch.setenv("OIDC_ISSUER", "https://issuer.example")
    monkeypatch.setenv("OIDC_AUDIENCE", "sac-series")
    assert not guard_of(load_settings(None)).is_open
