"""What the OpenAPI page says of keys, tokens, roles and limits."""

from __future__ import annotations

from typing import Any, Final

from app.access.credentials import KEY_HEADER
from app.api.problems import MEDIA_TYPE
from app.api.roles import rule_of
from app.api.schemas import Problem

SCHEMES: Final = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER,
        "description": "An API key that `python -m demo.keys make` made.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the issuer that the service trusts, or an API key.",
    },
}
_WHEN: Final = {
    "400": "The request shows several keys or tokens",
    "401": "No valid key or token; `WWW-Authenticate` says what is wanted",
    "403": "The key or token may not do this",
    "429": "Too many requests; `Retry-After` says when to come back",
    "503": "The issuer of the token cannot be reached",
}


def with_access(document: dict[str, Any], *, protected: bool) -> dict[str, Any]:
    """Describe, in a document, how callers show who they are, and what happens if they do not.

    Args:
        document: As the framework made it.
        protected: Whether callers must; if not, the schemes are named, and no route asks for one.
    """
    document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            roles = rule_of(method.upper(), path).roles
            if roles is None:
                continue
            if protected:
                listed = sorted(roles)
                operation["security"] = [{name: listed} for name in SCHEMES]
            for status, text in _WHEN.items():
                operation["responses"].setdefault(status, _problem(text))
    return document


def _problem(text: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": reference}}}
