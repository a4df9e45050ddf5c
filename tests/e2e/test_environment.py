"""The running service in odd surroundings: it serves its cache, and names what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import SECRET_VARIABLE
from app.login_settings import SECRET_FILE_VARIABLE
from tests.e2e.faulty import MONTHS, pulled
from tests.sac_connector.rig import reaching
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant

NOBODY = "http://127.0.0.1:9"
Prepare = Callable[[Path, dict[str, str]], dict[str, str]]


@pytest.fixture(scope="module")
def own_tenant() -> Iterator[SimulatedTenant]:
    """A tenant of this module."""
    with SimulatedTenant() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def cache(own_tenant: SimulatedTenant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with two datasets."""
    folder = tmp_path_factory.mktemp("filled")
    settings = settings_for(own_tenant, DATASETS_FILE="datasets.toml")
    _ = in_datasets(folder, settings)
    with running_service(folder, settings) as service:
        for name in ("default", "sales"):
            assert service.post("/refresh", json={"dataset": name}).json()["status"] == "refreshed"
    return folder / "data" / "cache"


def seen(service: httpx.Client, dataset: str = "default") -> tuple[dict[str, Any], str, str]:
    """Return a refresh, and what the readiness and the login say; the series must be served."""
    refreshed = service.post("/refresh", json={"dataset": dataset})
    series = service.get("/series", params={"dataset": dataset, "limit": 3})
    assert (refreshed.status_code, series.status_code) == (200, 200)
    assert len(series.json()["points"]) == 3
    ready, login = service.get("/health/ready"), service.get("/health/auth")
    assert ready.status_code == 200
    return refreshed.json(), ready.json()["detail"], login.json()["detail"]


def in_variables(**changes: str) -> Prepare:
    """Set variables."""
    return lambda _, settings: {**settings, **changes}


def with_https(**changes: str) -> Prepare:
    """Set variables of a tenant that is reached by TLS."""
    return in_variables(
        SAC_TENANT_URL="https://127.0.0.1:9",
        SAC_TOKEN_URL="https://127.0.0.1:9/oauth/token",
        **changes,
    )


def in_env_file(write: Callable[[str], bytes]) -> Prepare:
    """Put all settings into `.env`, as bytes."""

    def prepare(folder: Path, settings: dict[str, str]) -> dict[str, str]:
        (folder / ".env").write_bytes(write("".join(f"{k}={v}\n" for k, v in settings.items())))
        return {}

    return prepare


def in_datasets(folder: Path, settings: dict[str, str], ending: bytes = b"") -> dict[str, str]:
    """Write a file of datasets."""
    keys = {"model_id": "SAC_MODEL_ID", "value_column": "SAC_VALUE_COLUMN", "filter": "SAC_FILTER"}
    lines = [f'{key} = "{settings[name]}"' for key, name in keys.items()]
    text = "\n".join(["[datasets.sales]", *lines, ""])
    (folder / "datasets.toml").write_bytes(text.encode() + ending)
    return {**settings, "DATASETS_FILE": "datasets.toml"}


def in_secret_file(raw: bytes) -> Prepare:
    """Put the secret into a file."""

    def prepare(folder: Path, settings: dict[str, str]) -> dict[str, str]:
        (folder / "secret").write_bytes(raw % settings[SECRET_VARIABLE].encode())
        others = {name: value for name, value in settings.items() if name != SECRET_VARIABLE}
        return {**others, SECRET_FILE_VARIABLE: "secret"}

    return prepare


FAILING: dict[str, tuple[Prepare, str, str]] = {
    "a SOCKS proxy of an unknown kind": (
        in_variables(ALL_PROXY="socks://127.0.0.1:9"),
        "ALL_PROXY",
        "a proxy of the kind socks://",
    ),
    "a malformed proxy": (
        with_https(https_proxy="http://[bad"),
        "HTTPS_PROXY",
        "a URL without a valid host or port",
    ),
    "no certificates": (
        with_https(SSL_CERT_FILE="/nowhere/certificates.pem"),
        "SSL_CERT_FILE",
        "/nowhere/certificates.pem: no such file",
    ),
    "a folder without certificates": (
        with_https(SSL_CERT_FILE="", SSL_CERT_DIR="/nowhere"),
        "SSL_CERT_DIR",
        "/nowhere: no file that is named as `openssl rehash` names certificates",
    ),
    "a Latin-1 letter in .env": (
        in_env_file(lambda text: text.replace("Actual", "\u00fc").encode("latin-1")),
        "SAC_FILTER in .env, line 8",
        "bytes that are no UTF-8 text",
    ),
    ".env is no text": (
        in_env_file(lambda text: text.encode("utf-32")),
        ".env",
        "line 1: a null character, no text",
    ),
    "an invisible letter of an address": (
        in_variables(SAC_TOKEN_URL="https://t\u200b.example/oauth/token"),
        "SAC_TOKEN_URL",
        "U+200B (ZERO WIDTH SPACE) as character 10",
    ),
}


@pytest.mark.parametrize("kind", FAILING)
def test_the_cache_is_served_and_the_setting_is_named(
    tmp_path: Path, own_tenant: SimulatedTenant, cache: Path, kind: str
) -> None:
    """What cannot be used does not stop the start; refresh, login and readiness say what it is."""
    prepare, variable, found = FAILING[kind]
    settings = prepare(tmp_path, settings_for(own_tenant))
    with running_service(tmp_path, {**settings, "CACHE_URI": str(cache)}) as service:
        refreshed, ready, login = seen(service)
    assert (refreshed["status"], refreshed["warning_code"]) == ("stale", "configuration")
    assert f"{variable} ({found})" in refreshed["warning"]
    assert f"{variable} ({found})" in login
    assert ready.endswith(f"These settings cannot be used: {variable}.")


WORKING: dict[str, Prepare] = {
    "a proxy that is excepted": in_variables(HTTP_PROXY=NOBODY, NO_PROXY="[::1],127.0.0.1"),
    "a malformed proxy that nobody needs": in_variables(HTTPS_PROXY="socks4://x"),
    ".env in UTF-16": in_env_file(lambda text: text.encode("utf-16")),
    ".env with a mark and a comment in Latin-1": in_env_file(
        lambda text: b"\xef\xbb\xbf# f\xfcr\r\n" + text.replace("\n", "\r\n").encode()
    ),
    "a mark before the secret": in_secret_file(b"\xef\xbb\xbf%b\r\n"),
}


@pytest.mark.parametrize("kind", WORKING)
def test_what_can_mean_one_thing_only_works(
    tmp_path: Path, own_tenant: SimulatedTenant, cache: Path, kind: str
) -> None:
    """An odd setting whose meaning is clear is as good as any."""
    settings = WORKING[kind](tmp_path, settings_for(own_tenant))
    with running_service(tmp_path, {**settings, "CACHE_URI": str(cache)}) as service:
        refreshed, _, login = seen(service)
    assert (refreshed["status"], refreshed["warning"]) == ("unchanged", None)
    assert login == "SAP Analytics Cloud issued a token."


def test_a_file_of_datasets_that_cannot_be_read(
    tmp_path: Path, own_tenant: SimulatedTenant, cache: Path
) -> None:
    """Its datasets are served from the cache, and the line is named; the default one is as ever."""
    settings = in_datasets(tmp_path, settings_for(own_tenant), b"# caf\xe9\n")
    with running_service(tmp_path, {**settings, "CACHE_URI": str(cache)}) as service:
        refreshed, ready, _ = seen(service, "sales")
        place = "DATASETS_FILE (datasets.toml: line 5: bytes that are no UTF-8 text)"
        assert place in refreshed["warning"]
        assert ready.endswith("These settings cannot be used: DATASETS_FILE.")
        assert seen(service)[0]["status"] == "unchanged"


def test_a_secret_that_is_replaced_counts_without_a_restart(
    tmp_path: Path, own_tenant: SimulatedTenant, cache: Path
) -> None:
    """A refused one, one that cannot be read, and the right one, in one life of the service."""
    settings = in_secret_file(b"not-%b")(tmp_path, settings_for(own_tenant))
    with running_service(tmp_path, {**settings, "CACHE_URI": str(cache)}) as service:
        refused = seen(service)
        assert refused[0]["warning_code"] == "credentials_refused"
        (tmp_path / "secret").write_text(f"{own_tenant.secret}\u200b", encoding="utf-8")
        spoiled = seen(service)
        assert spoiled[0]["warning_code"] == "configuration"
        assert f"{SECRET_FILE_VARIABLE} (secret: U+200B (ZERO WIDTH SPACE)" in spoiled[2]
        (tmp_path / "new").write_text(f"{own_tenant.secret}\n", encoding="utf-8")
        (tmp_path / "new").replace(tmp_path / "secret")
        mended = seen(service)
    assert (mended[0]["status"], mended[2]) == ("unchanged", "SAP Analytics Cloud issued a token.")
    assert own_tenant.secret not in str((refused, spoiled, mended))


def test_a_file_of_keys_that_cannot_be_read(
    tmp_path: Path, own_tenant: SimulatedTenant, cache: Path
) -> None:
    """It opens no door, and whoever shows a key is not told that the key is wrong."""
    settings = settings_for(own_tenant, API_KEYS_FILE="keys.json", CACHE_URI=str(cache))
    (tmp_path / "keys.json").write_bytes('{"keys": []}'.encode("utf-16")[:-1])
    with running_service(tmp_path, settings) as service:
        nobody = service.get("/series")
        key = f"sacs_{'a' * 12}_{'b' * 43}"
        somebody = service.get("/series", headers={"X-API-Key": key})
        assert service.get("/health/ready").status_code == 200
    assert (nobody.status_code, nobody.json()["code"]) == (401, "login_required")
    assert (somebody.status_code, somebody.json()["code"]) == (503, "configuration")
    assert "API_KEYS_FILE" in somebody.json()["detail"]


async def test_a_byte_order_mark_before_every_answer_changes_nothing(
    own_tenant: SimulatedTenant,
) -> None:
    """Token, metadata, counts and pages are read behind it."""
    async with reaching(own_tenant) as rig:
        right = await pulled(rig, MONTHS)
    own_tenant.fault("mark", times=None)
    try:
        async with reaching(own_tenant) as rig:
            assert (await pulled(rig, MONTHS)).rows == right.rows
    finally:
        own_tenant.clear_faults()


async def test_a_token_that_is_valid_a_moment_later_is_taken_then(
    own_tenant: SimulatedTenant,
) -> None:
    """Two refusals are no wrong tenant if the third showing is taken; the wait is short."""
    own_tenant.fault("status", match="page", status=401, times=2)
    async with reaching(own_tenant) as rig:
        assert (await pulled(rig, MONTHS)).rows.num_rows
    assert rig.waits.seconds == [2]
