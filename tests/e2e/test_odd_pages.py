"""Tenants that page, count, add up and link oddly: the right series, or an error that helps.

A running service asks a stub of a tenant over real sockets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.errors import SECRET_VARIABLE
from app.sac_connector.filters import literal
from tests.e2e.stub_tenant import (
    ROWS,
    Answer,
    Asked,
    Row,
    StubModel,
    StubTenant,
    page,
    paged,
    token,
)
from tests.service_process import running_service

BOTH = ("FactData", "FactDataAggregation")
NONE = page([])
# The last digit of a double more or less.
SHIFT = 2.0**-52


@dataclass(frozen=True)
class Oddity:
    """A tenant that is odd in one way, and what a refresh must make of it.

    Attributes:
        answer: What it answers to requests for rows.
        words: Part of the error; None if the whole series is to arrive.
        most: Requests for rows, at the most.
        told: Parts of the report.
        keys: Keys of the dataset.
        sets: The entity sets of the model.
        type: The type of the measure.
        rows: What the series is to hold.
        verify: Whether both ways are compared.
    """

    answer: Answer
    words: str | None = None
    most: int = 12
    told: Mapping[str, object] = field(default_factory=dict)
    keys: Mapping[str, object] = field(default_factory=dict)
    sets: Sequence[str] = ("FactData",)
    type: str = "Edm.Decimal"
    rows: Sequence[Row] = ROWS
    verify: bool = False


def scripted(step: Callable[[int], Mapping[str, Any]], count: int | None = 24) -> Answer:
    """Answer the n-th link with the n-th page, the probe with a count, and `$skip` with nothing."""

    def answer(asked: Asked) -> Mapping[str, Any] | None:
        if asked.entity_set != "FactData":
            return paged(asked)
        if asked.probes:
            return None if count is None else page([], count=count)
        return NONE if "$skip" in asked.options else step(asked.place)

    return answer


def tens(number: int, link: int | None = None) -> Row:
    """Return ten rows, or what is left of them, and the link to a page."""
    return page(ROWS[10 * number : 10 * number + 10], token(number + 1 if link is None else link))


def with_holes(number: int) -> Row:
    """Answer with rows, and with pages between them that have none, or not even a list."""
    holes = [page([], token(number + 1)), page(None, token(number + 1))] * 4
    pages = [tens(0), *holes, page(ROWS[10:20], token(number + 1)), *holes, page(ROWS[20:])]
    return pages[number]


def deaf(count: int | None) -> Answer:
    """Cap pages in silence, and answer `$skip` with the first page again."""

    def answer(asked: Asked) -> Mapping[str, Any] | None:
        if asked.probes:
            return None if count is None else page([], count=count)
        return page(ROWS[:12])

    return answer


def counting_its_page(asked: Asked) -> Row:
    """Page as a sane tenant, but count the rows of each answer alone."""
    found = paged(asked)
    return {**found, "@odata.count": len(found["value"])}


def counting_nothing(asked: Asked) -> Row | None:
    """Page as a sane tenant, but refuse the probe."""
    return None if asked.probes else paged(asked)


def heedless(answer: Answer) -> Answer:
    """Leave no row out for `$skip`."""

    def answer_all(asked: Asked) -> Mapping[str, Any] | None:
        options = {name: text for name, text in asked.options.items() if name != "$skip"}
        return answer(replace(asked, options=options))

    return answer_all


def counting(count: int) -> Answer:
    """Page as a sane tenant, but always announce a number of something else."""

    def answer(asked: Asked) -> Row:
        found = paged(asked, 50)
        return {**found, "@odata.count": count} if "$count" in asked.options else found

    return answer


def shaking(*shaken: str, by: float = SHIFT) -> Answer:
    """Add up in another order each time: the last digit of a double changes."""

    def answer(asked: Asked) -> Row:
        found = paged(asked)
        if asked.entity_set in shaken and not asked.probes:
            factor = 1 + by * (-1) ** asked.number
            found["value"] = [{**row, "Amount": row["Amount"] * factor} for row in found["value"]]
        return found

    return answer


SUMS = "FactDataAggregation"
FACTS = {"mode": "facts"}
DOUBLE = "Edm.Double"
ODDITIES = {
    "links behind the last row": Oddity(
        scripted(tens), most=6, told={"proof": "count", "received": 24, "pages": 4}
    ),
    "links behind the last row, no count": Oddity(
        scripted(tens, None), "go on without end: the last 100 brought nothing new, after 24", 110
    ),
    "the last page again and again": Oddity(
        scripted(lambda number: tens(min(number, 2), number + 1), None), "without end", 110
    ),
    "a link back behind the last row": Oddity(
        scripted(lambda number: tens(number, None if number < 2 else 1)), told={"proof": "count"}
    ),
    "a row behind the last row": Oddity(
        scripted(lambda number: tens(number) if number < 3 else page(ROWS[:1], token(number + 1))),
        "announced 24 rows and sent 25: rows came twice",
    ),
    "no ear for $skip": Oddity(deaf(24), "announced 24 rows and sent 36: rows came twice"),
    "no ear for $skip, no count": Oddity(deaf(None), "again whatever is to be left out ($skip)"),
    "no ear for $skip, no count, but links": Oddity(
        heedless(counting_nothing), told={"received": 24, "pages": 3, "proof": "links"}
    ),
    "no ear for $skip, a count of the page": Oddity(
        heedless(counting_its_page), told={"received": 24, "proof": "links"}
    ),
    "pages without rows": Oddity(scripted(with_holes), most=25, told={"pages": 19}),
    "pages without rows, no count": Oddity(
        scripted(with_holes, None), most=25, told={"proof": "entities"}
    ),
    "a cap for good": Oddity(
        scripted(lambda _: page(ROWS[:10])), "announced 24 rows and sent 10: rows are missing"
    ),
    "a lost page": Oddity(
        scripted(lambda number: [tens(0), page([], token(2)), page(ROWS[20:])][number]),
        "announced 24 rows and sent 14: rows are missing",
    ),
    "a count of the page": Oddity(
        counting_its_page, told={"expected": None, "proof": "entities", "moment": "none"}
    ),
    "a count of the page, of sums": Oddity(counting_its_page, sets=BOTH, most=30),
    "a count of the page, of sums and records": Oddity(
        counting_its_page, sets=BOTH, keys=FACTS, most=30, told={"moment": "sums"}
    ),
    "a count of records": Oddity(counting(240), "set trust_count = false", 30, sets=BOTH),
    "a count of records, not trusted": Oddity(
        counting(240), keys={"trust_count": False}, most=20, sets=BOTH,
        told={"expected": None, "proof": "short_page", "moment": "sums"},
    ),
    "a count of nobody knows what": Oddity(counting(7), "announced 7 rows and sent 24"),
    "a count of nobody knows what, not trusted": Oddity(
        counting(7), keys={"trust_count": False}, told={"expected": None}
    ),
    "a cap for good, not trusted": Oddity(
        scripted(lambda _: page(ROWS[:10]), 24), "adds up to other sums", 20,
        keys={"trust_count": False, **FACTS}, sets=BOTH,
    ),
    "sums that shake": Oddity(
        shaking(SUMS), most=40, keys=FACTS, sets=BOTH, type=DOUBLE,
        told={"moment": "sums", "mode": "FactData"},
    ),
    "rows that shake": Oddity(
        shaking(SUMS), most=40, sets=BOTH, type=DOUBLE, told={"moment": "sums", "mode": SUMS}
    ),
    "sums that change": Oddity(
        shaking(SUMS, by=1e-12), "changed while it was read", 90, keys=FACTS, sets=BOTH, type=DOUBLE
    ),
    "decimals that shake": Oddity(
        shaking(SUMS), "changed while it was read", 90, keys=FACTS, sets=BOTH
    ),
    "both ways, shaking": Oddity(shaking(SUMS), most=70, verify=True, sets=BOTH, type=DOUBLE),
}  # fmt: skip


def model_of(name: str) -> str:
    """Return the id of the model that stands for a name."""
    return "C" + "".join(f"{ord(sign):X}" for sign in name)


MEMBERS = ("#", "R&D", "A+B 50%", "%23", "O'Neill", "&$filter=x")
WAYS_TO_WRITE: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "as a browser does": lambda text: quote(text, safe="#&+'$,;/?:@=!*()"),
    "as a form": lambda text: quote(text).replace("%20", "+"),
    "encoded twice": lambda text: quote(quote(text)),
    "as it should be": quote,
}
LINKS = {f"{member} {way}": (member, way) for member in MEMBERS for way in WAYS_TO_WRITE}


def filter_of(name: str) -> str:
    """Return the filter of a dataset whose links hold a member."""
    return f"Region eq {literal(LINKS[name][0])}"


def linking(name: str) -> Oddity:
    """Return a tenant that writes the filter into its links, in one way or another."""
    member, way = LINKS[name]
    written = WAYS_TO_WRITE[way](filter_of(name))
    rows = [{**row, "Region": (member, "other")[place % 2]} for place, row in enumerate(ROWS)]

    def answer(asked: Asked) -> Row:
        found = paged(asked, 5, rows)
        if "@odata.nextLink" in found:
            place = asked.place + 5
            found["@odata.nextLink"] = f"FactData?$filter={written}&$skiptoken={place}"
        return found

    return Oddity(answer, keys={"filter": filter_of(name)}, rows=rows[::2])


# Of these nobody can tell where the value ends.
TWO_FILTERS = {f"&$filter=x {way}" for way in list(WAYS_TO_WRITE)[:2]}
CASES = ODDITIES | {name: linking(name) for name in LINKS}


@pytest.fixture(scope="module")
def stub() -> Iterator[StubTenant]:
    """Serve a model for each oddity."""
    models = {
        model_of(name): StubModel(odd.answer, tuple(odd.sets), odd.type)
        for name, odd in CASES.items()
    }
    with StubTenant(models) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def service(stub: StubTenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run the service with a dataset for each oddity."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "datasets.toml").write_text("".join(map(definition_of, CASES)))
    settings = {
        "SAC_TENANT_URL": stub.url,
        "SAC_TOKEN_URL": f"{stub.url}/oauth/token",
        "SAC_CLIENT_ID": "client",
        SECRET_VARIABLE: "no secret",
        "DATASETS_FILE": "datasets.toml",
        "BREAKER_FAILURES": "0",
        "SAC_PAGE_SIZE": "10",
    }
    with running_service(folder, settings) as client:
        yield client


def definition_of(name: str) -> str:
    """Write a dataset of the file."""
    keys = {
        "model_id": model_of(name),
        "value_column": "Amount",
        "dimensions": ["Region"],
        "allow_mixed": True,
        **CASES[name].keys,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([f"[datasets.{dataset_of(name)}]", *lines, ""])


def dataset_of(name: str) -> str:
    """Return the name of the dataset that stands for a name."""
    return f"d{list(CASES).index(name)}"


def refreshed(service: httpx.Client, name: str) -> httpx.Response:
    """Refresh the dataset of a name."""
    body = {"dataset": dataset_of(name), "verify": CASES[name].verify}
    return service.post("/refresh", json=body)


@pytest.mark.parametrize("name", ODDITIES)
def test_a_pull_is_whole_or_refused_and_ends(
    service: httpx.Client, stub: StubTenant, name: str
) -> None:
    """The series is what the tenant holds, or the error says what is wrong and what to do."""
    odd = CASES[name]
    answer = refreshed(service, name)
    assert len(stub.asked(model_of(name))) <= odd.most
    if odd.words is not None:
        assert odd.words in answer.json()["detail"]
        return
    found = answer.json()
    assert {key: found["report"][key] for key in odd.told} == odd.told
    assert (found["report"]["tolerance"] is None) == (odd.type != DOUBLE)
    assert found["warning"] is None
    assert series_of(service, name) == [
        (*key, pytest.approx(value, rel=1e-15)) for *key, value in in_plain_words(odd.rows)
    ]
    # What shakes has not changed when it is read again.
    assert refreshed(service, name).json()["warning"] is None


def series_of(service: httpx.Client, name: str) -> list[tuple[str, str, float]]:
    """Return the points that are served."""
    answer = service.get("/series", params={"dataset": dataset_of(name), "sort": "date"})
    points = answer.json()["points"]
    return [(point["date"], point["dim_region"], point["value"]) for point in points]


def in_plain_words(rows: Sequence[Row]) -> list[tuple[str, str, float]]:
    """Return the points that rows stand for."""
    return [
        (f"{row['Date'][:4]}-{row['Date'][4:]}-01", row["Region"], row["Amount"]) for row in rows
    ]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_never_asks_for_other_data(
    service: httpx.Client, stub: StubTenant, name: str
) -> None:
    """However a link writes the filter, the filter is what arrives; or the link is refused."""
    answer = refreshed(service, name)
    arrived = {asked.options["$filter"] for asked in stub.asked(model_of(name))}
    assert arrived == {filter_of(name)}
    if name in TWO_FILTERS:
        assert answer.json()["code"] == "unsafe_link"
        return
    assert series_of(service, name) == in_plain_words(CASES[name].rows)
