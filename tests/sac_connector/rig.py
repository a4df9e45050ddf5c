"""The connector with everything around it in a test's hands: the tenant, time, and all waits."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

import httpx

from app.records import DatasetDefinition
from app.sac_connector.auth import BearerAuth, Credentials, TokenProvider
from app.sac_connector.export import SacSource
from app.sac_connector.pull import PullLimits, SacPull
from app.sac_connector.retry import Retrier, RetryPolicy
from app.sac_connector.transport import ExportTransport, PullBudget
from tests.fakes import FakeClock
from tests.simulated_tenant import PATIENCE_S, SimulatedTenant

ATTEMPTS: Final = 3
TENANT_URL: Final = "https://tenant.example"
TOKEN_URL: Final = "https://login.example/oauth/token"
CLIENT_ID: Final = "sb-0a1b!b1|client!b7"
# In the shape that SAC hands out: `$`, `+`, `/` and `=` must reach the tenant as they are.
SECRET: Final = "5d5e-made+up$c2VjcmV0/bWFkZQ=="
ROOT: Final = f"{TENANT_URL}/api/v1/dataexport/providers/sac/CMODEL/"
PAGE_URL: Final = f"{ROOT}FactData"
METADATA: Final = (
    '<Edmx><Schema><EntityType Name="FactData"><Key><PropertyRef Name="Date"/>'
    '<PropertyRef Name="Region"/></Key><Property Name="Date"/><Property Name="Region"/>'
    '<Property Name="Amount"/></EntityType></Schema></Edmx>'
)
DEFINITION: Final = DatasetDefinition(
    name="default",
    source="sac",
    model_id="CMODEL",
    date_column="Date",
    value_column="Amount",
    dimensions=("Region",),
)

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def refusal(status: int, number: str | None = None, **headers: str) -> httpx.Response:
    """Return an error as the export service words it."""
    message = "It was refused" + (f" [{number}]" if number else "")
    body = {"error": {"code": "0000-1111", "message": message}}
    return httpx.Response(
        status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def a_page(
    rows: int = 1, link: str | None = None, count: int | None = None, first: int = 0
) -> httpx.Response:
    """Return a page of rows whose amounts count upwards."""
    body: dict[str, object] = {
        "value": [
            {"Date": "202601", "Region": "EMEA", "Amount": number}
            for number in range(first, first + rows)
        ],
        "@des.entitiesInPage": rows,
    }
    if link is not None:
        body["@odata.nextLink"] = link
    if count is not None:
        body["@odata.count"] = count
    return httpx.Response(200, json=body)


def counted(rows: int) -> httpx.Response:
    """Answer the size probe."""
    return a_page(0, count=rows)


def linked(rows: int, to: str, first: int = 0) -> httpx.Response:
    """Return a page with a link."""
    return a_page(rows, link=f"?$skiptoken={to}", first=first)


def metadata(text: str = METADATA) -> httpx.Response:
    """Return the description of a model."""
    return httpx.Response(200, text=text, headers={"content-type": "application/xml"})


def service_document(*sets: str) -> httpx.Response:
    """Return the list of a model's entity sets."""
    return httpx.Response(200, json={"value": [{"name": name, "url": name} for name in sets]})


def shape(request: httpx.Request) -> str:
    """Name what a request to the export service is for."""
    query = parse_qs(request.url.query.decode())
    if request.url.path.endswith("$metadata"):
        return "metadata"
    if request.url.path.endswith("/"):
        return "service"
    if "$top" in query:
        return "count" if query["$top"] == ["0"] else f"top {query['$top'][0]}"
    if "$skiptoken" in query:
        return query["$skiptoken"][0]
    if "$skip" in query:
        return f"skip {query['$skip'][0]}"
    return "sums" if query.get("$select") in _SUMS else "first"


_SUMS: Final = (["Date,Amount"], ["Region,Amount"], ["Amount"])


def a_token(value: str = "tok-1", expires_in: object = 3600) -> httpx.Response:
    """Return an answer of the token endpoint."""
    return httpx.Response(200, json={"access_token": value, "expires_in": expires_in})


def a_jwt(**claims: object) -> str:
    """Return a token that says something of itself; nobody signed it."""
    payload = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


class FakeTenant:
    """Answers in the order it is told to; what it was told nothing about gets a good answer.

    Args:
        pages: Answers of the export service about rows, in order.
        login: Answers of the token endpoint, in order; then new tokens.
        described: Answers for `$metadata`, in order; then the model with Date, Region, Amount.
        sets: The entity sets of the service document.

    Attributes:
        requests: All that arrived, to either of the two.
        bearers: The tokens that came with each request to the export service.
        gate: Logins wait for it; None for no wait.
    """

    def __init__(
        self,
        pages: Iterable[Reply] = (),
        login: Iterable[Reply] = (),
        *,
        described: Iterable[Reply] = (),
        sets: Iterable[str] = ("FactData",),
    ) -> None:
        self._pages = iter(pages)
        self._login = iter(login)
        self._described = iter(described)
        self._sets = service_document(*sets)
        self.requests: list[httpx.Request] = []
        self.bearers: list[str] = []
        self.gate: asyncio.Event | None = None

    @property
    def logins(self) -> list[httpx.Request]:
        """Requests to the token endpoint."""
        return [one for one in self.requests if one.url == TOKEN_URL]

    @property
    def asked(self) -> list[httpx.Request]:
        """Requests to the export service."""
        return [one for one in self.requests if str(one.url).startswith(TENANT_URL)]

    @property
    def shapes(self) -> list[str]:
        """What each request to the export service was for."""
        return [shape(request) for request in self.asked]

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        if request.url != TOKEN_URL:
            self.bearers.append(request.headers["authorization"].partition(" ")[2])
            return _given(self._answer(request), request)
        if self.gate is not None:
            await self.gate.wait()
        number = len(self.logins)
        return _given(next(self._login, a_token(f"tok-{number}")), request)

    def _answer(self, request: httpx.Request) -> Reply:
        if request.url.path.endswith("$metadata"):
            return next(self._described, metadata())
        if request.url.path == httpx.URL(ROOT).path:
            return self._sets
        return next(self._pages, AssertionError("nobody expects this request"))


def _given(reply: Reply, request: httpx.Request) -> httpx.Response:
    if isinstance(reply, Exception):
        raise reply
    return reply if isinstance(reply, httpx.Response) else reply(request)


@dataclass
class Waits:
    """Stands in for sleeping: it takes no time and remembers what was asked for."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        """Remember a wait."""
        self.seconds.append(seconds)


@dataclass
class Rig:
    """The connector's parts, put together as the wiring does."""

    clock: FakeClock
    waits: Waits
    tokens: TokenProvider
    auth: BearerAuth
    transport: ExportTransport
    source: SacSource
    policy: RetryPolicy
    seen_tokens: list[str]

    def budget(self, deadline_s: float = 60.0) -> PullBudget:
        """Return a budget whose waits take no time."""
        return PullBudget(Retrier(self.policy, self.waits), deadline_s)

    async def get(self, url: str = PAGE_URL) -> bytes:
        """GET an address of the export service."""
        return bytes(await self.transport.get(url, self.budget()))


def build(
    client: httpx.AsyncClient,
    credentials: Credentials | Callable[[], Credentials],
    tenant_url: str,
    *,
    policy: RetryPolicy | None = None,
    limits: PullLimits | None = None,
) -> Rig:
    """Put the connector together around a client."""
    policy, limits = policy or RetryPolicy(), limits or PullLimits(page_rows=2, deadline_s=60)
    asked = (lambda: credentials) if isinstance(credentials, Credentials) else credentials
    clock, waits, seen = FakeClock(), Waits(), list[str]()
    tokens = TokenProvider(client, asked, clock, on_token=seen.append)
    auth = BearerAuth(tokens, tenant_url, clock, waits)
    transport = ExportTransport(client, auth, clock, limits.parallel)
    source = SacSource(
        transport,
        tokens,
        tenant_url,
        limits=limits,
        retrier=lambda: Retrier(policy, waits),
        clock=clock,
    )
    return Rig(clock, waits, tokens, auth, transport, source, policy, seen)


@asynccontextmanager
async def connected(
    tenant: FakeTenant,
    *,
    policy: RetryPolicy | None = None,
    limits: PullLimits | None = None,
    follow_redirects: bool = False,
    credentials: Callable[[], Credentials] | None = None,
) -> AsyncIterator[Rig]:
    """Put the connector together around a tenant that is no more than a function."""
    mock = httpx.MockTransport(tenant)
    async with httpx.AsyncClient(transport=mock, follow_redirects=follow_redirects) as client:
        usual = Credentials(TOKEN_URL, CLIENT_ID, SECRET)
        yield build(client, credentials or usual, TENANT_URL, policy=policy, limits=limits)


def as_json(parts: Mapping[str, object]) -> bytes:
    """Write an answer's body."""
    return json.dumps(parts).encode()


async def turns(number: int = 10) -> None:
    """Let the other tasks run on as far as they can."""
    loop = asyncio.get_running_loop()
    for _ in range(number):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks and threads run on until a condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.to_thread(int)


@asynccontextmanager
async def reaching(
    tenant: SimulatedTenant,
    *,
    page_rows: int = 200,
    parallel: int = 1,
    deadline_s: float = 10 * PATIENCE_S,
    read_timeout_s: float = PATIENCE_S,
    attempts: int = ATTEMPTS,
    secret: str | None = None,
    tenant_url: str | None = None,
    token_url: str | None = None,
) -> AsyncIterator[Rig]:
    """Put the connector together around a simulated tenant; what is not given is right."""
    credentials = Credentials(
        token_url or tenant.token_url, tenant.client_id, secret or tenant.secret
    )
    timeout = httpx.Timeout(PATIENCE_S, read=read_timeout_s)
    async with httpx.AsyncClient(timeout=timeout) as client:
        yield build(
            client,
            credentials,
            tenant_url or tenant.url,
            policy=RetryPolicy(attempts=attempts),
            limits=PullLimits(page_rows, deadline_s, parallel),
        )


async def amounts(pull: SacPull) -> list[str]:
    """Read a pull to its end and return its amounts."""
    return [text async for page in pull.pages() for text in page.rows["Amount"].to_pylist()]
