"""Tokens of a certified OpenID Connect provider, which shares no code with this project.

It is panva/node-oidc-provider, in tests/node_issuer; `make test` installs it where there is npm.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo.processes import first_url
from tests.issuer import bearer
from tests.oidc_server import CLIENT_ID, CLIENT_WORD
from tests.service_process import running_service
from tests.simulated_tenant import ROOT

FOLDER = ROOT / "tests" / "node_issuer"
RSA, EC, OTHER = "urn:sac-series:rsa", "urn:sac-series:ec", "urn:other"

pytestmark = pytest.mark.skipif(
    not (FOLDER / "node_modules" / "oidc-provider").exists(),
    reason="the certified issuer is not installed (make test does it)",
)


@contextlib.contextmanager
def running(port: int = 0) -> Iterator[str]:
    """Run the issuer, with new keys each time, and give its address."""
    node = shutil.which("node") or "node"
    with subprocess.Popen(
        [node, "issuer.mjs", str(port)],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield first_url(process)
        finally:
            process.terminate()


def token(issuer: str, audience: str, scope: str) -> str:
    """Fetch a token as a client does."""
    form = {"grant_type": "client_credentials", "resource": audience, "scope": scope}
    with httpx.Client(trust_env=False) as client:
        found = client.post(f"{issuer}/token", data=form, auth=(CLIENT_ID, CLIENT_WORD))
    assert found.status_code == 200, found.text
    return str(found.json()["access_token"])


@contextlib.contextmanager
def trusting(issuer: str, folder: Path) -> Iterator[httpx.Client]:
    """Run a service in production that trusts the issuer, filled by a token of it."""
    settings = {
        "ENVIRONMENT": "production",
        "OIDC_ISSUER": issuer,
        "OIDC_AUDIENCE": f"{RSA},{EC}",
        "RATE_LIMIT_FAILURES": "none",
    }
    with running_service(folder, settings) as service:
        refreshing = bearer(token(issuer, RSA, "sac-series.refresh"))
        filled = service.post("/refresh", json={"source": "fixture"}, headers=refreshing)
        assert filled.status_code == 200, filled.text
        yield service


def test_tokens_of_a_certified_issuer_open_what_they_say(tmp_path: Path) -> None:
    """Both kinds of signatures; the scope gives the role, the audience must be ours."""
    with running() as issuer, trusting(issuer, tmp_path) as service:
        for audience in (RSA, EC):
            reading = bearer(token(issuer, audience, "sac-series.read"))
            assert service.get("/series", headers=reading).status_code == 200
            assert service.post("/refresh", headers=reading).status_code == 403
        nothing = bearer(token(issuer, RSA, ""))
        assert service.get("/series", headers=nothing).status_code == 403
        foreign = bearer(token(issuer, OTHER, "sac-series.read"))
        assert service.get("/series", headers=foreign).status_code == 401
        right = token(issuer, RSA, "sac-series.read")
        head, body, signature = right.split(".")
        turned = f"{head}.{body}.{signature[::-1]}"
        assert service.get("/series", headers=bearer(turned)).status_code == 401


def test_new_keys_of_a_certified_issuer_are_found(tmp_path: Path) -> None:
    """An issuer that comes back with other keys is believed at once."""
    first = contextlib.ExitStack()
    issuer = first.enter_context(running())
    with first, trusting(issuer, tmp_path) as service:
        old = bearer(token(issuer, RSA, "sac-series.read"))
        assert service.get("/series", headers=old).status_code == 200
        first.close()
        with running(int(issuer.rpartition(":")[2])) as again:
            assert again == issuer
            new = bearer(token(again, RSA, "sac-series.read"))
            assert service.get("/series", headers=new).status_code == 200
            # What was signed with the keys of before is no longer believed.
            assert service.get("/series", headers=old).status_code == 401
