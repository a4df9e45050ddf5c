"""The Data Export Service: what stands under `/api/v1/dataexport`."""

import re
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from demo.tenant import metadata
from demo.tenant.call import BASE, Call
from demo.tenant.errors import Refusal
from demo.tenant.filters import QueryError, UnpreparedError
from demo.tenant.models import AGGREGATION, EntitySet, Model
from demo.tenant.odata import split_query
from demo.tenant.rows import page_of_rows
from demo.tenant.tracking import list_subscriptions, page_of_changes, write_subscriptions

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
        return "subscription" if "Subscriptions" in tail else "catalogue"
    if name in {"FactData", AGGREGATION}:
        query = unquote(raw_query)
        return "count" if "$count=true" in query and re.search(r"\$top=0(?:&|$)", query) else "page"
    return "master" if "Master" in name else "service"


def export_answer(call: Call) -> Response:
    """Answer one call below the base.

    Raises:
        Refusal: The request is refused.
    """
    if len(call.raw_query) > call.settings.max_url_bytes:
        raise Refusal(414, "The address is too long")
    try:
        return _route(call) if call.request.method == "GET" else write_subscriptions(call)
    except UnpreparedError:
        raise Refusal(500, "The query could not be prepared by the database [1205]") from None
    except QueryError as error:
        raise Refusal(400, str(error)) from None


def _route(call: Call) -> Response:
    """Find what a path means."""
    tail = call.tail
    if tail == "/administration/$metadata":
        return _xml(metadata.administration_edmx())
    _refuse_accept(call.request)
    if tail == "/administration/Namespaces":
        return _json({"@odata.context": "$metadata#Namespaces", "value": [{"NamespaceID": "sac"}]})
    if found := _PROVIDERS.fullmatch(tail):
        return _providers(call, found[1])
    if listed := list_subscriptions(call):
        return listed
    found = _PROVIDER.fullmatch(tail)
    if found is None or found[3] is None:
        raise Refusal(404, "There is no such endpoint [1305]")
    model = call.state.models.get(found[2]) if found[1] == "sac" else None
    if model is None:
        raise Refusal(404, f"There is no provider {found[2]} in namespace {found[1]}")
    return _of_model(call, model, found[3])


def _of_model(call: Call, model: Model, name: str) -> Response:
    """Answer below the address of a model."""
    if name == "":
        return _service_document(call, model)
    if name == "$metadata":
        return _metadata(call, model)
    if name.endswith("/$count"):
        raise Refusal(406, "A count is asked for with $count=true, not with a path segment")
    entity = _find_set(call, model, name)
    place, options = call.begun()
    delta = options.delta_id is not None or options.external_id is not None
    if delta and call.settings.track_changes:
        return page_of_changes(call, model, entity, place, options)
    return page_of_rows(call, model, entity, place, options)


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


def _providers(call: Call, namespace: str) -> Response:
    """List the models; `$top` and its like are taken and ignored."""
    split_query(call.raw_query, refuse_plus=call.settings.strict_plus)
    if namespace != "sac":
        raise Refusal(404, f"There is no namespace {namespace}")
    value = [
        {
            "ProviderID": model.id,
            "ProviderName": model.name,
            "NamespaceID": "sac",
            "Description": model.description,
            "ServiceURL": f"{call.origin}{BASE}/providers/sac/{model.id}/",
        }
        for model in call.state.models.values()
    ]
    return _json({"@odata.context": "$metadata#Providers", "value": value})


def _service_document(call: Call, model: Model) -> Response:
    """List the sets of a model."""
    names = [name for name in model.sets if call.settings.aggregation or name != AGGREGATION]
    value = [{"name": name, "url": name} for name in names]
    return _json({"@odata.context": "$metadata", "value": value})


def _metadata(call: Call, model: Model) -> Response:
    """Describe a model as XML, or as CSDL JSON when `$format` asks for it."""
    options = split_query(call.raw_query, refuse_plus=call.settings.strict_plus)
    sets = metadata.described_sets(
        model,
        aggregation=call.settings.aggregation,
        masters=call.settings.masters_in_metadata,
    )
    if options.get("$format", "xml").lower() in {"json", "application/json"}:
        return _json(metadata.csdl(model, sets))
    return _xml(metadata.edmx(model, sets))


def _find_set(call: Call, model: Model, name: str) -> EntitySet:
    """Return a set of a model.

    Raises:
        Refusal: The model has no such set.
    """
    entity = model.sets.get(name)
    if entity is not None and (call.settings.aggregation or not entity.grouped):
        return entity
    column = name.removesuffix("___Distinct")
    if column != name and column in model.keys:
        return model.distinct(column)
    dimension = name.removesuffix("MasterWithHierarchy")
    if dimension != name and dimension in model.keys:
        raise Refusal(400, f"The dimension {dimension} has no hierarchy")
    status = call.settings.unknown_set_status
    if name == "AuditData":
        raise Refusal(status, "The data audit of this model is not switched on [3905]")
    raise Refusal(status, f"The model has no entity set named {name} [3707]")
