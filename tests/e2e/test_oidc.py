"""Tokens of a real OpenID Connect issuer, at the service as users run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.issuer import (
    IssuerProcess,
    bearer,
    running_issuer,
    signed_with_public_key,
    unsigned,
    with_key_id,
)
from tests.service_process import running_service

LONG_AGO, FAR_AHEAD = 1_000_000_000, 4_000_000_000
DATASETS = "".join(
    f'[datasets.{name}]\nmodel_id = "C1"\nvalue_column = "V"\n' for name in ("cash", "salaries")
)


def settings(folder: Path, issuer: str, **changes: str) -> dict[str, str]:
    """Return the variables of a service in production that trusts an issuer."""
    (folder / "datasets.toml").write_text(DATASETS, encoding="utf-8")
    return {
        "ENVIRONMENT": "production",
        "OIDC_ISSUER": issuer,
        "OIDC_AUDIENCE": "sac-series,another",
        "OIDC_DATASETS_CLAIM": "datasets",
        "RATE_LIMIT_FAILURES": "none",
        "DATASETS_FILE": "datasets.toml",
        **changes,
    }


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerProcess]:
    """An issuer for the tests that leave it as it is."""
    with running_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def service(
    issuer: IssuerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A service that trusts it, filled from the sample."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(folder, settings(folder, issuer.url)) as service:
        token = issuer.token("sac-series.refresh", datasets="*")
        filled = service.post("/refresh", json={"source": "fixture"}, headers=bearer(token))
        assert filled.status_code == 200, filled.text
        yield service


def status(service: httpx.Client, token: str, path: str = "/series?limit=1") -> int:
    """Return how a GET with a token is answered."""
    return service.get(path, headers=bearer(token)).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_right_token_reads(service: httpx.Client, issuer: IssuerProcess, algorithm: str) -> None:
    """A token of the issuer, for us, in time, is let in by its scope; and only to what it says."""
    token = issuer.token(algorithm=algorithm, datasets="*")
    assert status(service, token) == 200
    assert service.post("/refresh", headers=bearer(token)).status_code == 403
    assert status(service, issuer.token("openid profile", datasets="*")) == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": None, "scp": ["sac-series.read"]},
        {"scope": None, "scp": "sac-series.read profile"},
        {"scope": ["sac-series.read"]},
        {"scope": None, "authorities": ["uaa.resource", "sac-series.read"]},
        {"scope": None, "roles": ["sac-series.read"]},
    ],
    ids=["scp-list", "scp-text", "scope-list", "authorities", "app-roles"],
)
def test_scopes_are_found_where_issuers_put_them(
    service: httpx.Client, issuer: IssuerProcess, claims: dict[str, Any]
) -> None:
    """Entra, Okta, Keycloak and XSUAA name and shape the claim differently."""
    assert status(service, issuer.token(datasets="*", **claims)) == 200


BAD: dict[str, Callable[[IssuerProcess], str]] = {
    "another issuer": lambda one: one.token(iss="https://issuer.example"),
    "another audience": lambda one: one.token(audience="payroll"),
    "no audience": lambda one: one.token(aud=None),
    "no issuer": lambda one: one.token(iss=None),
    "no end": lambda one: one.token(exp=None),
    "expired": lambda one: one.token(iat=LONG_AGO, exp=LONG_AGO + 60),
    "not valid yet": lambda one: one.token(nbf=FAR_AHEAD),
    "issued in the future": lambda one: one.token(iat=FAR_AHEAD, exp=FAR_AHEAD + 60),
    "alg none": lambda one: unsigned(one.url),
    "HS256 with the public RSA key": lambda one: signed_with_public_key(one.url, one.keys()[0]),
    "HS256 with the public EC key": lambda one: signed_with_public_key(one.url, one.keys()[1]),
    "a changed signature": lambda one: one.token()[:-8] + "AAAAAAAA",
    "another key's signature": lambda one: with_key_id(one.token(), "es256-1"),
    "an unknown key": lambda one: with_key_id(one.token(), "made-up"),
    "a key id that is no text": lambda one: with_key_id(one.token(), ["rs256-1"]),
    "no token at all": lambda one: "a.b.c",
    "a deep header": lambda one: "W1tb" * 3_000 + ".e30.",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_refused(service: httpx.Client, issuer: IssuerProcess, kind: str) -> None:
    """Whatever is wrong, the answer is the same 401, and tells nothing of what it was."""
    answer = service.get("/series", headers=bearer(BAD[kind](issuer)))
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="sac-series", error="invalid_token"'
    )
    body = answer.json()
    assert body["code"] == "bad_credential"
    assert body["detail"] == (
        "The key or token is not valid. Send a valid API key, or a fresh token of the issuer."
    )


def test_a_bound_token_sees_its_datasets_alone(
    service: httpx.Client, issuer: IssuerProcess
) -> None:
    """Other datasets do not exist for it: not in lists, answers, or words of errors."""
    token = issuer.token("sac-series.refresh", datasets=["cash"])
    listed = service.get("/datasets", headers=bearer(token)).json()
    assert [one["name"] for one in listed["datasets"]] == ["cash"]
    for name in ("salaries", "default", "nonsense"):
        answer = service.get("/series", params={"dataset": name}, headers=bearer(token))
        body = answer.json()
        assert (answer.status_code, body["code"]) == (404, "unknown_dataset")
        assert set(body["detail"].split()) & {"salaries.", "default."} == set()
        refused = service.post("/refresh", json={"dataset": name}, headers=bearer(token))
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_dataset")
    own = service.get("/series", params={"dataset": "cash"}, headers=bearer(token))
    assert own.json()["code"] == "cache_missing"
    # The default is the first that it sees.
    assert "'cash'" in service.get("/series", headers=bearer(token)).json()["detail"]


def test_a_token_without_the_claim_sees_nothing(
    service: httpx.Client, issuer: IssuerProcess
) -> None:
    """Where tokens are bound, one that names no dataset has none."""
    token = issuer.token()
    assert service.get("/datasets", headers=bearer(token)).json() == {"datasets": []}
    assert status(service, token) == 403


def test_rotated_keys_are_found_at_once(tmp_path: Path) -> None:
    """The first token of a new key is let in; those of the old one are not any more."""
    with running_issuer() as issuer:
        changed = settings(tmp_path, issuer.url, OIDC_DATASETS_CLAIM="")
        with running_service(tmp_path, changed) as service:
            old = issuer.token()
            assert status(service, old, "/datasets") == 200
            issuer.rotate()
            assert status(service, issuer.token(), "/datasets") == 200
            assert status(service, old, "/datasets") == 401


def test_made_up_key_ids_are_no_flood(tmp_path: Path) -> None:
    """Many tokens with unknown keys, one after the other, cause few requests to the issuer."""
    with running_issuer() as issuer:
        changed = settings(tmp_path, issuer.url, OIDC_DATASETS_CLAIM="")
        with running_service(tmp_path, changed) as service:
            good = issuer.token()
            assert status(service, good, "/datasets") == 200
            started = time.monotonic()
            for number in range(50):
                forged = with_key_id(good, f"made-up-{number}")
                assert status(service, forged, "/datasets") == 401
            allowed = 2 + (time.monotonic() - started) / 10
            assert issuer.asked("jwks") <= allowed + 1
            assert status(service, good, "/datasets") == 200


def test_an_issuer_that_is_down(tmp_path: Path) -> None:
    """Known keys serve on; before there are any, callers are told that it is not their fault."""
    with running_issuer() as issuer:
        token, other = issuer.token(), issuer.token(jti="other")
        changed = settings(tmp_path, issuer.url, OIDC_DATASETS_CLAIM="")
        issuer.set(failing=True)
        with running_service(tmp_path, changed) as service:
            answer = service.get("/datasets", headers=bearer(token))
            assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        issuer.set(failing=False)
        with running_service(tmp_path, changed) as service:
            assert status(service, token, "/datasets") == 200
            issuer.set(failing=True)
            assert status(service, other, "/datasets") == 200
            assert status(service, token, "/datasets") == 200


def test_an_issuer_that_calls_itself_another_is_not_trusted(tmp_path: Path) -> None:
    """A description that names another issuer gives no keys."""
    with running_issuer() as issuer:
        issuer.set(named="https://issuer.example")
        changed = settings(tmp_path, issuer.url)
        with running_service(tmp_path, changed) as service:
            assert status(service, issuer.token(), "/datasets") == 503
