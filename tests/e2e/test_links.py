"""Other hosts: neither a link nor a redirect carries a bearer or a secret there."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from app.errors import (
    BearerRefusedError,
    LoginPageError,
    SourceUnreachableError,
    TlsError,
    TokenEndpointError,
    UnsafeLinkError,
)
from demo.tenant.bulk import DAILY
from tests.e2e.faulty import Output, pulled
from tests.sac_connector.rig import ATTEMPTS, reaching
from tests.simulated_tenant import SimulatedTenant


@pytest.mark.parametrize(
    "write",
    [
        lambda own, other: f"{other}/api/v1/dataexport/providers/sac/{DAILY}/FactData",
        lambda own, other: other.removeprefix("http:"),
        lambda own, other: other.replace("//", f"//{own.removeprefix('http://')}@"),
        lambda own, other: other.replace("//", "\\\\"),
        lambda own, other: own.replace("//", "//user@"),
        lambda own, other: own.replace("http:", "https:"),
        lambda own, other: own.replace("127.0.0.1", "localhost"),
    ],
    ids=["host", "no scheme", "user", "backslash", "own user", "scheme", "alias"],
)
async def test_a_link_to_another_host_carries_nothing_there(
    plain: SimulatedTenant,
    foreign: SimulatedTenant,
    output: Output,
    write: Callable[[str, str], str],
) -> None:
    """The pull ends, and the other server has seen neither a bearer nor a request."""
    plain.fault("next_link", match="page", nth=5, url=write(plain.url, foreign.url))
    async with reaching(plain) as rig:
        with pytest.raises(UnsafeLinkError, match="links to another host") as caught:
            await pulled(rig)
    assert foreign.log()["requests"] == []
    assert plain.log()["counts"]["page_calls"] == 5
    output.keeps_quiet(plain, rig, caught.value)


@pytest.mark.parametrize("match", ["page", "token", "metadata"])
async def test_a_redirect_to_another_host_carries_nothing_there(
    plain: SimulatedTenant, foreign: SimulatedTenant, match: str
) -> None:
    """Neither the pair nor a bearer follows a redirect."""
    plain.fault("redirect", match=match, times=None, url=f"{foreign.url}/oauth/token")
    async with reaching(plain) as rig:
        with pytest.raises((LoginPageError, TokenEndpointError)):
            await pulled(rig)
    assert foreign.log()["requests"] == []


async def test_a_foreign_tenant_never_sees_the_bearer_of_another(
    tenant: SimulatedTenant, foreign: SimulatedTenant, output: Output
) -> None:
    """With a tenant URL and a token URL of two tenants, the words say so."""
    async with reaching(tenant, token_url=foreign.token_url) as rig:
        with pytest.raises(BearerRefusedError, match="belong to the same tenant") as caught:
            await pulled(rig)
    assert tenant.log()["counts"]["foreign_bearer"]
    output.keeps_quiet(tenant, rig, caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_host_that_does_not_answer_is_named(
    tenant: SimulatedTenant, output: Output, scheme: str
) -> None:
    """A refused connection is tried again and then told; a server that speaks no TLS is told."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1] if scheme == "http" else tenant.url.rpartition(":")[2]
        async with reaching(tenant, token_url=f"{scheme}://127.0.0.1:{port}/oauth/token") as rig:
            with pytest.raises((SourceUnreachableError, TlsError)) as caught:
                await pulled(rig)
    refused = scheme == "http"
    told = " cannot be reached: the connection was refused." if refused else " does not speak TLS."
    assert told in str(caught.value)
    assert len(rig.waits.seconds) == (ATTEMPTS - 1 if refused else 0)
    output.keeps_quiet(tenant, rig, caught.value)
