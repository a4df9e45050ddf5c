"""Who may call is read from variables that must make sense together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.access.callers import Role
from app.access.keys import new_key, stored_form
from app.access.limiting import USUAL, Bucket
from app.access_settings import AccessVariables
from app.config import Settings, load_settings
from app.errors import ConfigError

HASHED = "k7m2p9q4r5s8:" + "ab" * 32
ISSUER = {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "sac-series"}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings of an environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(None)


def test_without_a_variable_the_service_is_open() -> None:
    """A newcomer needs no key, and nothing is limited."""
    settings = load_settings(None)
    settings.check_access()
    assert settings.is_open
    assert settings.limits == {}
    assert settings.token_rules is None


@pytest.mark.parametrize(
    "variables",
    [{"API_READ_KEYS": HASHED}, {"API_KEYS_FILE": "keys.json"}, ISSUER],
    ids=["variable", "file", "issuer"],
)
def test_production_takes_a_key_or_an_issuer(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """With either of them it starts, protected, with the usual limits."""
    settings = load(monkeypatch, ENVIRONMENT="production", **variables)
    settings.check_access()
    assert not settings.is_open
    assert settings.limits == USUAL


def test_production_does_not_start_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without both it says, in one line, what is missing."""
    with pytest.raises(ConfigError, match=r"ENVIRONMENT: found production.*API_KEYS_FILE") as error:
        load(monkeypatch, ENVIRONMENT="production").check_access()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["prod", "PRODUCTION", "test"])
def test_an_environment_that_nobody_knows_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A misspelt production must not be an open one."""
    with pytest.raises(ConfigError, match=r"ENVIRONMENT.*development or production"):
        load(monkeypatch, ENVIRONMENT=name)


def test_each_variable_gives_its_role(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several keys are separated by commas; each has the role of its variable."""
    keys = {role: [stored_form(new_key()), stored_form(new_key())] for role in Role}
    listed = {f"API_{role.upper()}_KEYS": ",".join(keys[role]) for role in Role}
    found = load(monkeypatch, **listed).stored_keys
    assert {role: [f"{k.id}:{k.hash}" for k in found if k.role is role] for role in Role} == keys


def test_a_key_in_the_place_of_its_hash_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start ends with what is wrong, and the key stays secret."""
    key = new_key()
    with pytest.raises(ConfigError, match="API_READ_KEYS: found a key itself") as error:
        load(monkeypatch, API_READ_KEYS=f"{HASHED},{key}")
    assert key not in str(error.value)
    assert HASHED[13:] not in repr(load(monkeypatch, API_READ_KEYS=HASHED))


def test_an_issuer_s_rules_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """All variables of the issuer reach the rules; a scope may give several roles."""
    settings = load(
        monkeypatch,
        **ISSUER,
        OIDC_ALGORITHMS="PS256 ES384",
        OIDC_LEEWAY_S="5",
        OIDC_READ_SCOPES="app.read,app.all",
        OIDC_REFRESH_SCOPES="app.all",
        OIDC_OPERATE_SCOPES="ops",
        OIDC_MONITOR_SCOPES="prom",
        OIDC_SCOPE_CLAIMS="scope,realm_access.roles",
        OIDC_DATASETS_CLAIM="ds",
    )
    settings.check_access()
    rules = settings.token_rules
    assert rules is not None
    assert (rules.issuer, rules.audiences) == ("https://issuer.example", ("sac-series",))
    assert (rules.algorithms, rules.leeway) == (("PS256", "ES384"), timedelta(seconds=5))
    assert rules.grants == {
        "app.read": {Role.READ},
        "app.all": {Role.READ, Role.REFRESH},
        "ops": {Role.OPERATE},
        "prom": {Role.MONITOR},
    }
    assert rules.scope_claims == ("scope", "realm_access.roles")
    assert rules.datasets_claim == "ds"


@pytest.mark.parametrize(
    ("issuer", "address"),
    [
        ("https://i.example", "https://i.example/.well-known/openid-configuration"),
        ("https://i.example/", "https://i.example/.well-known/openid-configuration"),
        ("https://i.example/a/v2.0", "https://i.example/a/v2.0/.well-known/openid-configuration"),
    ],
)
def test_the_discovery_has_a_standard_place(
    monkeypatch: pytest.MonkeyPatch, issuer: str, address: str
) -> None:
    """It follows the issuer's address, which itself is kept as its tokens name it."""
    settings = load(monkeypatch, OIDC_ISSUER=issuer, OIDC_AUDIENCE="a")
    assert settings.discovery_url == address
    assert settings.oidc_issuer == issuer
    other = load(monkeypatch, OIDC_DISCOVERY_URL="https://elsewhere.example/x")
    assert other.discovery_url == "https://elsewhere.example/x"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OIDC_ISSUER": "https://i.example"}, "OIDC_AUDIENCE"),
        ({"OIDC_AUDIENCE": "a"}, "OIDC_ISSUER"),
        ({"OIDC_DISCOVERY_URL": "https://i.example/x"}, "OIDC_ISSUER"),
    ],
)
def test_half_an_issuer_is_none(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    """Issuer and audience belong together: a token for somebody else must not be let in."""
    with pytest.raises(ConfigError) as error:
        load(monkeypatch, **variables).check_access()
    assert [problem.variable for problem in error.value.problems] == [named]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OIDC_ISSUER", "http://issuer.example"),
        ("OIDC_ISSUER", "issuer.example"),
        ("OIDC_DISCOVERY_URL", "http://issuer.example/x"),
        ("OIDC_ALGORITHMS", "none"),
        ("OIDC_ALGORITHMS", "RS256,HS256"),
        ("OIDC_ALGORITHMS", ","),
        ("OIDC_LEEWAY_S", "3600"),
        ("RATE_LIMIT", "often"),
        ("RATE_LIMIT_REFRESH", "0/minute"),
        ("API_REFRESH_KEYS", "secret-word"),
    ],
)
def test_malformed_variables_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Each is named with its form."""
    with pytest.raises(ConfigError) as error:
        load(monkeypatch, **{name: value})
    (problem,) = error.value.problems
    assert problem.variable == name
    assert problem.expected


def test_limits_may_be_set_and_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set counts, also in an open service; the rest is as usual."""
    assert load(monkeypatch, RATE_LIMIT_REFRESH="1/day").limits == {Bucket.REFRESHES: "1/day"}
    settings = load(monkeypatch, API_READ_KEYS=HASHED, RATE_LIMIT="none")
    expected = {**USUAL, Bucket.REFRESHES: "1/day", Bucket.CALLS: "none"}
    assert settings.limits == expected


@pytest.mark.parametrize("field", AccessVariables.model_fields)
def test_an_example_from_an_error_is_valid(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """Whoever copies the example of a problem has repaired it."""
    (example,) = AccessVariables.model_fields[field].examples or [""]
    assert getattr(load(monkeypatch, **{field.upper(): example}), field)


def test_the_file_is_found_from_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path begins where the service was started."""
    assert (
        load(monkeypatch, API_KEYS_FILE="keys.json").api_keys_file == Path("keys.json").absolute()
    )
