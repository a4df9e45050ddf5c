"""The links of the document lead where they say, with what the answers hold."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from app.api.openapi_links import LINKS, Link
from tests.api.bench import Bench
from tests.fakes import a_definition


def resolved(expression: str, path: dict[str, str], body: Any) -> str:  # noqa: ANN401 - any JSON
    """Return what a runtime expression stands for."""
    if expression.startswith("$request.path."):
        return path[expression.removeprefix("$request.path.")]
    for part in expression.removeprefix("$response.body#/").split("/"):
        body = body[int(part)] if part.isdecimal() else body[part]
    return str(body)


async def sent(
    bench: Bench, method: str, path: str, values: dict[str, str], body: object = None
) -> httpx.Response:
    """Send a request of the document; what its path does not take goes into the query."""
    inside = set(re.findall(r"{(\w+)}", path))
    query = {name: value for name, value in values.items() if name not in inside}
    headers = {"Prefer": "respond-async"} if path == "/refresh" else {}
    url = path.format_map(values)
    return await bench.client.request(method, url, params=query, json=body, headers=headers)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link.come[1]} {link.name}")
async def test_a_link_leads_to_an_answer(filled: Bench, link: Link) -> None:
    """Followed by the letter, every link is answered, and never with 'no such thing'."""
    known = {"name": a_definition().name}
    method, path, status = link.come
    came = await sent(filled, method, path, known if "{name}" in path else {})
    assert came.status_code == status
    values = {name: resolved(one, known, came.json()) for name, one in link.parameters.items()}
    body: dict[str, object] | None = None
    if link.body is not None:
        body = {name: int(resolved(one, known, came.json())) for name, one in link.body.items()}
    went = await sent(filled, *link.go, values, body)
    # A refresh that has ended cannot be cancelled, and says so.
    allowed = {200, 409} if link.name == "cancel" else {200}
    assert went.status_code in allowed, went.text


async def test_the_document_has_them(bench: Bench) -> None:
    """Each stands at its answer and names an operation of the document."""
    page = (await bench.get("/openapi.json")).json()
    ids = {one["operationId"] for path in page["paths"].values() for one in path.values()}
    found = [
        link
        for path in page["paths"].values()
        for operation in path.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(found) == len(LINKS)
    assert {link["operationId"] for link in found} <= ids
