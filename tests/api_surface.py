"""Lists what callers of the API can see: `python -m tests.api_surface` writes it into the page.

A line is an operation with its parameters and good statuses, or a body with its fields and their
types. `docs/api.md` holds these lines as the promise.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from typing_extensions import Unpack

from app import client
from app.api.problems import PROBLEMS
from demo.openapi import document

PATH: Final = Path(__file__).parent.parent / "docs" / "api.md"
BLOCK: Final = re.compile(r"(?<=^```text\n)(?:.*\n)*?(?=^```$)", re.MULTILINE)
_WIDTH: Final = 118
_REFERENCE: Final = "#/components/schemas/"
_FORMATS: Final = {"date": "date", "date-time": "time"}

Surface = dict[str, set[str]]


def surface() -> Surface:
    """Return what there is: the things to see, each with its parts."""
    page: dict[str, Any] = json.loads(document())
    found: Surface = {}
    for path, operations in page["paths"].items():
        for method, operation in operations.items():
            found[f"{method.upper()} {path}"] = _operation(operation)
    for name, schema in page["components"]["schemas"].items():
        found[_name(name)] = _body(schema)
    found["problems"] = {f"{kind.code}={row.status.value}" for kind, row in PROBLEMS.items()}
    found |= _client()
    return {name: parts for name, parts in found.items() if parts}


def promised(page: str) -> Surface:
    """Return what a page promises."""
    lines = re.sub(r"\n +", " ", "".join(BLOCK.findall(page))).splitlines()
    pairs = (line.partition(": ") for line in lines if line)
    return {name: set(parts.split()) for name, _, parts in pairs}


def written(found: Surface) -> str:
    """Return the lines for the page."""
    return "".join(
        textwrap.fill(
            f"{name}: {' '.join(sorted(parts))}",
            _WIDTH,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
        for name, parts in found.items()
    )


def _operation(operation: dict[str, Any]) -> set[str]:
    parameters = {
        one["name"] + ("" if one.get("required") else "?")
        for one in operation.get("parameters", ())
    }
    good = {status for status in operation["responses"] if status < "400"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return parameters | good | ({f"body={_type(body['schema'])}"} if body else set())


def _client() -> Surface:
    kind = client.SeriesClient
    methods = {
        name: one
        for name, one in vars(kind).items()
        if inspect.isfunction(one) and not name.startswith("_")
    }
    taken = {f"SeriesClient.{name}": _arguments(one) for name, one in methods.items()}
    return {"app.client": set(client.__all__), "SeriesClient": set(methods), **taken}


def _arguments(method: Callable[..., object]) -> set[str]:
    found = set(inspect.signature(method).parameters) - {"self"}
    for name, hint in get_type_hints(method, include_extras=True).items():
        if get_origin(hint) is Unpack:
            found = (found - {name}) | set(get_args(hint)[0].__annotations__)
    return found


def _body(schema: dict[str, Any]) -> set[str]:
    if "enum" in schema:
        return set(schema["enum"])
    needed = schema.get("required", ())
    return {
        f"{name}{'' if name in needed else '?'}={_type(kind)}"
        for name, kind in schema.get("properties", {}).items()
    }


def _type(schema: dict[str, Any]) -> str:
    """Return a type in a word; `|null` if it may be null."""
    if "$ref" in schema:
        return _name(schema["$ref"].removeprefix(_REFERENCE))
    if "anyOf" in schema:
        return "|".join(_type(one) for one in schema["anyOf"])
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"[{_type(schema['items'])}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return "{%s}" % (_type(values) if isinstance(values, dict) else "any")
    return _FORMATS.get(schema.get("format", ""), str(kind))


def _name(schema: str) -> str:
    # The name of a body is no part of the promise; this is only how the lines refer to each other.
    return schema.rpartition("__")[2].removesuffix("Model").removesuffix("Response")


def main() -> None:
    """Write the lines into the page."""
    page = PATH.read_text(encoding="utf-8")
    PATH.write_text(BLOCK.sub(lambda _: written(surface()), page, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
