"""Links of the OpenAPI document: what of one answer is asked for next.

They tell a reader of the document how to get from the list to the thing, and testers how to do so.
https://spec.openapis.org/oas/v3.1.1.html#link-object
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one answer to another request.

    Attributes:
        name: What it is called in the document.
        come: Method, path and status of the answer.
        go: Method and path of the request.
        parameters: Its parameters, as runtime expressions.
        body: Its body, as runtime expressions; None for none.
    """

    name: str
    come: tuple[str, str, int]
    go: tuple[str, str]
    parameters: dict[str, str]
    body: dict[str, str] | None = None


_NAME: Final = "$request.path.name"
_DATASET: Final = "/datasets/{name}"
_LISTED: Final = "$response.body#/datasets/0/name"
_VERSIONS: Final = f"{_DATASET}/versions"
_VERSION: Final = "$response.body#/versions/0/version"
_MEMBERS: Final = f"{_DATASET}/dimensions/{{dimension}}"
_REFRESH: Final = "/refreshes/{operation_id}"

LINKS: Final = (
    Link("dataset", ("get", "/datasets", 200), ("get", _DATASET), {"name": _LISTED}),
    Link("series", ("get", "/datasets", 200), ("get", "/series"), {"dataset": _LISTED}),
    Link("versions", ("get", "/datasets", 200), ("get", _VERSIONS), {"name": _LISTED}),
    Link(
        "members",
        ("get", _DATASET, 200),
        ("get", _MEMBERS),
        {"name": _NAME, "dimension": "$response.body#/dimensions/0/name"},
    ),
    Link(
        "diff",
        ("get", _VERSIONS, 200),
        ("get", f"{_DATASET}/diff"),
        {"name": _NAME, "from": _VERSION},
    ),
    Link(
        "rollback",
        ("get", _VERSIONS, 200),
        ("post", f"{_DATASET}/rollback"),
        {"name": _NAME},
        {"version": _VERSION},
    ),
    Link(
        "model",
        ("get", "/models", 200),
        ("get", "/models/{model_id}"),
        {"model_id": "$response.body#/models/0/id"},
    ),
    *(
        Link(name, come, (method, path), {"operation_id": pointer})
        for come, pointer in (
            (("post", "/refresh", 202), "$response.body#/id"),
            (("get", "/refreshes", 200), "$response.body#/refreshes/0/id"),
        )
        for name, method, path in (
            ("progress", "get", _REFRESH),
            ("events", "get", f"{_REFRESH}/events"),
            ("cancel", "post", f"{_REFRESH}/cancel"),
        )
    ),
)


def with_links(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with its links; the same as it was, changed in place."""
    paths = document["paths"]
    for link in LINKS:
        method, path, status = link.come
        to_method, to_path = link.go
        found: dict[str, Any] = {
            "operationId": paths[to_path][to_method]["operationId"],
            "parameters": link.parameters,
        }
        if link.body is not None:
            found["requestBody"] = link.body
        answer = paths[path][method]["responses"][str(status)]
        answer.setdefault("links", {})[link.name] = found
    return document
