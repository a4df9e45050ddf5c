"""FactDataAggregation: records summed over the selected dimensions, or by exception over time.

Which of the two a tenant does for stocks like head counts and balances is not known, so a switch
decides. By exception, the dates of a group are not summed: the last one counts, or their mean.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Literal

import numpy as np

from demo.tenant.models import Model
from demo.tenant.tables import Codes, Column, Table, View, encode

Value = str | None

_TIMELY = ("LAST", "AVG")
_MEAN_DIGITS = 7


def aggregate(
    model: Model,
    view: View,
    names: Sequence[str],
    *,
    rule: Literal["sum", "exception"],
    digits: int | None,
) -> Table:
    """Return one row for each combination of the dimensions among `names`.

    Args:
        model: Tells which accounts and measures have an exception aggregation.
        view: The records.
        names: The selected columns.
        rule: Whether those exceptions count, or everything is summed.
        digits: Significant digits to which the numbers are rounded; `None` keeps them exact.
    """
    table, rows = view
    timely = rule == "exception" and model.role("date") is not None
    summed = _by_exception(model, view, names) if timely else table.group(rows, names)
    return summed if digits is None else _rounded(summed, digits)


def _rounded(table: Table, digits: int) -> Table:
    """Round every number of a table to some significant digits."""
    context = Context(prec=digits)
    columns: list[Column] = []
    for column in table.columns:
        values = tuple(
            text if number is None else f"{context.plus(number):f}"
            for text, number in zip(column.values, column.decimals, strict=True)
        )
        rounded = Column(column.name, column.codes, values, numeric=True)
        columns.append(rounded if column.numeric else column)
    return Table(tuple(columns), table.length)


def _by_exception(model: Model, view: View, names: Sequence[str]) -> Table:
    """Aggregate each measure by the rules of its records, then join the parts by a sum."""
    table, rows = view
    measures = [name for name in names if table.by_name[name].numeric]
    dimensions = [name for name in names if name not in measures]
    if not measures:
        return table.group(rows, names)
    parts = [
        _part(model, (table, chosen), (*dimensions, measure), rule)
        for measure in measures
        for rule, chosen in _by_rule(model, view, measure)
    ]
    columns: dict[str, list[Value]] = defaultdict(list)
    for part in parts:
        for name in names:
            found = part.by_name.get(name)
            columns[name] += found.texts() if found else [None] * part.length
    encoded = tuple(encode(name, columns[name], numeric=name in measures) for name in names)
    joined = Table(encoded, sum(part.length for part in parts))
    return joined.group(joined.where(None), names)


def _by_rule(model: Model, view: View, measure: str) -> Iterator[tuple[str, Codes]]:
    """Yield the rules for a measure and the records under each; what is no number is summed."""
    table, rows = view
    column = table.by_name[measure]
    counts = np.array([number is not None for number in column.decimals], np.bool_)[column.codes]
    rules = _rules(model, table, measure)
    exempt = np.zeros(table.length, np.bool_)
    for rule in _TIMELY:
        under = (rules == rule) & counts
        exempt |= under
        yield rule, rows[under[rows]]
    yield "", rows[~exempt[rows]]


def _rules(model: Model, table: Table, measure: str) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Return the rule of every record: that of the measure, or else that of its account."""
    own = next(each.exception for each in model.measures if each.name == measure)
    accounts = model.role("account")
    if own or accounts is None:
        return np.full(table.length, own)
    members = next(each.members for each in model.dimensions if each.name == accounts)
    known = {member.id: member.attributes.get("exceptionAggregationType") for member in members}
    column = table.by_name[accounts]
    return np.array([known.get(value or "") or "" for value in column.values])[column.codes]


def _part(model: Model, view: View, names: Sequence[str], rule: str) -> Table:
    """Aggregate one measure, the last of `names`, of records that share a rule."""
    table, rows = view
    *dimensions, measure = names
    if not rule:
        return table.group(rows, names)
    date = model.role("date") or ""
    # Each account has a balance of its own, also where the caller does not ask by account.
    accounts = [account] if (account := model.role("account")) else []
    kept = list(dict.fromkeys([*dimensions, *accounts]))
    dated = table.group(rows, list(dict.fromkeys([*kept, date, measure])))
    values: dict[tuple[Value, ...], dict[str, Decimal]] = defaultdict(dict)
    for key, when, amount in zip(
        dated.records(dated.where(None), kept),
        dated.by_name[date].texts(),
        dated.by_name[measure].texts(),
        strict=True,
    ):
        values[key][when or ""] = Decimal(amount or 0)
    columns = [encode(name, [key[at] for key in values]) for at, name in enumerate(kept)]
    amounts = encode(measure, [over_time(rule, dates) for dates in values.values()], numeric=True)
    balances = Table((*columns, amounts), len(values))
    return balances.group(balances.where(None), names)


def over_time(rule: str, values: dict[str, Decimal]) -> str:
    """Return the value of the last date, or the mean over the dates with a booking."""
    if rule == "LAST":
        return f"{values[max(values)]:f}"
    mean = sum(map(Fraction, values.values()), Fraction(0)) / len(values)
    with localcontext(prec=400):
        return f"{Decimal(round(mean * 10**_MEAN_DIGITS)).scaleb(-_MEAN_DIGITS):f}"
