"""The OpenAPI page says how to show who one is, and what a route takes."""

from __future__ import annotations

from typing import Any

import pytest

from app.access.callers import Role
from app.api.roles import ROUTES
from tests.access.rig import Rig, a_key, stored
from tests.api.bench import Bench


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations of a document by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.fixture
def closed() -> dict[str, Any]:
    """The document of a protected service."""
    document: dict[str, Any] = Bench(Rig().guard(stored(a_key("one")))).app.openapi()
    return document


def test_the_schemes_are_shown(closed: dict[str, Any], bench: Bench) -> None:
    """A key in its header or a Bearer; also where the service happens to be open."""
    for document in (closed, bench.app.openapi()):
        schemes = document["components"]["securitySchemes"]
        assert schemes["apiKey"]["name"] == "X-API-Key"
        assert (schemes["bearer"]["scheme"], schemes["bearer"]["bearerFormat"]) == ("bearer", "JWT")


def test_each_operation_names_its_roles(closed: dict[str, Any]) -> None:
    """Either scheme will do, with one of the roles; open routes ask for nothing."""
    for key, operation in operations(closed).items():
        roles = ROUTES[key].roles
        if roles is None:
            assert "security" not in operation
            assert "401" not in operation["responses"]
            continue
        listed = sorted(Role(role) for role in roles)
        assert operation["security"] == [{"apiKey": listed}, {"bearer": listed}]
        assert {"401", "403", "429", "503"} <= set(operation["responses"])


def test_an_open_service_asks_for_no_scheme(bench: Bench) -> None:
    """The document does not promise a refusal that never comes."""
    assert not [one for one in operations(bench.app.openapi()).values() if "security" in one]
