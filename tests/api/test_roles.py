"""The role matrix: every route, asked by every kind of caller, and what each is answered."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st

from app.access.callers import EVERY_ROLE, Role
from app.access.limiting import Bucket
from app.api.roles import ROUTES, UNLISTED, rule_of
from tests.access.rig import RULES, Rig, a_key, stored, yesterday
from tests.api.bench import Bench
from tests.fakes import FakeCatalogue, a_definition
from tests.issuer import bearer, with_key_id

ROOT = Path(__file__).resolve().parents[2]
# What each caller is answered, in the order of CALLERS. `read`, `refresh`, `operate` and `monitor`
# stand for a key and for a token of that role; `own` is bound to the dataset that is asked for
# and `other` to another one, both with the role `operate`.
MATRIX = """
                               nobody bad read refresh operate monitor no-role own other
GET /series                      401  401  200     200     200     403     403 200   404
GET /datasets                    401  401  200     200     200     403     403 200   200
GET /datasets/{name}             401  401  200     200     200     403     403 200   404
GET /datasets/{name}/dimensions/{dimension} 401  401  200     200     200     403     403 200   404
GET /datasets/{name}/versions    401  401  200     200     200     403     403 200   404
GET /datasets/{name}/diff        401  401  200     200     200     403     403 200   404
POST /refresh                    401  401  403     200     200     403     403 200   404
GET /refreshes                   401  401  200     200     200     403     403 200   200
GET /refreshes/{operation_id}    401  401  200     200     200     403     403 200   404
GET /refreshes/{operation_id}/events 401  401  200     200     200     403     403 200   404
POST /refreshes/{operation_id}/cancel 401  401  403     409     409     403     403 409   404
POST /datasets/{name}/rollback   401  401  403     403     200     403     403 200   404
GET /models                      401  401  403     403     200     403     403 403   403
GET /models/{model_id}           401  401  403     403     200     403     403 403   403
GET /metrics                     401  401  403     403     200     200     403 403   403
GET /health/auth                 401  401  200     200     200     200     403 200   200
GET /health/live                 200  200  200     200     200     200     200 200   200
GET /health/ready                200  200  200     200     200     200     200 200   200
GET /problems                    200  200  200     200     200     200     200 200   200
GET /problems/{name}             200  200  200     200     200     200     200 200   200
GET /openapi.json                200  200  200     200     200     200     200 200   200
GET /docs                        200  200  200     200     200     200     200 200   200
GET /docs/oauth2-redirect        200  200  200     200     200     200     200 200   200
GET /redoc                       200  200  200     200     200     200     200 200   200
"""
HEADER, *ROWS = MATRIX.strip().splitlines()
CALLERS = HEADER.split()
EXPECTED = {tuple(row.split()[:2]): row.split()[2:] for row in ROWS}

DATASET, OTHER = "default", "salaries"
# How each route is asked about the dataset `default`.
ADDRESSES = {
    "/series": f"/series?dataset={DATASET}",
    "/datasets/{name}/diff": "?from=0",
    "/problems/{name}": "/problems/forbidden",
}
BODIES: dict[str, Any] = {
    "/refresh": {"dataset": DATASET},
    "/datasets/{name}/rollback": {"version": 0},
}


def address(path: str, operation: str = "0") -> str:
    """Return the address at which a route is asked."""
    names = {"name": DATASET, "model_id": "C1", "dimension": "dim_region"}
    names["operation_id"] = operation
    filled = path.format(**names)
    asked = ADDRESSES.get(path, "")
    return asked if asked.startswith("/") else filled + asked


class Entrance:
    """A protected app, and what its callers show."""

    def __init__(self) -> None:
        self.rig = Rig(replace(RULES, datasets_claim="ds"))
        bound = {"own": frozenset({DATASET}), "other": frozenset({OTHER})}
        keys = [stored(a_key(role), role) for role in Role]
        keys += [stored(a_key(who), Role.OPERATE, datasets=ds) for who, ds in bound.items()]
        keys.append(stored(a_key("expired"), Role.OPERATE, expires=yesterday(self.rig.clock)))
        self.bench = Bench(self.rig.guard(*keys))
        self.bench.use(catalogue=FakeCatalogue(a_definition(DATASET), a_definition(OTHER)))
        self.operation = ""

    def shown(self, caller: str) -> list[dict[str, str]]:
        """Return the headers of a caller, by every way that it may show who it is."""
        token = self.rig.issuer.token
        if caller == "nobody":
            return [{}, {"Authorization": "Basic YTpi"}]
        if caller == "bad":
            expired = token("operate", exp=1_000_000_000, ds="*")
            keys = [a_key("unknown"), a_key("expired"), "password"]
            tokens = [expired, token("operate", aud="payroll", ds="*"), token(iss="https://x")]
            tokens += ["a.b.c", with_key_id(token("operate", ds="*"), "made-up")]
            return [{"X-API-Key": key} for key in keys] + [bearer(one) for one in [*keys, *tokens]]
        if caller == "no-role":
            return [bearer(token("openid", ds="*"))]
        if caller in {"own", "other"}:
            dataset = DATASET if caller == "own" else OTHER
            return [{"X-API-Key": a_key(caller)}, bearer(token("operate", ds=[dataset]))]
        signed = [token(caller, algorithm, ds="*") for algorithm in ("RS256", "ES256")]
        return [{"X-API-Key": a_key(caller)}, *map(bearer, [a_key(caller), *signed])]


@pytest.fixture
async def entrance() -> AsyncIterator[Entrance]:
    """A protected app with one refresh done."""
    entrance = Entrance()
    async with entrance.bench.client as client:
        filled = await client.post("/refresh", headers={"X-API-Key": a_key("operate")})
        assert filled.status_code == 200
        # It has ended, so that nobody can cancel it any more.
        [done] = entrance.bench.services.operations.all()
        entrance.operation = done.id
        yield entrance


def every_route(app: FastAPI) -> set[tuple[str, str]]:
    """Return method and path of all that an app serves, listed in its OpenAPI or not."""
    found: set[tuple[str, str]] = set()
    for route in iter_route_contexts(app.routes):
        assert route.methods, f"{route} is no plain route, and takes a rule of its own"
        found |= {(method, str(route.path)) for method in route.methods - {"HEAD"}}
    return found


def test_every_route_has_a_row_in_the_table_and_in_the_matrix(bench: Bench) -> None:
    """A new route must say who may call it, and be asked by everybody here, before it is merged."""
    routes = every_route(bench.app)
    operations = {
        (method.upper(), path)
        for path, methods in bench.app.openapi()["paths"].items()
        for method in methods
    }
    assert operations <= routes
    assert routes == set(ROUTES)
    assert routes == set(EXPECTED)


@pytest.mark.parametrize("route", EXPECTED, ids=" ".join)
async def test_the_matrix_holds(entrance: Entrance, route: tuple[str, str]) -> None:
    """Each caller is answered as the matrix says, by whichever way it shows who it is."""
    method, path = route
    found: dict[str, set[int]] = {}
    for caller in CALLERS:
        for headers in entrance.shown(caller):
            answer = await entrance.bench.client.request(
                method,
                address(path, entrance.operation),
                headers=headers,
                json=BODIES.get(path),
            )
            found.setdefault(caller, set()).add(answer.status_code)
            check_refusal(answer)
    expected = dict(zip(CALLERS, EXPECTED[route], strict=True))
    assert found == {caller: {int(status)} for caller, status in expected.items()}


def check_refusal(answer: httpx.Response) -> None:
    """Hold what all refusals have in common against an answer."""
    challenge = answer.headers.get("www-authenticate", "")
    if answer.status_code in {401, 403}:
        assert challenge.startswith('Bearer realm="sac-series"')
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].endswith(".")
        assert ("error=" in challenge) == (answer.json()["code"] != "login_required")
    else:
        assert not challenge


async def test_a_bound_caller_hears_no_other_name(entrance: Entrance) -> None:
    """Neither lists nor words of errors name a dataset that the caller is not bound to."""
    for caller, dataset, hidden in (("own", DATASET, OTHER), ("other", OTHER, DATASET)):
        for headers in entrance.shown(caller):
            for path in (
                f"/series?dataset={hidden}",
                f"/datasets/{hidden}/versions",
                "/series?x=1",
            ):
                answer = await entrance.bench.client.get(path, headers=headers)
                assert answer.json()["detail"].count(hidden) <= path.count(hidden)
            listed = (await entrance.bench.client.get("/datasets", headers=headers)).json()
            assert [one["name"] for one in listed["datasets"]] == [dataset]
            ran = (await entrance.bench.client.get("/refreshes", headers=headers)).json()
            assert [one["dataset"] for one in ran["refreshes"]] == [DATASET] * (caller == "own")


async def test_a_hidden_dataset_looks_like_none(entrance: Entrance) -> None:
    """What exists for others and what exists for nobody are answered alike."""
    headers = {"X-API-Key": a_key("other")}
    answers = []
    for name in (DATASET, "nothing"):
        answer = await entrance.bench.client.get(f"/series?dataset={name}", headers=headers)
        body = {**answer.json(), "request_id": ""}
        body["detail"] = body["detail"].replace(name, "…")
        answers.append((answer.status_code, body))
    assert answers[0] == answers[1]


async def test_the_default_is_the_first_dataset_that_a_caller_sees(entrance: Entrance) -> None:
    """Whoever is bound and names no dataset means their own."""
    headers = {"X-API-Key": a_key("other")}
    refreshed = await entrance.bench.client.post("/refresh", headers=headers)
    assert refreshed.json()["dataset"] == OTHER
    read = await entrance.bench.client.get("/series", headers=headers)
    assert read.json()["dataset"] == OTHER


@pytest.mark.parametrize("path", ["/", "/serie", "/series/", "/datasets/a/b", "/.env", "//series"])
async def test_an_address_that_does_not_exist_is_for_known_callers(
    entrance: Entrance, path: str
) -> None:
    """A stranger is asked who they are; a caller is told that there is nothing, never sent on."""
    client = entrance.bench.client
    assert (await client.get(path)).status_code == 401
    known = await client.get(path, headers={"X-API-Key": a_key("read")})
    assert known.status_code == 404


@pytest.mark.parametrize("path", dict.fromkeys(path for _, path in EXPECTED))
async def test_another_method_gets_nobody_in(entrance: Entrance, path: str) -> None:
    """Methods that a route does not take are answered without data."""
    for method in ("PUT", "PATCH", "TRACE", "OPTIONS", "DELETE", "GOT"):
        answer = await entrance.bench.client.request(method, address(path))
        is_open = EXPECTED["GET", path][0] == "200" if ("GET", path) in EXPECTED else False
        refused = 405 if is_open else 401
        assert answer.status_code == (204 if method == "OPTIONS" else refused)


async def test_head_is_as_get(entrance: Entrance) -> None:
    """A HEAD is let in where a GET would be, and nowhere else."""
    for route in ("/series", "/metrics"):
        assert (await entrance.bench.client.head(route)).status_code == 401
    assert rule_of("HEAD", "/metrics") is rule_of("GET", "/metrics")


def test_the_page_says_the_same() -> None:
    """The table of docs/security.md and the one in code name the same addresses and roles."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    documented: dict[tuple[str, str], str] = {}
    for method, cell, words in re.findall(
        r"^\| `(GET|POST) ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE
    ):
        documented |= {(method, path): words for path in re.findall(r"/[\w./{}-]+", cell)}
    assert set(documented) == set(ROUTES)
    for key, words in documented.items():
        rule = ROUTES[key]
        named = set(re.findall(r"`(\w+)`", words)) or set(
            rule.roles or () if words == "any" else ()
        )
        assert named == set(rule.roles or ()), key
        assert ("not bound" in words) == rule.whole, key
        assert words.startswith("none") == (rule.roles is None), key


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]), st.text(max_size=30))
def test_what_is_not_listed_is_for_known_callers(method: str, rest: str) -> None:
    """Any path has a rule, and only those of the table are for anybody."""
    rule = rule_of(method, f"/{rest}")
    if f"/{rest}" not in {path for _, path in ROUTES}:
        assert rule.roles


def test_the_rules_that_cost_have_limits_of_their_own() -> None:
    """A refresh and a check of the login reach the tenant; everything else is answered here."""
    limited = {key: rule.bucket for key, rule in ROUTES.items() if rule.bucket}
    assert limited == {
        ("POST", "/refresh"): Bucket.REFRESHES,
        ("GET", "/health/auth"): Bucket.LOGIN_CHECKS,
    }
    assert UNLISTED.roles == EVERY_ROLE
