"""A tenant in this process, and a client that holds a token of it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from demo.tenant.app import Tenant
from demo.tenant.bulk import DAILY
from demo.tenant.call import BASE
from demo.tenant.oauth import CLIENT_ID, SECRET
from demo.tenant.samples import ACCOUNTS, PLAN
from demo.tenant.settings import merge
from demo.tenant.state import State
from tests.simulated_tenant import SimulatedTenant

HOST = "http://tenant.test"
SERVICE = f"{BASE}/providers/sac"
FACTS = f"{SERVICE}/{PLAN}/FactData"
SUMS = f"{SERVICE}/{PLAN}/FactDataAggregation"
DAYS = f"{SERVICE}/{DAILY}/FactData"
LEDGER = f"{SERVICE}/{ACCOUNTS}/FactData"
PLAN_KEYS = "Version,Date,Region,Product"
SCHEME = "Bearer"


class Caller:
    """A client of a tenant in this process."""

    def __init__(self, http: httpx.AsyncClient, state: State) -> None:
        self.http = http
        self.state = state

    def switch(self, **switches: object) -> None:
        """Set switches."""
        self.state.settings = merge(self.state.settings, switches)

    async def sign_in(self) -> None:
        """Fetch a token and carry it from now on."""
        answer = await self.http.post(
            "/oauth/token", auth=(CLIENT_ID, SECRET), data={"grant_type": "client_credentials"}
        )
        token = answer.json()["access_token"]
        self.http.headers["authorization"] = f"{SCHEME} {token}"
        self.http.headers["x-sap-sac-custom-auth"] = "true"

    async def get(self, url: str, **headers: str) -> httpx.Response:
        """GET an address, as it stands."""
        return await self.http.get(url, headers=headers)

    async def page(self, url: str) -> dict[str, Any]:
        """GET a page that must come."""
        answer = await self.get(url)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def pull(self, url: str) -> list[dict[str, Any]]:
        """GET a page and all that its next links lead to."""
        rows: list[dict[str, Any]] = []
        while url:
            page = await self.page(url)
            rows += page["value"]
            url = page.get("@odata.nextLink", "")
        return rows

    async def admin(self, path: str, body: object) -> httpx.Response:
        """POST to the admin path."""
        return await self.http.post(f"/_admin/{path}", json=body)

    async def fault(self, kind: str, **rule: object) -> None:
        """Add a rule."""
        answer = await self.admin("faults", [{"kind": kind, **rule}])
        assert answer.status_code == 200, answer.text

    async def csrf(self) -> dict[str, str]:
        """Fetch the header that a write needs."""
        answer = await self.get("/api/v1/csrf", **{"x-csrf-token": "fetch"})
        assert answer.status_code == 200, answer.text
        return {"x-csrf-token": answer.headers["x-csrf-token"]}

    async def log(self) -> dict[str, Any]:
        """GET the request log."""
        log: dict[str, Any] = (await self.http.get("/_admin/log")).json()
        return log


@pytest.fixture(scope="session")
def shared_state() -> State:
    """Return one state for all tests, because its models are made once."""
    return State(rows=500)


@pytest.fixture
def state(shared_state: State) -> State:
    """Return the state as after a fresh start."""
    shared_state.reset()
    return shared_state


@pytest.fixture
async def stranger(state: State) -> AsyncIterator[Caller]:
    """Return a client without a token."""
    transport = httpx.ASGITransport(Tenant(state))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
        yield Caller(http, state)


@pytest.fixture
async def caller(stranger: Caller) -> Caller:
    """Return a client that holds a token."""
    await stranger.sign_in()
    return stranger


@pytest.fixture
def process(tenant: SimulatedTenant) -> SimulatedTenant:
    """Return the tenant process of all tests, as after a fresh start."""
    return tenant


@pytest.fixture
def wire(process: SimulatedTenant) -> Iterator[httpx.Client]:
    """Return a client of the process that holds a token."""
    with httpx.Client(base_url=process.url, trust_env=False, timeout=60) as http:
        answer = http.post(
            process.token_url,
            auth=(process.client_id, process.secret),
            data={"grant_type": "client_credentials"},
        )
        http.headers["authorization"] = f"{SCHEME} {answer.json()['access_token']}"
        http.headers["x-sap-sac-custom-auth"] = "true"
        yield http
