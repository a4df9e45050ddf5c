"""Rows of a set: what a query may ask, which rows it means, and the page that shows them."""

from decimal import Decimal

import numpy as np
from starlette.responses import Response

from demo.tenant import pages
from demo.tenant.aggregation import aggregate
from demo.tenant.call import Call
from demo.tenant.delta import Wish
from demo.tenant.errors import Refusal
from demo.tenant.filters import columns_of
from demo.tenant.models import AGGREGATION, FACTS, EntitySet, Model
from demo.tenant.odata import Options, split_query
from demo.tenant.pages import Place
from demo.tenant.settings import Settings
from demo.tenant.tables import Codes, Table, View


def page_of_rows(
    call: Call, model: Model, entity: EntitySet, place: Place, options: Options
) -> Response:
    """Answer with one page of a set."""
    settings = call.settings
    names = check(settings, entity, options)
    facts = model.facts
    table, rows = _view(call, model, entity, facts, options)
    part = pages.window(options, settings, place.offset, len(rows))
    rows = _unsettled(settings, options, table, rows)
    columns = [table.by_name[name] for name in names]
    cut = rows[part.start : part.stop]
    if options.csv:
        return Response(pages.csv_rows(columns, cut, options.delimiter), media_type="text/csv")
    tracked = place.subscription
    if not place.offset:
        tracked = _begin_tracking(call, model, entity, facts, options)
    body = pages.envelope(
        f"$metadata#{entity.name}",
        pages.json_rows(columns, cut, quoted=settings.numbers_as_strings),
        len(cut),
        settings,
        count=len(rows) if options.count else None,
        links=call.links(place, part, len(rows), tracked),
    )
    applied = {"Preference-Applied": "odata.track-changes"} if tracked else None
    return Response(body, media_type="application/json", headers=applied)


def _begin_tracking(
    call: Call, model: Model, entity: EntitySet, facts: Table, options: Options
) -> str | None:
    """Subscribe to what changes from now on, if the caller prefers that; return the id."""
    if not call.tracks_changes or options.cut or entity.name not in {FACTS, AGGREGATION}:
        return None
    return call.state.subscriptions.begin(wish_of(call, model, entity, options), facts).id


def wish_of(call: Call, model: Model, entity: EntitySet, options: Options) -> Wish:
    """Return what a subscription for a query is about."""
    written = split_query(call.raw_query, refuse_plus=call.settings.strict_plus)
    fields = {"Filter": "$filter", "Selection": "$select"}
    texts = {field: written[name] for field, name in fields.items() if name in written}
    return Wish(model.id, entity.name, options.select or entity.columns, options.filter, texts)


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


def check(settings: Settings, entity: EntitySet, options: Options) -> tuple[str, ...]:
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


def _view(call: Call, model: Model, entity: EntitySet, facts: Table, options: Options) -> View:
    """Return the rows of a query in their order, from the cache if a page asked for them before."""
    settings = call.settings
    names = options.select or entity.columns

    def make() -> View:
        table, rows = chosen(call, model, entity, wish_of(call, model, entity, options), facts)
        return table, table.order(rows, options.orderby)

    rule = (names, settings.aggregation_rule, settings.aggregation_digits)
    key = (facts, model, entity.name, options.filter, options.orderby)
    table, rows = call.state.views.get((*key, rule) if entity.grouped else key, make)
    return table, _without(rows, call.hidden_groups) if entity.grouped else rows


def chosen(call: Call, model: Model, entity: EntitySet, wish: Wish, facts: Table) -> View:
    """Return the rows of a set that a wish means, in stored order.

    A filter acts on the stored records, also where they are summed afterwards.
    """
    table = entity.table(facts)
    rows = table.where(wish.condition)
    if not entity.grouped:
        return table, rows
    settings = call.settings
    table = aggregate(
        model,
        (table, rows),
        wish.names,
        rule=settings.aggregation_rule,
        digits=settings.aggregation_digits,
    )
    return table, table.where(None)


def _without(rows: Codes, hidden: int) -> Codes:
    """Leave some rows out of the middle, without a trace."""
    middle = max(0, (len(rows) - hidden) // 2)
    return np.delete(rows, slice(middle, middle + hidden)) if hidden else rows
