"""Numbers and dates of every kind on the running service: read exactly, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import httpx
import pytest

from tests.service_process import running_service, settings_for
from tests.simulated_tenant import Cell, SimulatedTenant

MONTHS = [f"{year}{month:02}" for year in (2023, 2024) for month in range(1, 13)]
GRAINS = ("day", "week", "month", "quarter")
# Each of these ended the process, or was published as something else.
FATAL = ["1E-9999999", "9" * 60 + "e-7969", "1e-325", "0." + "0" * 400 + "1", "1e309"]
HELD = [
    "2.220446049250313E-16",
    "1e-222",
    "5e-324",
    "1.7976931348623157e308",
    "-1e36",
    "0E-9999999",
]
NEGATIVE = "-1.7976931348623157e308"


def definition(name: str, more: str) -> str:
    """Return a dataset of a model of its own.

    Each test puts other rows in the place of those before, and that is not to be warned of.
    """
    return (
        f'[datasets.{name}]\nmodel_id = "C{name.upper()}"\ndate_column = "Date"\n'
        f'value_column = "Amount"\ndimensions = ["Region"]\ndrift_warn = []\n{more}\n'
    )


DATASETS = "".join(
    [
        definition("facts", 'mode = "facts"'),
        definition("sums", 'mode = "aggregates"'),
        definition("named", 'date_attribute = "START"'),
        *(definition(grain, f'grain = "{grain}"') for grain in GRAINS),
    ]
)


@pytest.fixture(scope="module")
def own_tenant() -> Iterator[SimulatedTenant]:
    """A tenant of this module."""
    with SimulatedTenant(rows=1) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, own_tenant: SimulatedTenant
) -> Iterator[httpx.Client]:
    """One service for all tests of this module: none of them may end it."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "datasets.toml").write_text(DATASETS)
    settings = {
        "DATASETS_FILE": "datasets.toml",
        "REFRESH_MAX_SHRINK": "1",
        "BREAKER_FAILURES": "0",
    }
    with running_service(folder, settings_for(own_tenant, **settings)) as client:
        yield client


def put(tenant: SimulatedTenant, dataset: str, rows: Sequence[Sequence[Cell]]) -> None:
    """Let the model of a dataset hold rows: date, region, amount."""
    tenant.clear_faults()
    date = {"name": "Date", "role": "date", "attributes": ["START"]}
    model = f"C{dataset.upper()}"
    tenant.add_model(model, dimensions=[date, "Region"], measures=["Amount"], rows=rows)  # type: ignore[list-item]


def refreshed(service: httpx.Client, dataset: str) -> dict[str, Any]:
    """Refresh a dataset, and return the answer; the service must be alive after it."""
    told = service.post("/refresh", json={"dataset": dataset, "force": True}).json()
    assert service.get("/health/live").status_code == 200
    return dict(told)


def refusal(told: dict[str, Any]) -> tuple[str, str]:
    """Return code and words of a refresh that failed, whether or not there is older data."""
    if "status" in told and told["status"] == "stale":
        return told["warning_code"], told["warning"]
    return told["code"], told["detail"]


def points(service: httpx.Client, dataset: str) -> dict[str, float]:
    """Return the values that are published, by date."""
    found = service.get("/series", params={"dataset": dataset}).json()["points"]
    return {point["date"]: point["value"] for point in found}


@pytest.mark.parametrize("dataset", ["facts", "sums"])
@pytest.mark.parametrize("text", FATAL)
def test_a_number_that_no_double_holds_is_refused_by_its_place(
    service: httpx.Client, own_tenant: SimulatedTenant, dataset: str, text: str
) -> None:
    """Page, row, column and what was found are named, and the service lives on."""
    put(own_tenant, dataset, [[month, "EMEA", 1] for month in MONTHS])
    own_tenant.fault("not_json_value", match="page", times=None, column="Amount", value=text)
    told = refreshed(service, dataset)
    code, words = refusal(told)
    assert code == "bad_value"
    assert "Page 1, row " in words
    assert f", column 'Amount': found '{text[:12]}" in words
    assert f"{text[-6:]}' instead of a finite number" in words


@pytest.mark.parametrize("dataset", ["facts", "sums"])
def test_whatever_a_double_holds_is_published_as_it_is(
    service: httpx.Client, own_tenant: SimulatedTenant, dataset: str
) -> None:
    """The smallest and the largest numbers reach the reader to the last digit."""
    put(own_tenant, dataset, [[month, "EMEA", 1] for month in MONTHS])
    own_tenant.fault("not_json_value", match="page", times=None, column="Amount", value=HELD[0])
    told = refreshed(service, dataset)
    assert (told["freshness"]["state"], told["warning"]) == ("fresh", None)
    assert set(points(service, dataset).values()) == {1.0, float(HELD[0])}
    if dataset == "facts":
        put(own_tenant, dataset, [[m, "EMEA", t] for m, t in zip(MONTHS, HELD, strict=False)])
        assert refreshed(service, dataset)["warning"] is None
        assert list(points(service, dataset).values()) == [float(text) for text in HELD]


def test_sums_of_any_numbers_do_not_depend_on_their_order(
    service: httpx.Client, own_tenant: SimulatedTenant
) -> None:
    """A double would lose the small ones in some orders and overflow in others."""
    texts = [HELD[0], HELD[3], NEGATIVE, "0.1"]
    states = set()
    for order in permutations(texts):
        put(own_tenant, "facts", [["202401", "EMEA", text] for text in order])
        told = refreshed(service, "facts")
        states.add(told["metadata"]["content_hash"])
        assert points(service, "facts") == {"2024-01-01": 0.1 + 2.220446049250313e-16}
    assert len(states) == 1


def test_values_that_add_up_to_more_than_a_double_holds_are_named(
    service: httpx.Client, own_tenant: SimulatedTenant
) -> None:
    """Their date and members are named, and nothing infinite is published."""
    put(own_tenant, "facts", [["202401", "EMEA", HELD[3]]] * 2)
    told = refreshed(service, "facts")
    code, words = refusal(told)
    assert code == "data_error"
    assert "The values of 2024-01-01, EMEA add up to more than a double holds" in words


@pytest.mark.parametrize(
    ("grain", "text", "day"),
    [
        ("month", "2024-02-01T00:00:00", "2024-02-01"),
        ("month", "2024-02-01 00:00:00.000", "2024-02-01"),
        ("month", "2024-02-01T00:00:00Z", "2024-02-01"),
        ("month", "/Date(1706745600000)/", "2024-02-01"),
        ("month", "202402 ", "2024-02-01"),
        ("month", "2024-02", "2024-02-01"),
        ("day", "2024-02-15T00:00:00+01:00", "2024-02-15"),
        ("quarter", "2024Q2", "2024-04-01"),
        ("quarter", "2024-q3", "2024-07-01"),
        ("quarter", "Q4.2024", "2024-10-01"),
        ("week", "2024W05", "2024-01-29"),
        ("week", "2024-w07", "2024-02-12"),
    ],
)
def test_a_date_that_means_one_thing_is_read(
    service: httpx.Client, own_tenant: SimulatedTenant, grain: str, text: str, day: str
) -> None:
    """Beside a date of the usual form none of the values is lost, and nothing is warned of."""
    usual = {"day": "20240110", "week": "202402", "month": "202401", "quarter": "20241"}[grain]
    put(own_tenant, grain, [[usual, "EMEA", 1], [text, "EMEA", 2], ["0000-00-00", "EMEA", 4]])
    told = refreshed(service, grain)
    assert (told["freshness"]["state"], told["warning"]) == ("fresh", None)
    assert told["metadata"]["skipped"] == {"date_unused": 1}
    found = points(service, grain)
    assert (len(found), found[day]) == (2, 2.0)


@pytest.mark.parametrize(
    ("grain", "text", "words"),
    [
        ("month", "202413", "is a week (YYYYWW)"),
        ("month", "2024-Q3", "is a quarter (YYYYQ)"),
        ("month", "FY24P01", "has no form that can mean one thing only"),
        ("month", "2024001", "has no form that can mean one thing only"),
        ("month", "01.02.2024", "has no form that can mean one thing only"),
        ("day", "2024-01-31T23:00:00Z", "is a moment with a time zone"),
        ("week", "2024-W54", "names no period that exists"),
    ],
)
def test_a_date_that_may_mean_several_things_is_refused_by_its_place(
    service: httpx.Client, own_tenant: SimulatedTenant, grain: str, text: str, words: str
) -> None:
    """No record is dropped: page, row, column and the date are named."""
    usual = {"day": "20240110", "week": "202402", "month": "202401"}[grain]
    put(own_tenant, grain, [[usual, "EMEA", 1], [text, "EMEA", 2]])
    told = refreshed(service, grain)
    code, said = refusal(told)
    assert code == "grain_mismatch"
    assert "Page 1, row " in said
    assert f", column 'Date': The date '{text}' {words}" in said


def test_records_that_are_left_out_are_warned_of(
    service: httpx.Client, own_tenant: SimulatedTenant
) -> None:
    """The refresh and every reader are told, unless the date is unassigned on purpose."""
    unassigned: list[list[Cell]] = [["#", "EMEA", 9], ["00000000", "EMEA", 9]]
    put(own_tenant, "month", [["202401", "EMEA", 1], *unassigned])
    assert refreshed(service, "month")["warning"] is None
    lost: list[list[Cell]] = [["soon", "EMEA", 9], ["", "EMEA", 9], ["202402", "EMEA", None]]
    put(own_tenant, "month", [["202401", "EMEA", 1], *unassigned, *lost])
    told = refreshed(service, "month")
    read = service.get("/series", params={"dataset": "month"})
    assert told["warning_code"] == read.json()["warning_code"] == "records_skipped"
    assert told["warning"] == read.json()["warning"]
    assert told["warning"].startswith(
        "3 of 6 records are not in the series: 1 without a date, 1 with a date that cannot be "
        "read, 1 without a value."
    )
    assert read.headers["X-Series-Warning-Code"] == "records_skipped"


def members(*dates: str | None) -> list[dict[str, str | None]]:
    """Return periods of a customer, P1 and on, with the dates that their master names."""
    return [{"id": f"P{place + 1}", "START": day} for place, day in enumerate(dates)]


def test_timestamps_of_a_date_attribute_are_read_or_named(
    service: httpx.Client, own_tenant: SimulatedTenant
) -> None:
    """The dates of a master are dates in any form that means one thing; others are the reason."""
    rows: list[list[Cell]] = [["P1", "EMEA", 1], ["P2", "EMEA", 2], ["P3", "EMEA", 4]]

    def told_of(*dates: str | None) -> dict[str, Any]:
        date = {"name": "Date", "role": "date", "attributes": ["START"], "members": members(*dates)}
        own_tenant.add_model(
            "CNAMED",
            dimensions=[date, "Region"],  # type: ignore[list-item]
            measures=["Amount"],
            rows=rows,
        )
        return refreshed(service, "named")

    told = told_of("2024-04-01T00:00:00", "/Date(1714521600000)/", "2024-06-01 00:00:00Z")
    assert (told["freshness"]["state"], told["warning"]) == ("fresh", None)
    assert points(service, "named") == {"2024-04-01": 1.0, "2024-05-01": 2.0, "2024-06-01": 4.0}
    told = told_of("2024-04-01T00:00:00", "2024-05-01T00:00:00", "0000-00-00")
    assert (told["freshness"]["state"], told["warning_code"]) == ("fresh", "records_skipped")
    code, words = refusal(told_of("2024-04-01T00:00:00", "April 2024", None))
    assert code == "grain_mismatch"
    assert "column 'Date', by 'START' of its master: The date 'April 2024' has" in words
