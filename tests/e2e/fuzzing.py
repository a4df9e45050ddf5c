"""Tenants, data and faults at random, and what is right for them in plain arithmetic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal
from typing import Any, Final

from hypothesis import strategies as st

from app.records import DatasetDefinition, Grain, PullMode, Sign
from tests.simulated_tenant import Dimension, SimulatedTenant

MODEL: Final = "CFUZZ"
COLUMNS: Final = ("Version", "Date", "Region", "Product", "Amount")
EXACT: Final = Context(prec=400)
Row = tuple[str | None, ...]
Series = dict[tuple[date | str, ...], float]

# Few members, so that keys double; and each breaks something that is written without care.
_REGIONS: Final = ("EMEA", "#", "R&D + 50%", "O'Neill", "Zürich/Süd", "", " ", "0000", None)
_PRODUCTS: Final = ("P1", "#", 'a"b\\c', "Rocket 🚀", "%27", "NOT_IN_HIERARCHY", None)
_DATES: Final = ("202401", "202402", "202403", "202412", "202501", "202611")
_UNDATED: Final = ("#", "0000", None, "")
# Where dates are the customer's own: two ids of one day, two days of one month, two without a day.
_OWN_DAYS: Final[dict[str, str | None]] = {
    "202401": "2023-10-01",
    "202402": "2023-10-01",
    "202403": "2023-10-15",
    "202412": None,
    "202501": "",
    "202611": "2026-02-01",
}
_TURNED: Final = {"EMEA": "INC", "R&D + 50%": "LEQ", "": "INC", "Zürich/Süd": "LEQ"}
_VERSIONS: Final = ("public.Actual", "public.My Budget")
_NUMBERS: Final = st.one_of(
    st.integers(-9, 9).map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.sampled_from(["0.0000001", "-98765432109876543210", "0", "123456789012345678.1234567"]),
    st.none(),
)
_ROWS: Final = st.lists(
    st.tuples(
        st.sampled_from(_VERSIONS),
        st.sampled_from((*_DATES, *_DATES, *_UNDATED)),
        st.sampled_from(_REGIONS),
        st.sampled_from(_PRODUCTS),
        _NUMBERS,
    ),
    max_size=40,
)
_SWITCHES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "link": st.sampled_from(["absolute", "root", "service", "none"]),
    "page_cap": st.integers(1, 12),
    "aggregation": st.booleans(),
    "top_disables_link": st.booleans(),
    "oversize_disables_link": st.booleans(),
    "shuffle_ties": st.booleans(),
    "refuse_count": st.booleans(),
    "refuse_count_with_select": st.booleans(),
    "masters_in_metadata": st.booleans(),
    "count_as_string": st.booleans(),
    "entities_as_string": st.booleans(),
    "numbers_as_strings": st.booleans(),
    "lower_case_annotations": st.booleans(),
    "message_as_object": st.booleans(),
    "gzip": st.booleans(),
    "chunked": st.booleans(),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: what goes wrong, and when."""

    kind: str
    match: str
    nth: int
    times: int | None
    arguments: dict[str, Any] = field(default_factory=dict)

    def cause(self, tenant: SimulatedTenant) -> None:
        """Tell the tenant."""
        tenant.fault(self.kind, match=self.match, nth=self.nth, times=self.times, **self.arguments)


_STATUS: Final = st.fixed_dictionaries(
    {"status": st.sampled_from([400, 401, 403, 404, 408, 429, 500, 502, 503, 504])},
    optional={
        "retry_after": st.sampled_from([0, 3, 9999, "soon", "date+5"]),
        "html": st.just("<html>gateway</html>"),
        "text": st.just(""),
    },
)
_ARGUMENTS: Final[dict[str, st.SearchStrategy[dict[str, Any]]]] = {
    "status": _STATUS,
    "html_login": st.just({}),
    "redirect": st.just({}),
    "reset": st.sampled_from([{"at": "start"}, {"at": "middle"}]),
    "truncate": st.just({}),
    "truncate_json": st.just({}),
    "invalid_json": st.just({}),
    "content_type": st.just({"value": "text/plain"}),
    "gzip": st.just({}),
    "slow": st.just({"delay_s": 0.01}),
    "hang": st.just({}),
    "next_link": st.sampled_from(["self", "first", "none", "https://evil.example/"]).map(
        lambda url: {"url": url}
    ),
    "drop_rows": st.integers(1, 3).map(lambda rows: {"rows": rows}),
    "entities": st.sampled_from([None, 0, 10**9]).map(lambda value: {"value": value}),
    "not_json_value": st.sampled_from(["NaN", '"abc"', "[1]", "true", "Infinity"]).map(
        lambda value: {"value": value, "column": "Amount"}
    ),
    "drop_column": st.sampled_from(["Amount", "Date"]).map(lambda column: {"column": column}),
    "revoke": st.just({}),
}
_FAULTS: Final = st.sampled_from(sorted(_ARGUMENTS)).flatmap(
    lambda kind: st.builds(
        Fault,
        st.just(kind),
        st.sampled_from(["any", "page", "page", "count", "metadata", "service", "token"]),
        st.integers(1, 8),
        # What hangs for ever costs real time, whatever is injected.
        st.just(1) if kind == "hang" else st.sampled_from([1, 1, 2, None]),
        _ARGUMENTS[kind],
    )
)
_CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {"added": 1},
    {"added": 3},
    {"removed": 1},
    {"removed": 2, "added": 2},
    {"changed": 1},
    {"changed": 4},
    {"moved": 1},
    {"moved": 2},
)
# Faults that pass, or end a pull, but leave no question of the tenant without its answer.
_LOUD: Final = _FAULTS.filter(
    lambda fault: (
        fault.kind in {"reset", "truncate", "html_login", "redirect", "gzip", "revoke"}
        or fault.arguments.get("status") in {401, 408, 429, 500, 502, 503, 504}
    )
)
_MUTATION: Final = st.builds(
    Fault,
    st.just("mutate"),
    st.sampled_from(["page", "any"]),
    st.integers(1, 10),
    st.just(1),
    st.sampled_from(_CHANGES),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One tenant, its data, what is asked of it, and what goes wrong."""

    rows: list[Row]
    switches: dict[str, Any]
    faults: list[Fault]
    mutation: Fault | None
    dimensions: tuple[str, ...]
    version: str | None
    mode: PullMode
    page_rows: int
    parallel: int
    own_days: bool
    display: bool

    @property
    def definition(self) -> DatasetDefinition:
        """What is pulled."""
        return DatasetDefinition(
            name="fuzz",
            source="sac",
            model_id=MODEL,
            date_column="Date",
            value_column="Amount",
            dimensions=self.dimensions,
            filter=None if self.version is None else f"Version eq '{self.version}'",
            grain=Grain.MONTH,
            mode=self.mode,
            allow_mixed=True,
            sign=Sign.DISPLAY if self.display else Sign.STORED,
            date_attribute="START" if self.own_days else None,
        )

    @property
    def blind(self) -> bool:
        """Whether rows that are worth nothing may go unnoticed: nobody counts them."""
        return self.mutation is not None and bool(self.switches.get("refuse_count"))

    @property
    def hangs(self) -> bool:
        """Whether a request may get no answer."""
        return any(fault.kind == "hang" for fault in self.faults)

    def prepare(self, tenant: SimulatedTenant) -> None:
        """Make the tenant what the case says."""
        tenant.reset()
        tenant.add_model(
            MODEL,
            dimensions=[
                {"name": "Version", "role": "version"},
                self._dates(),
                self._regions(),
                "Product",
            ],
            measures=["Amount"],
            rows=self.rows,
        )
        tenant.settings(**self.switches)
        for fault in (*self.faults, *filter(None, [self.mutation])):
            fault.cause(tenant)

    def _dates(self) -> Dimension:
        if not self.own_days:
            return {"name": "Date", "role": "date"}
        members: list[str | dict[str, str | None]] = [
            {"id": own, "START": day} for own, day in _OWN_DAYS.items()
        ]
        return {"name": "Date", "role": "date", "members": members, "attributes": ["START"]}

    def _regions(self) -> Dimension:
        if not self.display:
            return {"name": "Region"}
        kinds = {text: _TURNED.get(text, "EXP") for text in _REGIONS if text is not None}
        members: list[str | dict[str, str | None]] = [
            {"id": text, "accType": kind} for text, kind in kinds.items()
        ]
        return {"name": "Region", "role": "account", "members": members}

    def _month(self, text: str | None) -> date | None:
        """Return the month of a date id; None if it has none."""
        day = _OWN_DAYS.get(str(text)) if self.own_days else text
        if text in _UNDATED or not day:
            return None
        digits = day.replace("-", "")
        return date(int(digits[:4]), int(digits[4:6]), 1)

    def right(self, rows: Sequence[Row]) -> Series:
        """Add up rows in plain arithmetic."""
        sums: dict[tuple[date | str, ...], Decimal] = defaultdict(Decimal)
        for row in rows:
            cells = dict(zip(COLUMNS, row, strict=True))
            month, amount = self._month(cells["Date"]), cells["Amount"]
            if self.version not in {None, cells["Version"]} or month is None or amount is None:
                continue
            members = ["#" if cells[name] is None else str(cells[name]) for name in self.dimensions]
            key: tuple[date | str, ...] = (month, *members)
            turned = self.display and cells["Region"] in _TURNED
            sums[key] = EXACT.add(sums[key], -Decimal(amount) if turned else Decimal(amount))
        return {key: float(total) for key, total in sums.items()}


def _case(change: Fault | None, faults: list[Fault], switches: dict[str, Any], **rest: Any) -> Case:  # noqa: ANN401 - drawn by name
    """Put a case together; a change can be noticed only where the tenant adds up."""
    switches = {**switches, "aggregation": True} if change else switches
    return Case(mutation=change, faults=faults, switches=switches, **rest)


CASES: Final = st.one_of(
    st.tuples(st.none(), st.lists(_FAULTS, max_size=3)),
    st.tuples(_MUTATION, st.lists(_LOUD, max_size=2)),
).flatmap(
    lambda wrong: st.builds(
        _case,
        st.just(wrong[0]),
        st.just(wrong[1]),
        st.fixed_dictionaries({}, optional=_SWITCHES),
        rows=_ROWS,
        dimensions=st.lists(st.sampled_from(["Region", "Product", "Version"]), unique=True).map(
            tuple
        ),
        version=st.sampled_from([None, *_VERSIONS]),
        mode=st.sampled_from(PullMode),
        page_rows=st.integers(1, 12),
        parallel=st.integers(1, 4),
        own_days=st.booleans(),
        display=st.booleans(),
    )
)
