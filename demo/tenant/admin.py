"""The admin path: switches, faults, the request log, models of a test's own. No bearer needed."""

import json
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from demo.tenant.errors import Refusal
from demo.tenant.faults import Rule
from demo.tenant.filters import parse_filter
from demo.tenant.models import Dimension, Measure, Member, Model, Role, table_of
from demo.tenant.settings import merge
from demo.tenant.state import State

ADMIN = "/_admin"


class DimensionSpec(msgspec.Struct, forbid_unknown_fields=True):
    """A dimension as a test writes it; members are ids or objects with their columns."""

    name: str
    role: Role = "generic"
    members: list[str | dict[str, str | None]] = []
    hierarchy: str | None = None
    label: str | None = None
    attributes: list[str] = []


class MeasureSpec(msgspec.Struct, forbid_unknown_fields=True):
    """A measure as a test writes it; the facets of a decimal have the usual sizes if not given."""

    name: str
    type: str = "Edm.Decimal"
    precision: int | None = None
    scale: int | str | None = None
    label: str | None = None
    exception: Literal["", "LAST", "AVG"] = ""


class ModelSpec(msgspec.Struct, forbid_unknown_fields=True):
    """A model as a test writes it: rows are lists of dimension texts, then measures."""

    id: str
    dimensions: list[DimensionSpec]
    measures: list[str | MeasureSpec]
    rows: list[list[str | None]]
    name: str = "Custom model"
    description: str = ""


async def admin_answer(request: Request, state: State) -> Response:
    """Answer one admin call.

    Raises:
        Refusal: There is no such path, or the body does not fit.
    """
    path = request.scope["path"].removeprefix(ADMIN)
    body = await request.body()
    try:
        answer = _act(state, request.method, path, body, request.query_params)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refusal(400, f"The admin call was not understood: {error}") from None
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _act(state: State, method: str, path: str, body: bytes, query: Mapping[str, str]) -> object:
    """Do what an admin call asks for; return what to show."""
    if method == "GET" and path.startswith("/rows/"):
        return _oracle(state, path.removeprefix("/rows/"), query.get("filter"))
    calls: dict[tuple[str, str], Callable[[], object]] = {
        ("GET", "/log"): state.journal.report,
        ("POST", "/reset"): state.reset,
        ("POST", "/revoke"): lambda: {"revoked": state.tokens.revoke()},
        ("GET", "/settings"): lambda: state.settings,
        ("POST", "/settings"): lambda: _set(state, body),
        ("GET", "/faults"): lambda: state.faults.rules,
        ("POST", "/faults"): lambda: _add_faults(state, body),
        ("DELETE", "/faults"): state.faults.clear,
        ("POST", "/models"): lambda: _add_model(state, body),
    }
    call = calls.get((method, path))
    if call is None:
        raise Refusal(404, f"There is no admin call {method} {path}")
    return call()


def _set(state: State, body: bytes) -> object:
    """Merge switches in."""
    state.settings = merge(state.settings, msgspec.json.decode(body, type=dict[str, object]))
    return state.settings


def _add_faults(state: State, body: bytes) -> object:
    """Add rules to those in force."""
    state.faults.rules += msgspec.json.decode(body, type=list[Rule])
    return state.faults.rules


def _add_model(state: State, body: bytes) -> object:
    """Add a model of a test's own; numbers keep the text in which they came."""
    plain, exact = json.loads(body), json.loads(body, parse_float=str, parse_int=str)
    if isinstance(plain, dict):
        plain["rows"] = exact.get("rows")
    spec = msgspec.convert(plain, ModelSpec)
    dimensions = tuple(_dimension(dimension) for dimension in spec.dimensions)
    measures = tuple(_measure(measure) for measure in spec.measures)
    names = [*(each.name for each in dimensions), *(each.name for each in measures)]
    if any(len(row) != len(names) for row in spec.rows):
        raise ValueError(f"every row needs {len(names)} values")
    columns = {name: [row[place] for row in spec.rows] for place, name in enumerate(names)}
    facts = table_of(columns, [measure.name for measure in measures])
    model = Model(
        spec.id, spec.name, spec.description, dimensions, measures, lambda: facts, custom=True
    )
    state.add_model(model)
    return {"id": model.id, "rows": len(spec.rows)}


def _measure(spec: str | MeasureSpec) -> Measure:
    """Make a measure of a name or of its spec."""
    if isinstance(spec, str):
        return Measure(spec)
    usual = Measure(spec.name) if spec.type == "Edm.Decimal" else Measure(spec.name, None, None)
    return Measure(
        spec.name,
        usual.precision if spec.precision is None else spec.precision,
        usual.scale if spec.scale is None else spec.scale,
        spec.type,
        spec.label,
        spec.exception,
    )


def _dimension(spec: DimensionSpec) -> Dimension:
    """Make a dimension of its spec."""
    return Dimension(
        spec.name,
        spec.role,
        tuple(_member(member) for member in spec.members),
        spec.hierarchy,
        spec.label,
        tuple(spec.attributes),
    )


def _member(spec: str | dict[str, str | None]) -> Member:
    """Make a member of an id or of an object; what is no column of every member is an attribute."""
    if isinstance(spec, str):
        return Member(spec, spec)
    rest = {k: v for k, v in spec.items() if k not in {"id", "description", "parent"}}
    return Member(spec.get("id") or "", spec.get("description") or "", spec.get("parent"), rest)


def _oracle(state: State, name: str, condition: str | None) -> object:
    """Return the raw rows of a model as text, so that a test can add them up by itself."""
    model = state.models.get(name)
    if model is None:
        raise Refusal(404, f"There is no model {name}")
    rows = model.facts.where(parse_filter(condition) if condition else None)
    columns = [column.take(rows).texts() for column in model.facts.columns]
    return {
        "columns": [column.name for column in model.facts.columns],
        "rows": list(zip(*columns, strict=True)),
    }
