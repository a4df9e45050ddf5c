"""The middleware lets in, refuses and counts, and the log knows who it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItem, parse
from starlette._utils import get_route_path
from starlette.types import Message, Receive, Scope, Send

from app.access.callers import ANYONE, EVERY_ROLE, Caller, Role, sees
from app.access.guard import Guard
from app.access.keys import id_of
from app.access.limiting import Bucket, Limiter
from app.api.access import AccessMiddleware, allowed, route_path
from tests.access.rig import Rig, a_key, stored
from tests.api.bench import Bench, problem
from tests.api.log import Log
from tests.issuer import bearer

KEY = {"X-API-Key": a_key("one")}
Paces = dict[Bucket, RateLimitItem | None]


@asynccontextmanager
async def protected(role: Role = Role.OPERATE, **paces: str) -> AsyncIterator[Bench]:
    """Give an app with one key, and limits by the names of their buckets."""
    limits: Paces = {Bucket(name): parse(text) for name, text in paces.items()}
    rig = Rig()
    bench = Bench(rig.guard(stored(a_key("one"), role), paces=limits))
    async with bench.client:
        yield bench


async def test_an_open_service_asks_for_nothing(bench: Bench) -> None:
    """Without keys and issuer, whatever is shown is not looked at."""
    for headers in ({}, KEY, bearer("nonsense")):
        assert (await bench.client.get("/datasets", headers=headers)).status_code == 200


async def test_whoever_shows_nothing_is_challenged() -> None:
    """RFC 6750: the scheme and the realm, and no error where nothing was tried."""
    async with protected() as bench:
        answer = await bench.get("/series")
    body = problem(answer, 401)
    assert body["code"] == "login_required"
    assert answer.headers["www-authenticate"] == 'Bearer realm="sac-series"'


async def test_what_is_not_enough_is_named() -> None:
    """A 403 names the roles that would do, in words and for software."""
    async with protected(Role.READ) as bench:
        answer = await bench.client.post("/refresh", headers=KEY)
    body = problem(answer, 403)
    assert body["code"] == "forbidden"
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="sac-series", error="insufficient_scope", scope="operate refresh"'
    )
    assert bench.source.pulls == []


async def test_two_credentials_are_a_malformed_request() -> None:
    """RFC 6750: 400 and invalid_request."""
    async with protected() as bench:
        answer = await bench.client.get("/series", headers={**KEY, **bearer("a.b.c")})
    assert problem(answer, 400)["code"] == "credential_conflict"
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


async def test_refreshes_are_limited_and_counted_down() -> None:
    """Each answer tells what is left; the one too many says when to come back, and is no pull."""
    async with protected(refreshes="2/hour") as bench:
        left = [
            (await bench.client.post("/refresh", headers=KEY)).headers["ratelimit"][:15]
            for _ in range(2)
        ]
        answer = await bench.client.post("/refresh", headers=KEY)
        pulls = len(bench.source.pulls)
        other = await bench.client.get("/series", headers=KEY)
    assert left == ['"refreshes";r=1', '"refreshes";r=0']
    body = problem(answer, 429)
    assert body["code"] == "too_many_requests"
    assert 3_500 < int(answer.headers["retry-after"]) <= 3_600
    assert "www-authenticate" not in answer.headers
    assert pulls == 2
    assert other.status_code == 200
    assert "ratelimit" not in other.headers


async def test_checks_of_the_login_are_limited() -> None:
    """A probe that asks too often is told to wait."""
    async with protected(login_checks="1/hour") as bench:
        first = await bench.client.get("/health/auth", headers=KEY)
        second = await bench.client.get("/health/auth", headers=KEY)
    assert (first.status_code, second.status_code) == (200, 429)
    assert first.headers["ratelimit-policy"] == '"login_checks";q=1;w=3600'


async def test_all_calls_of_a_caller_are_limited_together() -> None:
    """Also those that are refused; open addresses are not counted."""
    async with protected(Role.READ, calls="3/hour") as bench:
        statuses = [
            (await bench.client.request(method, path, headers=KEY)).status_code
            for method, path in [("GET", "/datasets"), ("GET", "/metrics"), ("POST", "/refresh")]
        ]
        assert statuses == [200, 403, 403]
        assert (await bench.client.get("/datasets", headers=KEY)).status_code == 429
        assert (await bench.client.get("/health/live", headers=KEY)).status_code == 200


async def test_a_guesser_is_slowed_down() -> None:
    """Refused credentials are counted by address; a right key gets in all the same."""
    async with protected(failures="2/hour") as bench:
        wrong = {"X-API-Key": a_key("guess")}
        found = [(await bench.client.get("/series", headers=wrong)).status_code for _ in range(4)]
        right = await bench.client.get("/datasets", headers=KEY)
    assert found == [401, 401, 429, 429]
    assert right.status_code == 200


async def test_an_open_service_may_be_limited_by_address() -> None:
    """Limits that are set count without keys, too."""
    bench = Bench(Guard(limiter=Limiter({Bucket.CALLS: parse("1/hour")})))
    async with bench.client:
        found = [(await bench.get("/datasets")).status_code for _ in range(2)]
    assert found == [200, 429]


async def test_the_log_names_the_caller_and_no_secret(log: Log) -> None:
    """The line of a request has the key's id; an open service's has no caller."""
    async with protected() as bench:
        await bench.client.get("/datasets", headers=KEY)
        await bench.get("/datasets")
    lines = log.lines()
    told = [line.get("caller") for line in log.lines("http_request")]
    assert told == [f"key:{id_of(KEY['X-API-Key'])}", None]
    assert KEY["X-API-Key"].split("_", 2)[2] not in str(lines)


async def test_a_caller_bound_to_nothing_that_exists_is_told_so() -> None:
    """Without a dataset to mean, the default is none."""
    rig = Rig()
    bench = Bench(rig.guard(stored(a_key("one"), Role.REFRESH, datasets=frozenset({"gone"}))))
    async with bench.client as client:
        for answer in (
            await client.get("/series", headers=KEY),
            await client.post("/refresh", headers=KEY),
        ):
            body = problem(answer, 403)
            assert (body["code"], "do not exist" in body["detail"]) == ("forbidden", True)


async def test_the_inside_knows_the_caller() -> None:
    """State and context hold the caller while a request is served, and not after it."""
    seen: list[tuple[Any, bool]] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["state"]["caller"], sees("salaries")))

    rig = Rig()
    bound = stored(a_key("one"), datasets=frozenset({"cash"}))
    middleware = AccessMiddleware(inside, rig.guard(bound))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/series",
        "headers": [(b"x-api-key", a_key("one").encode())],
    }

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await middleware(scope, receive, send)
    ((caller, sees_it),) = seen
    assert (caller.datasets, sees_it) == ({"cash"}, False)
    assert sees("salaries")
    assert allowed(scope, ["cash"])
    assert not allowed(scope, ["cash", "salaries"])


async def test_what_is_not_http_passes_untouched() -> None:
    """The lifespan of the app has no caller."""
    seen: list[Scope] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError(message)

    guard = Rig().guard(stored(a_key("one")))
    await AccessMiddleware(inside, guard)({"type": "lifespan"}, receive, send)
    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize(
    ("state", "datasets", "may"),
    [
        ({"caller": ANYONE}, [], True),
        ({"caller": ANYONE}, ["cash", "heads"], True),
        ({"caller": Caller("x", EVERY_ROLE, frozenset({"cash"}))}, ["cash"], True),
        ({"caller": Caller("x", EVERY_ROLE, frozenset({"cash"}))}, ["cash", "heads"], False),
        ({"caller": Caller("x", EVERY_ROLE, frozenset({"cash"}))}, [], False),
        ({}, ["cash"], False),
        (None, [], False),
    ],
)
def test_a_stored_answer_is_for_those_who_see_all_of_it(
    state: dict[str, Any] | None, datasets: list[str], may: bool
) -> None:
    """Whoever did not pass the middleware, or is bound elsewhere, gets none."""
    assert allowed({} if state is None else {"state": state}, datasets) == may


@given(
    st.sampled_from(["", "/api", "/api/v1", "/"]),
    st.sampled_from(
        ["", "/", "/api", "/api/", "/api/series", "/apis", "/series", "/api/v1/series"]
    ),
)
def test_the_path_is_the_router_s(root: str, path: str) -> None:
    """A prefix that a proxy cuts off is read as the framework reads it, so that none slips by."""
    scope = {"type": "http", "path": path, "root_path": root}
    assert route_path(scope) == get_route_path(scope)
