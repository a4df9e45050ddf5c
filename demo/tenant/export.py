"""The Data Export Service: what stands under `/api/v1/dataexport`."""

import re
from decimal import Decimal
from urllib.parse import unquote

import msgspec
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from demo.tenant import metadata, pages
from demo.tenant.errors import Refusal
from demo.tenant.filters import QueryError, UnpreparedError, columns_of
from demo.tenant.models import AGGREGATION, EntitySet, Model
from demo.tenant.odata import Options, parse_query, split_query
from demo.tenant.settings import Settings
from demo.tenant.state import State, View
from demo.tenant.tables import Codes, Table

BASE = "/api/v1/dataexport"

_PROVIDERS = re.compile(r"/administration/Namespaces\((?:NamespaceID=)?'([^']*)'\)/Providers/?")
_PROVIDER = re.compile(r"/providers/([^/]+)/([^/]+)(?:/(.*))?")


def kind_of(path: str, raw_query: str) -> str:
    """Name the kind of a request, for faults and counts."""
    if not path.startswith(BASE):
        return "other"
    tail = path.removeprefix(BASE)
    name = tail.rstrip("/").rpartition("/")[2]
    if name == "$metadata":
        return "metadata"
    if tail.startswith("/administration/"):
        return "catalogue"
    if name in {"FactData", AGGREGATION}:
        query = unquote(raw_query)
        return "count" if "$count=true" in query and re.search(r"\$top=0(?:&|$)", query) else "page"
    return "master" if "Master" in name else "service"


def export_answer(request: Request, state: State) -> Response:
    """Answer one GET below the base.

    Raises:
        Refusal: The request is refused.
    """
    tail = request.scope["path"].removeprefix(BASE)
    raw_query = request.scope["query_string"].decode("latin-1")
    if len(raw_query) > state.settings.max_url_bytes:
        raise Refusal(414, "The address is too long")
    try:
        return _route(request, state, tail, raw_query)
    except UnpreparedError:
        raise Refusal(500, "The query could not be prepared by the database [1205]") from None
    except QueryError as error:
        raise Refusal(400, str(error)) from None


def _route(request: Request, state: State, tail: str, raw_query: str) -> Response:
    """Find what a path means."""
    if tail == "/administration/$metadata":
        return _xml(metadata.administration_edmx())
    _refuse_accept(request)
    if tail == "/administration/Namespaces":
        return _json({"@odata.context": "$metadata#Namespaces", "value": [{"NamespaceID": "sac"}]})
    if found := _PROVIDERS.fullmatch(tail):
        return _providers(request, state, found[1], raw_query)
    found = _PROVIDER.fullmatch(tail)
    if found is None or found[3] is None:
        raise Refusal(404, "There is no such endpoint [1305]")
    model = state.models.get(found[2]) if found[1] == "sac" else None
    if model is None:
        raise Refusal(404, f"There is no provider {found[2]} in namespace {found[1]}")
    if found[3] == "":
        return _service_document(state, model)
    if found[3] == "$metadata":
        return _metadata(state, model, raw_query)
    if found[3].endswith("/$count"):
        raise Refusal(406, "A count is asked for with $count=true, not with a path segment")
    return _rows(request, state, model, found[3])


def _refuse_accept(request: Request) -> None:
    """Refuse a caller that takes no JSON; metadata is XML whatever the caller takes."""
    if request.scope["path"].endswith("$metadata"):
        return
    ranges = request.headers.get("accept", "*/*").split(",")
    for part in ranges:
        name, _, parameters = part.partition(";")
        if name.strip().lower() in {"*/*", "application/*", "application/json"} and not re.search(
            r"\bq=0(?:\.0*)?\s*(?:;|$)", parameters
        ):
            return
    if "$format=" not in unquote(request.scope["query_string"].decode("latin-1")):
        raise Refusal(406, "Only application/json is served here")


def _json(body: object) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(body), media_type="application/json")


def _xml(body: str) -> Response:
    """Answer with XML."""
    return Response(body, media_type="application/xml")


def _origin(request: Request) -> str:
    """Return the scheme and host by which the caller reached the tenant."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _providers(request: Request, state: State, namespace: str, raw_query: str) -> Response:
    """List the models; `$top` and its like are taken and ignored."""
    split_query(raw_query, refuse_plus=state.settings.strict_plus)
    if namespace != "sac":
        raise Refusal(404, f"There is no namespace {namespace}")
    value = [
        {
            "ProviderID": model.id,
            "ProviderName": model.name,
            "NamespaceID": "sac",
            "Description": model.description,
            "ServiceURL": f"{_origin(request)}{BASE}/providers/sac/{model.id}/",
        }
        for model in state.models.values()
    ]
    return _json({"@odata.context": "$metadata#Providers", "value": value})


def _service_document(state: State, model: Model) -> Response:
    """List the sets of a model."""
    names = [name for name in model.sets if state.settings.aggregation or name != AGGREGATION]
    value = [{"name": name, "url": name} for name in names]
    return _json({"@odata.context": "$metadata", "value": value})


def _metadata(state: State, model: Model, raw_query: str) -> Response:
    """Describe a model as XML, or as CSDL JSON when `$format` asks for it."""
    options = split_query(raw_query, refuse_plus=state.settings.strict_plus)
    wanted = options.get("$format", "xml").lower()
    if wanted in {"json", "application/json"}:
        return _json(metadata.csdl(model, aggregation=state.settings.aggregation))
    return _xml(metadata.edmx(model, aggregation=state.settings.aggregation))


def _find_set(state: State, model: Model, name: str) -> EntitySet:
    """Return a set of a model.

    Raises:
        Refusal: The model has no such set.
    """
    entity = model.sets.get(name)
    if entity is not None and (state.settings.aggregation or not entity.grouped):
        return entity
    dimension = name.removesuffix("MasterWithHierarchy")
    if dimension != name and dimension in model.keys:
        raise Refusal(400, f"The dimension {dimension} has no hierarchy")
    raise Refusal(
        state.settings.unknown_set_status, f"The model has no entity set named {name} [3707]"
    )


def _rows(request: Request, state: State, model: Model, name: str) -> Response:
    """Answer with one page of a set."""
    settings = state.settings
    entity = _find_set(state, model, name)
    raw_query, options, offset = _begun(request, settings)
    names = _check(settings, entity, options)
    table, rows = _view(state, model, entity, options, names)
    part = pages.window(options, settings, offset, len(rows))
    rows = _unsettled(settings, options, table, rows)
    columns = [table.by_name[name] for name in names]
    cut = rows[part.start : part.stop]
    if options.csv:
        return Response(pages.csv_rows(columns, cut, options.delimiter), media_type="text/csv")
    next_link = None
    if part.linked:
        token = pages.make_token(raw_query, offset + len(cut))
        path = request.scope["raw_path"].decode("latin-1")
        next_link = pages.link(settings, _origin(request), path, token)
    body = pages.envelope(
        f"$metadata#{entity.name}",
        pages.json_rows(columns, cut, quoted=settings.numbers_as_strings),
        len(cut),
        settings,
        count=len(rows) if options.count else None,
        next_link=next_link,
    )
    return Response(body, media_type="application/json")


def _unsettled(settings: Settings, options: Options, table: Table, rows: Codes) -> Codes:
    """Return the rows in an order that this call alone has, where none was promised.

    A database that sorts anew for each `$skip` owes nothing to rows that its order does not tell
    apart.
    """
    if options.skip is None:
        return rows
    rng = np.random.default_rng()
    if not options.orderby:
        return rng.permutation(rows) if settings.shuffle_skip else rows
    return table.order(rng.permutation(rows), options.orderby) if settings.shuffle_ties else rows


def _begun(request: Request, settings: Settings) -> tuple[str, Options, int]:
    """Return the query that began a pull, its options, and how many rows of it were served."""
    raw_query = request.scope["query_string"].decode("latin-1")
    options = parse_query(raw_query, refuse_plus=settings.strict_plus)
    if options.skip_token is None:
        return raw_query, options, 0
    raw_query, offset = pages.read_token(options.skip_token)
    return raw_query, parse_query(raw_query, refuse_plus=settings.strict_plus), offset


def _check(settings: Settings, entity: EntitySet, options: Options) -> tuple[str, ...]:
    """Hold a query against the set; return the columns to show.

    Raises:
        Refusal: A column is unknown, a key column is missing, or a literal does not fit its column.
    """
    known = set(entity.columns)
    names = options.select or entity.columns
    used = [*names, *(name for name, _ in options.orderby)]
    used += [name for name, _ in columns_of(options.filter)]
    for name in used:
        if name not in known:
            raise Refusal(400, f"The set {entity.name} has no column {name}")
    missing = [key for key in entity.keys if key not in names]
    if entity.whole_key and missing:
        raise Refusal(400, f"The selection leaves out key columns: {', '.join(missing)} [1402]")
    if entity.grouped and (lost := [name for name, _ in options.orderby if name not in names]):
        raise Refusal(400, f"Ordering needs the column {lost[0]} in the selection")
    _check_count(settings, entity, options)
    _check_literals(entity, options)
    return names


def _check_count(settings: Settings, entity: EntitySet, options: Options) -> None:
    """Refuse a count where the settings say so."""
    if options.count and settings.refuse_count:
        raise Refusal(400, "A count is not available here")
    narrowed = options.select is not None and set(options.select) != set(entity.columns)
    if options.count and narrowed and entity.whole_key and settings.refuse_count_with_select:
        raise Refusal(400, "A count cannot be combined with a selection")


def _check_literals(entity: EntitySet, options: Options) -> None:
    """Refuse a number for a text column and a text for a measure."""
    measures = entity.measures
    for name, value in columns_of(options.filter):
        if value is not None and isinstance(value, Decimal) != (name in measures):
            kind = "a number" if name in measures else "a quoted text"
            raise Refusal(400, f"The column {name} is compared with {kind} only")


def _view(
    state: State, model: Model, entity: EntitySet, options: Options, names: tuple[str, ...]
) -> View:
    """Return the rows of a query in their order, from the cache if a page asked for them before.

    A filter acts on the stored records, also where they are summed afterwards.
    """

    def make() -> View:
        table = entity.table()
        rows = table.where(options.filter)
        if entity.grouped:
            table = table.group(rows, names)
            rows = table.where(None)
        return table, table.order(rows, options.orderby)

    key = (model, model.revision, entity.name, options.filter, options.orderby)
    return state.views.get((*key, names) if entity.grouped else key, make)
