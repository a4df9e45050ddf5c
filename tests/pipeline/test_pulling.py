"""Pulls: begun anew when the data moves, narrowed to a window, or compared both ways."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

import pytest

from app.errors import (
    CacheMissingError,
    DataChangedError,
    EmptyPullError,
    GrainError,
    ModelNotFoundError,
    SourceAnswerError,
)
from app.pipeline.pulling import RESTARTS
from app.pipeline.refresh import RefreshService
from app.records import (
    DatasetDefinition,
    Grain,
    PullMode,
    RefreshOptions,
    RefreshStatus,
    TimeAggregation,
    Window,
)
from tests.fakes import FakeCache, FakeCatalogue, FakeClock, FakeTable, a_definition, a_standing

FULL = RefreshOptions(full=True)
VERIFY = RefreshOptions(verify=True)
HISTORY = [
    ("202607", "EMEA", "Bike", "1"),
    ("202608", "EMEA", "Bike", "2.5"),
    ("202609", "APJ", "Bike", "3"),
    ("202610", "EMEA", "Bike", "4"),
    ("202611", "EMEA", "Bike", "5"),
    ("#", "EMEA", "Bike", "9"),
]
CHANGED = DataChangedError("It changed.", expected_rows=1, received_rows=2)


class Bench:
    """A refresh service over a table of records, on 21 November 2026."""

    def __init__(self, window: Window | None = None, *, attribute: str | None = None) -> None:
        self.table = FakeTable(HISTORY)
        self.cache = FakeCache()
        self.definition = replace(a_definition(), window=window, date_attribute=attribute)
        self.service = self.serving()

    def serving(self) -> RefreshService:
        """Return a service for the definition as it is now."""
        return RefreshService(
            FakeCatalogue(self.definition),
            MappingProxyType({"sac": self.table}),
            self.cache,
            FakeClock(datetime(2026, 11, 21, tzinfo=UTC)),
            standing=a_standing(),
            breakers={},
        )

    @property
    def since(self) -> list[date | None]:
        """The first day that each pull asked for."""
        return [since for _, since in self.table.asked]

    def points(self) -> list[tuple[str, float]]:
        """Date and value of every cached row, by date."""
        rows = self.cache.load("default").rows
        dates, values = rows["date"].to_pylist(), rows["value"].to_pylist()
        return sorted(zip(map(str, dates), values, strict=True))


async def test_a_pull_begins_anew_when_the_data_changed() -> None:
    """Data that moves during a pull costs another pull, not a wrong series."""
    bench = Bench()
    bench.table.errors = [CHANGED, CHANGED]
    outcome = await bench.service.refresh("default")
    assert outcome.status is RefreshStatus.REFRESHED
    assert outcome.report is not None
    assert outcome.report.restarts == 2
    assert outcome.metadata.rows_read == len(HISTORY)


async def test_data_that_never_rests_is_given_up() -> None:
    """The pull starts again a bounded number of times, and then says why it cannot be done."""
    bench = Bench()
    bench.table.errors = [CHANGED] * (RESTARTS + 1)
    with pytest.raises(DataChangedError):
        await bench.service.refresh("default")
    assert len(bench.table.asked) == RESTARTS + 1


async def test_a_window_pulls_the_last_periods_alone() -> None:
    """After a first full pull only the window is asked for; older history stays as it was."""
    bench = Bench(Window(3, Grain.MONTH))
    first = await bench.service.refresh("default")
    before = bench.points()
    bench.table.rows = [("202607", "EMEA", "Bike", "100"), *HISTORY[2:]]
    second = await bench.service.refresh("default")
    assert bench.since == [None, date(2026, 9, 1)]
    assert (first.metadata.window_start, second.metadata.window_start) == (None, date(2026, 9, 1))
    assert second.status is RefreshStatus.UNCHANGED
    assert bench.points() == before


async def test_a_fact_deleted_inside_the_window_disappears() -> None:
    """The window replaces its range of dates: what is gone there is gone here."""
    bench = Bench(Window(3, Grain.MONTH))
    await bench.service.refresh("default")
    bench.table.rows = [*HISTORY[:3], ("202611", "EMEA", "Bike", "50")]
    await bench.service.refresh("default")
    assert bench.points() == [
        ("2026-07-01", 1.0),
        ("2026-08-01", 2.5),
        ("2026-09-01", 3.0),
        ("2026-11-01", 50.0),
    ]


async def test_windowed_and_full_give_the_same_series() -> None:
    """If history did not change, window and full pull end in the same bytes."""
    windowed, full = Bench(Window(3, Grain.MONTH)), Bench()
    for bench in (windowed, full):
        await bench.service.refresh("default")
        bench.table.rows = [*HISTORY[:4], ("202611", "APJ", "Bike", "0.1")]
        await bench.service.refresh("default")
    hashes = [b.cache.load("default").metadata.content_hash for b in (windowed, full)]
    assert hashes[0] == hashes[1]


async def test_a_full_refresh_is_one_flag_away() -> None:
    """With `full`, changed history outside the window is seen."""
    bench = Bench(Window(1, Grain.MONTH))
    await bench.service.refresh("default")
    bench.table.rows = [("202607", "EMEA", "Bike", "100"), *HISTORY[1:]]
    await bench.service.refresh("default", options=FULL)
    assert bench.since == [None, None]
    assert bench.points()[0] == ("2026-07-01", 100.0)


async def test_history_of_another_definition_is_not_kept() -> None:
    """A changed definition, dates that are no ids, and a broken version need a full pull."""
    for iso in (False, True):
        bench = Bench(Window(1, Grain.MONTH))
        await bench.service.refresh("default")
        (kept,) = bench.cache.versions["default"]
        iso_dates = replace(kept.metadata, date_form="iso")
        other = replace(kept.metadata, definition_hash="another")
        told = iso_dates if iso else other
        bench.cache.versions["default"] = [replace(kept, metadata=told)]
        await bench.service.refresh("default")
        assert bench.since == [None, None]
    bench = Bench(Window(1, Grain.MONTH), attribute="START_DATE")
    for _ in range(2):
        await bench.service.refresh("default")
    assert bench.since == [None, None]


@pytest.mark.parametrize("moved", ["basis", "older program"])
async def test_history_of_another_tenant_or_other_masters_is_not_kept(moved: str) -> None:
    """What makes the values beside the definition must be the same, or everything is pulled."""
    bench = Bench(Window(1, Grain.MONTH))
    bench.table.basis = "tenant one, no account turned"
    await bench.service.refresh("default")
    if moved == "basis":
        bench.table.basis = "tenant two"
    else:
        (kept,) = bench.cache.versions["default"]
        bench.cache.versions["default"] = [
            replace(kept, metadata=replace(kept.metadata, report=None))
        ]
    bench.table.rows = [(row[0], *row[1:3], f"-{row[3]}") for row in HISTORY]
    outcome = await bench.service.refresh("default", options=RefreshOptions(force=True))
    assert bench.since == [None, date(2026, 11, 1), None]
    assert outcome.metadata.window_start is None
    assert all(value < 0 for _, value in bench.points())


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("rule", [*TimeAggregation])
async def test_days_of_one_month_are_added_up_only_if_that_is_meant(
    rule: TimeAggregation, *, stated: bool
) -> None:
    """Two days of a head count are no month of it; the rule may be stated or the source's own."""
    bench = Bench()
    bench.definition = replace(bench.definition, time_aggregation=rule if stated else None)
    bench.service = bench.serving()
    bench.table.rule = None if stated else rule
    bench.table.rows = [("2026-10-30", "EMEA", "Bike", "100"), ("2026-10-31", "EMEA", "Bike", "1")]
    if rule is TimeAggregation.SUM:
        await bench.service.refresh("default")
        assert bench.points() == [("2026-10-01", 101.0)]
        return
    with pytest.raises(GrainError, match="'2026-10-30' and '2026-10-31' lie in one month") as found:
        await bench.service.refresh("default")
    assert f"combined by {rule}" in found.value.problem
    bench.table.rows = [("202610", "EMEA", "Bike", "100"), ("2026-10-01", "EMEA", "Bike", "1")]
    await bench.service.refresh("default")
    assert bench.points() == [("2026-10-01", 101.0)]


async def test_two_readings_of_one_day_are_no_sum() -> None:
    """Where the grain is the day already, the advice is not to set it to day."""
    bench = Bench()
    bench.definition = replace(
        bench.definition, grain=Grain.DAY, time_aggregation=TimeAggregation.LAST
    )
    bench.service = bench.serving()
    times = ("2026-10-30T08:00:00", "2026-10-30T20:00:00")
    bench.table.rows = [(time, "EMEA", "Bike", "100") for time in times]
    with pytest.raises(GrainError, match="lie in one day") as found:
        await bench.service.refresh("default")
    assert found.value.next_step.startswith("Let the source write one value a day")


@pytest.mark.parametrize(
    ("attribute", "advice"),
    [(None, "need a date_attribute."), ("START", "the master has a date in 'START'")],
)
async def test_an_empty_pull_asks_for_a_date_attribute_only_if_there_is_none(
    attribute: str | None, advice: str
) -> None:
    """If no id has a date, the advice is to look at what names the dates."""
    bench = Bench()
    bench.definition = replace(bench.definition, date_attribute=attribute)
    bench.service = bench.serving()
    bench.table.rows = [("undated", "EMEA", "Bike", "100")]
    with pytest.raises(EmptyPullError, match="1 rows were read") as found:
        await bench.service.refresh("default")
    assert advice in found.value.next_step


async def test_an_older_version_is_no_base_for_a_window() -> None:
    """If the newest version is broken, history is pulled again in full."""
    bench = Bench(Window(1, Grain.MONTH))
    await bench.service.refresh("default")
    (kept,) = bench.cache.versions["default"]
    bench.cache.versions["default"] = [replace(kept, warning="Older.")]
    await bench.service.refresh("default")
    assert bench.since == [None, None]


async def test_an_empty_window_does_not_erase_the_cache() -> None:
    """A window that suddenly holds nothing is a warning; one that never held anything is not."""
    bench = Bench(Window(1, Grain.MONTH))
    await bench.service.refresh("default")
    bench.table.rows = HISTORY[:4]
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, EmptyPullError.code)
    assert len(bench.points()) == 5
    quiet = Bench(Window(1, Grain.MONTH))
    quiet.table.rows = HISTORY[:4]
    await quiet.service.refresh("default")
    assert (await quiet.service.refresh("default")).status is RefreshStatus.UNCHANGED


async def test_a_source_that_ignores_the_window_is_not_trusted() -> None:
    """Rows from before the window would be doubled in history, so they are refused."""
    bench = Bench(Window(1, Grain.MONTH))
    await bench.service.refresh("default")
    bench.table.heedless = True
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, SourceAnswerError.code)


async def test_both_ways_are_compared_on_request() -> None:
    """Verifying pulls aggregates and facts, and says that they agree."""
    bench = Bench()
    outcome = await bench.service.refresh("default", options=VERIFY)
    modes = [definition.mode for definition, _ in bench.table.asked]
    assert modes == [PullMode.AGGREGATES, PullMode.FACTS]
    assert outcome.verification is not None
    assert (outcome.verification.points, outcome.verification.differing) == (5, 0)
    assert outcome.warning is None


async def test_differences_are_reported_by_key() -> None:
    """Where the tenant's sums differ from its records, the records are shown and it is said."""
    bench = Bench()
    bench.table.added_up = [("202607", "EMEA", "Bike", "1.5"), *HISTORY[1:4]]
    outcome = await bench.service.refresh("default", options=VERIFY)
    assert outcome.warning_code == "verification_mismatch"
    assert outcome.warning is not None
    assert "2 of 5 points, the first at 2026-07-01, EMEA, Bike: 1.5 against 1.0" in outcome.warning
    assert outcome.verification is not None
    last = outcome.verification.differences[-1]
    assert (last.key["date"], last.aggregates, last.facts) == ("2026-11-01", None, 5.0)
    assert bench.points()[0] == ("2026-07-01", 1.0)


@pytest.mark.parametrize(("tolerance", "differing"), [(None, 2), (1e-14, 1)])
async def test_sums_of_doubles_are_held_against_the_size_of_their_records(
    tolerance: float | None, differing: int
) -> None:
    """Records that nearly undo each other leave a sum of no digit that is sure."""
    bench = Bench()
    bench.table.tolerance = tolerance
    undone = [("202607", "EMEA", "Bike", text) for text in ("1000000.1", "-1000000")]
    bench.table.rows = [*undone, *HISTORY[1:]]
    bench.table.added_up = [("202607", "EMEA", "Bike", "0.09999999997"), *HISTORY[1:4]]
    outcome = await bench.service.refresh("default", options=VERIFY)
    assert outcome.verification is not None
    assert (outcome.verification.points, outcome.verification.differing) == (5, differing)
    assert bench.points()[0] == ("2026-07-01", 0.1)


async def test_data_that_changed_between_both_ways_is_no_difference() -> None:
    """The sums are asked for once more before it is said that they differ from the records."""
    bench = Bench()
    bench.table.added_up = HISTORY[:4]
    pull = bench.table.pull

    def moving(definition: DatasetDefinition, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        found = pull(definition, *args, **options)
        bench.table.added_up = None
        return found

    bench.table.pull = moving  # type: ignore[method-assign]
    outcome = await bench.service.refresh("default", options=VERIFY)
    modes = [definition.mode for definition, _ in bench.table.asked]
    assert modes == [PullMode.AGGREGATES, PullMode.FACTS, PullMode.AGGREGATES]
    assert outcome.verification is not None
    assert (outcome.verification.differing, outcome.warning) == (0, None)


NO_SUMS = ModelNotFoundError("There is no FactDataAggregation.", next_step="Ask for records.")


def changing(bench: Bench, readings: Sequence[Sequence[Sequence[str]]]) -> None:
    """Let a source that adds nothing up hold other rows at each reading; the last ones stay."""
    pull, left = bench.table.pull, [list(rows) for rows in readings]

    def moving(definition: DatasetDefinition, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed on
        if definition.mode is PullMode.AGGREGATES:
            bench.table.errors = [NO_SUMS]
        else:
            bench.table.rows = left.pop(0) if len(left) > 1 else left[0]
        return pull(definition, *args, **options)

    bench.table.pull = moving  # type: ignore[method-assign]


@pytest.mark.parametrize("moves", [0, 1, 2])
async def test_records_are_read_until_two_readings_are_the_same(moves: int) -> None:
    """Where nothing adds them up, they prove by themselves that they are of one moment."""
    bench = Bench()
    readings = [[*HISTORY[:4], ("202611", "EMEA", "Bike", str(n))] for n in range(moves + 1)]
    changing(bench, readings)
    outcome = await bench.service.refresh("default", options=VERIFY)
    modes = [definition.mode for definition, _ in bench.table.asked]
    assert modes == [PullMode.AGGREGATES, *[PullMode.FACTS] * (moves + 2)]
    assert bench.points()[-1] == ("2026-11-01", float(moves))
    assert outcome.verification is not None
    assert (outcome.verification.points, outcome.verification.differing) == (5, 0)
    assert (outcome.status, outcome.warning) == (RefreshStatus.REFRESHED, None)
    assert outcome.report is not None
    assert outcome.report.moment == "readings"


async def test_records_that_never_rest_are_given_up() -> None:
    """After so many readings it is said that the data change, and nothing is published."""
    bench = Bench()
    changing(bench, [[(f"2026{n:02}", "EMEA", "Bike", "1")] for n in range(1, 12)])
    with pytest.raises(DataChangedError):
        await bench.service.refresh("default", options=VERIFY)
    assert len(bench.table.asked) == 1 + 1 + RESTARTS + 1
    with pytest.raises(CacheMissingError):
        bench.cache.load("default")


async def test_whoever_insists_on_sums_is_told_that_there_are_none() -> None:
    """A dataset that forces the mode is not read in another way."""
    bench = Bench()
    bench.definition = replace(bench.definition, mode=PullMode.AGGREGATES)
    bench.service = bench.serving()
    bench.table.errors = [NO_SUMS]
    with pytest.raises(ModelNotFoundError):
        await bench.service.refresh("default", options=VERIFY)


async def test_a_fault_of_ours_does_not_take_the_series_away() -> None:
    """An error that nobody foresaw is stale data with a fixed sentence, and no detail of it."""
    bench = Bench()
    await bench.service.refresh("default")
    bench.table.errors = [RuntimeError("with a made-up secret in it")]
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, "unexpected")
    assert outcome.warning is not None
    assert "made-up" not in outcome.warning
