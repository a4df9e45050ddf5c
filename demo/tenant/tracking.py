"""Delta over HTTP: the pages of a delta read, the administration of subscriptions, CSRF tokens."""

import re
import secrets
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from demo.tenant import pages
from demo.tenant.call import BASE, Call
from demo.tenant.delta import Changes, Key, Subscription, Wish, differences
from demo.tenant.errors import Refusal
from demo.tenant.filters import parse_filter
from demo.tenant.models import AGGREGATION, FACTS, EntitySet, Model
from demo.tenant.odata import Options, parse_select, split_query
from demo.tenant.pages import Place
from demo.tenant.rows import check, chosen, wish_of
from demo.tenant.tables import Table

SUBSCRIPTIONS = "/administration/Subscriptions"

_OF_PROVIDER = re.compile(
    r"/administration/Providers\(NamespaceID='sac',ProviderID='([^']*)'\)/Subscriptions/?"
)
_ONE = re.compile(
    r"/administration/Subscriptions"
    r"\(NamespaceID='sac',ProviderID='([^']*)',SubscriptionID='([^']*)'\)"
)


def page_of_changes(
    call: Call, model: Model, entity: EntitySet, place: Place, options: Options
) -> Response:
    """Answer with one page of a delta read; the last one carries the link to the next read."""
    link = _link_read(call, model, entity, place, options)
    changes = link.changes or Changes((model.facts, model.facts.where(None)[:0]))
    part = pages.window(options, call.settings, place.offset, changes.total)
    body = pages.envelope(
        f"$metadata#{entity.name}",
        _elements(call, entity, link.wish, changes, part),
        part.stop - part.start,
        call.settings,
        links=call.links(place, part, changes.total, link.id),
    )
    return Response(body, media_type="application/json")


def _elements(
    call: Call, entity: EntitySet, wish: Wish, changes: Changes, part: pages.Window
) -> bytes:
    """Write a part of the changes: first the rows as they are now, then what is gone."""
    table, rows = changes.view
    shown = pages.json_rows(
        [table.by_name[name] for name in wish.names],
        rows[part.start : part.stop],
        quoted=call.settings.numbers_as_strings,
    )
    gone = changes.gone[max(0, part.start - len(rows)) : max(0, part.stop - len(rows))]
    keys = _keys(entity, wish)
    return b",".join(filter(None, [shown, *(_deleted(entity, keys, key) for key in gone)]))


def _deleted(entity: EntitySet, names: tuple[str, ...], key: Key) -> bytes:
    """Write the element that stands for a key without records."""
    pairs = (
        f"{name}='{(value or '').replace(chr(39), chr(39) * 2)}'"
        for name, value in zip(names, key, strict=True)
    )
    context = f"$metadata#{entity.name}/$deletedEntity"
    return msgspec.json.encode(
        {"@odata.context": context, "id": f"{entity.name}({','.join(pairs)})"}
    )


def _keys(entity: EntitySet, wish: Wish) -> tuple[str, ...]:
    """Return the columns that tell two elements apart."""
    return tuple(name for name in wish.names if name not in entity.measures)


def _link_read(
    call: Call, model: Model, entity: EntitySet, place: Place, options: Options
) -> Subscription:
    """Return the link of the chain that this page belongs to; a first page adds it."""
    book = call.state.subscriptions
    if place.subscription:
        return _alive(call, book.get(place.subscription))
    previous = _alive(call, _previous(call, model, entity, options))
    if (previous.wish.model, previous.wish.entity) != (model.id, entity.name):
        raise Refusal(404, "The delta link belongs to another set")
    if options.delta_id and book.followed(previous) and not call.settings.delta_reread:
        raise Refusal(410, "The delta link has been used")
    facts, wish = model.facts, previous.wish

    def compare(baseline: Table | None) -> Changes:
        after = chosen(call, model, entity, wish, facts)
        if baseline is None:
            return Changes(after)
        before = chosen(call, model, entity, wish, baseline)
        return differences(before, after, wish.names, _keys(entity, wish))

    return book.follow(previous, facts, compare)


def _previous(call: Call, model: Model, entity: EntitySet, options: Options) -> Subscription | None:
    """Return the link from which a read starts; a name of the caller's own may begin a chain."""
    book = call.state.subscriptions
    if options.delta_id is not None:
        return book.get(options.delta_id)
    external = options.external_id or ""
    found = book.latest(model.id, external)
    if found is None and call.tracks_changes:
        check(call.settings, entity, options)
        wish = wish_of(call, model, entity, options)
        wish.texts["ExternalID"] = external
        return book.begin(wish, None)
    return found


def _alive(call: Call, link: Subscription | None) -> Subscription:
    """Return a subscription that can still be read.

    Raises:
        Refusal: There is none, or it is too old.
    """
    if link is None:
        raise Refusal(404, "There is no such subscription")
    if link.older_than(call.settings.delta_retention_s):
        raise Refusal(410, "The subscription has expired")
    return link


def fetch_csrf(call: Call) -> Response:
    """Answer at the address that hands out CSRF tokens."""
    headers: dict[str, str] = {}
    if call.request.headers.get("x-csrf-token", "").lower() == "fetch":
        headers["x-csrf-token"] = secrets.token_hex(16)
        call.state.csrf_tokens.add(headers["x-csrf-token"])
    return Response(None, headers=headers)


def list_subscriptions(call: Call) -> Response | None:
    """List the subscriptions of the tenant or of a model; `None` for any other address."""
    found = _OF_PROVIDER.fullmatch(call.tail)
    if found is None and call.tail.rstrip("/") != SUBSCRIPTIONS:
        return None
    links = call.state.subscriptions.all(found[1] if found else None)
    value = [link.record(_service(call)) for link in links]
    return _answer({"@odata.context": "$metadata#Subscriptions", "value": value})


def write_subscriptions(call: Call) -> Response:
    """Make or delete subscriptions; nothing else can be written.

    Raises:
        Refusal: The CSRF token is missing, or the call is none of these two.
    """
    if call.request.headers.get("x-csrf-token", "") not in call.state.csrf_tokens:
        raise Refusal(403, "A CSRF token is needed", {"x-csrf-token": "required"})
    if call.request.method == "POST" and call.tail.rstrip("/") == SUBSCRIPTIONS:
        return _subscribe(call)
    found = _ONE.fullmatch(call.tail)
    if call.request.method == "DELETE" and found:
        return _unsubscribe(call, found[1], found[2])
    raise Refusal(405, "The export service is read with GET only", {"Allow": "GET"})


class NewSubscription(msgspec.Struct, forbid_unknown_fields=True):
    """The body that asks for a subscription, in the spelling of the service."""

    NamespaceID: str
    ProviderID: str
    EntitySetName: str
    ExternalID: str | None = None
    Filter: str | None = None
    Selection: str | None = None
    Description: str | None = None


def _subscribe(call: Call) -> Response:
    """Begin a chain; its first delta link yields all rows."""
    try:
        asked = msgspec.json.decode(call.body, type=NewSubscription)
    except msgspec.MsgspecError as error:
        raise Refusal(400, f"The subscription was not understood: {error}") from None
    model = call.state.models.get(asked.ProviderID)
    if model is None or asked.NamespaceID != "sac":
        raise Refusal(404, f"There is no provider {asked.ProviderID} in {asked.NamespaceID}")
    if asked.EntitySetName not in {FACTS, AGGREGATION}:
        raise Refusal(400, f"The set {asked.EntitySetName} takes no subscriptions here")
    book = call.state.subscriptions
    if asked.ExternalID and book.latest(model.id, asked.ExternalID):
        raise Refusal(400, f"There is a subscription with the name {asked.ExternalID}")
    link = book.begin(_wish(call, model, asked), None)
    body = {"@odata.context": "$metadata#Subscriptions/$entity", **link.record(_service(call))}
    return _answer(body, HTTPStatus.CREATED)


def _wish(call: Call, model: Model, asked: NewSubscription) -> Wish:
    """Hold what was asked for against the model."""
    entity = model.sets[asked.EntitySetName]
    options = Options(
        select=parse_select(asked.Selection) if asked.Selection else None,
        filter=parse_filter(asked.Filter) if asked.Filter else None,
    )
    names = check(call.settings, entity, options)
    fields = ("ExternalID", "Filter", "Selection", "Description")
    texts = {field: text for field in fields if (text := getattr(asked, field))}
    return Wish(model.id, entity.name, names, options.filter, texts)


def _unsubscribe(call: Call, model: str, name: str) -> Response:
    """Delete one subscription, its chain, those of a set, or all of a model."""
    options = split_query(call.raw_query, refuse_plus=call.settings.strict_plus)
    gone = call.state.subscriptions.drop(
        model,
        name,
        chain=options.get("deleteChain") == "true",
        entity=options.get("deleteEntitySetName"),
    )
    if not gone:
        raise Refusal(404, "There is no such subscription")
    return Response(None, HTTPStatus.NO_CONTENT)


def _service(call: Call) -> str:
    """Return the address under which the models stand."""
    return f"{call.origin}{BASE}/providers/sac"


def _answer(body: object, status: int = HTTPStatus.OK) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")
