"""A refresh publishes what it pulled, or keeps what was there and says why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pyarrow as pa
import pytest

from app.errors import (
    BadValueError,
    CacheCorruptError,
    CacheMissingError,
    CacheUnavailableError,
    ConfigError,
    ConfigProblem,
    CredentialsRefusedError,
    IncompletePullError,
    ServiceStoppingError,
    SourceConflictError,
    SourceUnreachableError,
    UnknownDatasetError,
)
from app.pipeline.freshness import SAMPLE_WARNING, SAMPLE_WARNING_CODE, Notice, stale_warning
from app.pipeline.refresh import RefreshService
from app.records import CachedSeries, Progress, RefreshOptions, RefreshStatus, SeriesMetadata
from app.reports import FreshnessState
from tests.fakes import (
    FakeAttempts,
    FakeCache,
    FakeCatalogue,
    FakeClock,
    FakeSource,
    a_definition,
    a_page,
    a_standing,
)

ROWS = (
    ("202601", "EMEA", "Bike", "10.5"),
    ("202602", "EMEA", "Bike", "11"),
    ("202601", "APJ", "Bike", "7"),
    ("#", "APJ", "Bike", "1"),
)
MORE = (*ROWS, ("202603", "EMEA", "Bike", "1"))
REFUSED = CredentialsRefusedError(
    "SAP Analytics Cloud refused the client credentials.", next_step="Check the client's secret."
)
FORCE = RefreshOptions(force=True)
REFUSED_WARNING = f"Showing data of 21 Nov 2026, 14:05 UTC: {REFUSED}"


class Bench:
    """A refresh service with everything around it within reach."""

    def __init__(self, *rows: tuple[str | None, ...]) -> None:
        self.clock = FakeClock()
        self.cache = FakeCache()
        self.catalogue = FakeCatalogue()
        self.source = FakeSource([a_page(rows or ROWS)])
        self.sample = FakeSource([a_page([("202501", "X", "Y", "1")])])
        self.attempts = FakeAttempts()
        self.standing = a_standing(self.catalogue, self.clock, self.attempts)
        self.service = RefreshService(
            self.catalogue,
            MappingProxyType({"sac": self.source, "fixture": self.sample}),
            self.cache,
            self.clock,
            standing=self.standing,
            breakers={},
        )

    @property
    def served(self) -> CachedSeries:
        """The version that a reader gets now."""
        return self.cache.load("default")


@pytest.fixture
def bench() -> Bench:
    """A service whose source holds three usable records."""
    return Bench()


async def test_a_first_refresh_publishes_the_rows_and_what_is_known_of_them(bench: Bench) -> None:
    """The first refresh saves the normalised rows together with their whole metadata."""
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.version) == (RefreshStatus.REFRESHED, 0)
    assert (outcome.warning, outcome.warning_code) == (None, None)
    assert outcome.metadata == bench.served.metadata
    assert outcome.report is not None
    assert outcome.report.received == 4
    metadata = outcome.metadata
    assert metadata.last_refresh_time == bench.clock.now()
    assert (metadata.row_count, metadata.rows_read) == (3, 4)
    assert metadata.skipped == {"date_unassigned": 1}
    assert (str(metadata.min_date), str(metadata.max_date)) == ("2026-01-01", "2026-02-01")
    assert metadata.dimensions == {"dim_region": "Region", "dim_product": "Product"}
    assert metadata.source == "sac"
    assert metadata.mode == "FactData"
    assert metadata.report == outcome.report
    assert bench.served.rows["value"].to_pylist() == [7.0, 10.5, 11.0]


async def test_the_same_rows_again_are_confirmed_and_not_written(bench: Bench) -> None:
    """A pull that brings the same rows only moves the time of the last refresh."""
    first = await bench.service.refresh("default")
    bench.clock.tick()
    second = await bench.service.refresh("default")
    assert second.status is RefreshStatus.UNCHANGED
    assert second.metadata.content_hash == first.metadata.content_hash
    assert second.metadata.last_refresh_time == bench.clock.now()
    assert bench.cache.versions["default"][0].rows is bench.cache.versions["default"][1].rows


async def test_other_rows_make_a_new_version(bench: Bench) -> None:
    """A pull that brings other rows publishes them."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page(MORE),)
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.version) == (RefreshStatus.REFRESHED, 1)
    assert bench.served.rows["value"].to_pylist() == [7.0, 10.5, 11.0, 1.0]


async def test_the_same_rows_over_an_older_version_are_written(bench: Bench) -> None:
    """If the newest version is broken, the same rows are saved again and so mend it."""
    await bench.service.refresh("default")
    (good,) = bench.cache.versions["default"]
    older = CachedSeries(rows=good.rows, metadata=good.metadata, version=0, warning="Older.")
    bench.cache.versions["default"] = [older]
    assert (await bench.service.refresh("default")).status is RefreshStatus.REFRESHED


async def test_a_failed_pull_serves_the_last_good_version_and_says_why(bench: Bench) -> None:
    """After a failure the old version is served with its age, the reason and the next step."""
    before = await bench.service.refresh("default")
    bench.source.error = REFUSED
    bench.clock.tick()
    outcome = await bench.service.refresh("default")
    assert outcome.status is RefreshStatus.STALE
    assert outcome.warning == REFUSED_WARNING
    assert outcome.warning_code == "credentials_refused"
    assert outcome.report is None
    assert (outcome.metadata, outcome.version) == (before.metadata, before.version)


async def test_a_pull_that_breaks_off_publishes_nothing(bench: Bench) -> None:
    """Pages that came before a failure never reach the cache."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page([("202603", "EMEA", "Bike", "1")]),)
    bench.source.error = IncompletePullError("Half.", expected_rows=2, received_rows=1)
    outcome = await bench.service.refresh("default")
    assert outcome.warning_code == "incomplete_pull"
    assert bench.served.metadata.row_count == 3
    assert bench.source.closed == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "0 rows were read."),
        ([("#", "A", "B", "1"), ("202601", "A", "B", None)], "1 date_unassigned, 1 value_null"),
    ],
    ids=["no rows", "no usable row"],
)
async def test_an_empty_pull_keeps_the_old_data(
    bench: Bench, rows: list[tuple[str | None, ...]], said: str
) -> None:
    """A pull without a usable row does not replace a good version, and counts what it skipped."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page(rows),)
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, "empty_pull")
    assert said in (outcome.warning or "")
    assert bench.served.metadata.row_count == 3


async def test_bad_data_keeps_the_old_data(bench: Bench) -> None:
    """A value that is no number fails the refresh, not the readers."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page([("202601", "EMEA", "Bike", "ten")]),)
    outcome = await bench.service.refresh("default")
    assert outcome.warning_code == BadValueError.code
    assert "Page 1, row 1, column 'SignedData'" in (outcome.warning or "")


async def test_a_save_that_fails_keeps_the_old_data(bench: Bench) -> None:
    """If the new version cannot be written, the old one is served and the reason is told."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page(MORE),)
    bench.cache.save_error = CacheUnavailableError("The disk is full.")
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, "cache_unavailable")
    assert bench.served.metadata.row_count == 3


async def test_what_could_not_be_saved_is_not_pulled(bench: Bench) -> None:
    """A cache that cannot be written to is told before the source is asked for anything."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page(MORE),)
    bench.cache.check_error = CacheCorruptError("Another tool was here.")
    asked = len(bench.source.pulls)
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, "cache_corrupt")
    assert "Another tool was here." in str(outcome.warning)
    assert len(bench.source.pulls) == asked


@pytest.mark.parametrize(
    "cache_error",
    [CacheMissingError("None."), CacheCorruptError("Bad."), CacheUnavailableError("Gone.")],
    ids=lambda error: error.code,
)
async def test_without_a_cache_the_error_itself_comes(
    bench: Bench, cache_error: CacheMissingError
) -> None:
    """With nothing to fall back to, the caller gets the reason of the pull, not of the cache."""
    bench.source.error = REFUSED
    bench.cache.load_error = cache_error
    with pytest.raises(CredentialsRefusedError) as raised:
        await bench.service.refresh("default")
    assert raised.value is REFUSED
    assert REFUSED_WARNING.endswith(raised.value.sentence)


async def test_missing_settings_serve_the_cache_too(bench: Bench) -> None:
    """A service that is not configured falls back like one whose tenant is down."""
    await bench.service.refresh("default")
    problem = ConfigProblem(variable="SAC_MODEL_ID", found="nothing", expected="x", example="C1")
    bench.catalogue.error = ConfigError((problem,))
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, "configuration")
    assert "SAC_MODEL_ID" in (outcome.warning or "")


async def test_a_broken_cache_is_mended_by_a_refresh(bench: Bench) -> None:
    """A version that cannot be read does not stop the refresh that replaces it."""
    bench.cache.load_error = CacheCorruptError("The data is not what was saved.")
    outcome = await bench.service.refresh("default")
    assert outcome.status is RefreshStatus.REFRESHED
    bench.cache.load_error = None
    assert bench.served.metadata.row_count == 3


async def test_an_unknown_dataset_is_the_callers_mistake(bench: Bench) -> None:
    """An unknown name is refused as such, and leaves no warning behind."""
    with pytest.raises(UnknownDatasetError):
        await bench.service.refresh("other")


async def test_sample_data_never_replaces_data_of_a_tenant(bench: Bench) -> None:
    """Sample data over a tenant's data is a conflict; nothing is pulled, no warning stays."""
    await bench.service.refresh("default")
    with pytest.raises(SourceConflictError):
        await bench.service.refresh("default", source="fixture")
    assert bench.sample.pulls == []
    assert bench.standing.of(bench.served).notice == Notice()


async def test_sample_data_waits_for_a_pull_from_the_tenant(bench: Bench) -> None:
    """Sample data that is asked for during a tenant's first pull finds its result in the way."""
    bench.source.gate = asyncio.Event()
    tenant = asyncio.create_task(bench.service.refresh("default"))
    await bench.source.started.wait()
    sample = asyncio.create_task(bench.service.refresh("default", source="fixture"))
    bench.source.gate.set()
    assert (await tenant).status is RefreshStatus.REFRESHED
    with pytest.raises(SourceConflictError):
        await sample


async def test_sample_data_says_that_it_is_sample_data(bench: Bench) -> None:
    """Sample data is marked in the answer and for every reader, until real data replaces it."""
    outcome = await bench.service.refresh("default", source="fixture")
    assert outcome.status is RefreshStatus.REFRESHED
    assert (outcome.warning, outcome.warning_code) == (SAMPLE_WARNING, SAMPLE_WARNING_CODE)
    again = await bench.service.refresh("default", source="fixture")
    assert (again.status, again.warning_code) == (RefreshStatus.UNCHANGED, SAMPLE_WARNING_CODE)
    real = await bench.service.refresh("default")
    assert (real.status, real.warning_code) == (RefreshStatus.REFRESHED, None)


async def test_calls_that_arrive_together_share_one_pull(bench: Bench) -> None:
    """Ten callers at once cause one pull, and all get its outcome."""
    bench.source.gate = asyncio.Event()
    calls = [asyncio.create_task(bench.service.refresh("default")) for _ in range(10)]
    await bench.source.started.wait()
    bench.source.gate.set()
    outcomes = await asyncio.gather(*calls)
    assert len(bench.source.pulls) == 1
    assert all(outcome is outcomes[0] for outcome in outcomes)
    await bench.service.refresh("default")
    assert len(bench.source.pulls) == 2


async def test_a_caller_that_goes_away_does_not_stop_the_pull(bench: Bench) -> None:
    """The pull of a cancelled caller goes on for the others, and is published."""
    bench.source.gate = asyncio.Event()
    impatient = asyncio.create_task(bench.service.refresh("default"))
    await bench.source.started.wait()
    patient = asyncio.create_task(bench.service.refresh("default"))
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    bench.source.gate.set()
    assert (await patient).status is RefreshStatus.REFRESHED
    assert len(bench.source.pulls) == 1


async def test_closing_stops_a_pull_and_publishes_nothing(bench: Bench) -> None:
    """A service that ends takes its pulls with it; neither data nor an attempt is left."""
    bench.source.gate = asyncio.Event()
    call = asyncio.create_task(bench.service.refresh("default"))
    await bench.source.started.wait()
    await bench.service.operations.close()
    with pytest.raises(ServiceStoppingError):
        await call
    assert bench.cache.versions == {}
    assert bench.attempts.kept == {}


async def test_progress_is_told_page_by_page(bench: Bench) -> None:
    """The caller learns after each page how far the pull has come."""
    bench.source.pages = (a_page(ROWS), a_page(ROWS[:1], number=2))
    told: list[Progress] = []
    await bench.service.refresh("default", progress=told.append)
    assert [(one.pages, one.rows) for one in told] == [(1, 4), (2, 5)]


async def test_readers_are_told_of_a_failed_refresh_until_one_succeeds(bench: Bench) -> None:
    """The warning of a failed refresh stays for readers, and goes with the next success."""
    await bench.service.refresh("default")
    assert bench.standing.of(bench.served).notice == Notice()
    bench.source.error = REFUSED
    await bench.service.refresh("default")
    assert bench.standing.of(bench.served).notice == Notice(REFUSED_WARNING, "credentials_refused")
    bench.source.error = None
    await bench.service.refresh("default")
    assert bench.standing.of(bench.served).notice == Notice()


async def test_readers_are_told_that_an_older_definition_made_the_data(bench: Bench) -> None:
    """A changed definition shows the data of the one before until a pull succeeds, and says so."""
    await bench.service.refresh("default")
    changed = replace(a_definition(), filter="Version eq 'public.Plan'")
    bench.catalogue.define(changed)
    older = "It was made by an older definition of the dataset, not by the present one."
    when = "Showing data of 21 Nov 2026, 14:05 UTC:"
    untried = Notice(f"{when} {older} Refresh the dataset.", "older_definition")
    assert bench.standing.of(bench.served).notice == untried
    bench.source.error = REFUSED
    outcome = await bench.service.refresh("default")
    failed = Notice(f"{when} {older} {REFUSED}", "credentials_refused")
    assert Notice(outcome.warning, outcome.warning_code) == failed
    assert bench.standing.of(bench.served).notice == failed
    bench.source.error = None
    await bench.service.refresh("default")
    assert bench.standing.of(bench.served).notice == Notice()


async def test_a_failure_is_forgotten_when_another_process_refreshed_later(bench: Bench) -> None:
    """Data that is newer than the failed attempt is not called old."""
    await bench.service.refresh("default")
    bench.source.error = SourceUnreachableError("No connection.")
    await bench.service.refresh("default")
    bench.clock.tick()
    other = RefreshService(
        bench.catalogue,
        {"sac": FakeSource([a_page(ROWS)])},
        bench.cache,
        bench.clock,
        standing=a_standing(bench.catalogue, bench.clock),
        breakers={},
    )
    await other.refresh("default")
    assert bench.standing.of(bench.served).notice == Notice()


def test_readers_are_told_of_an_older_version() -> None:
    """What the cache says of an older version is passed on."""
    series = a_series(source="sac", warning="An older version is shown.")
    assert Bench().standing.of(series).notice == Notice(
        "An older version is shown.", "older_version"
    )


def test_an_old_sample_is_called_sample_data() -> None:
    """The warning of a failed refresh does not pass sample data off as real."""
    said = stale_warning(a_series(source="fixture"), "No rows.")
    assert said == "Showing sample data of 3 Feb 2026, 09:07 UTC: No rows."


@pytest.mark.parametrize("month", range(1, 13))
def test_the_month_is_english_whatever_the_locale(month: int) -> None:
    """Every month is written by its English short name."""
    when = datetime(2026, month, 3, 9, 7, tzinfo=UTC) + timedelta(seconds=59)
    names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    said = stale_warning(a_series(source="sac", when=when), "No rows.")
    assert said == f"Showing data of 3 {names[month - 1]} 2026, 09:07 UTC: No rows."


async def test_a_pull_that_lost_most_rows_is_refused(bench: Bench) -> None:
    """A shrunk pull leaves the old version, stale, with the reason and the report."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page(ROWS[:1]),)
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.STALE, "drift_rejected")
    assert "66.7% of the rows vanished, and at most 50.0% may." in (outcome.warning or "")
    assert outcome.drift is not None
    assert (outcome.drift.rows_before, outcome.drift.rows_after) == (3, 1)
    assert outcome.freshness.reason == "drift_rejected"
    assert (bench.served.version, bench.served.metadata.row_count) == (0, 3)


async def test_force_publishes_what_was_refused_but_nothing_empty(bench: Bench) -> None:
    """Whoever insists gets the shrunk series, marked; an empty pull stays refused."""
    await bench.service.refresh("default")
    bench.source.pages = (a_page(ROWS[:1]),)
    outcome = await bench.service.refresh("default", options=FORCE)
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.REFRESHED, "drift_warning")
    assert bench.served.metadata.drift == outcome.drift
    assert outcome.drift is not None
    assert outcome.drift.forced
    assert outcome.freshness.state is FreshnessState.FRESH
    bench.source.pages = ()
    empty = await bench.service.refresh("default", options=FORCE)
    assert (empty.status, empty.warning_code) == (RefreshStatus.STALE, "empty_pull")


async def test_drift_is_kept_with_the_version_and_warned_of(bench: Bench) -> None:
    """A member that vanished is told in the answer and kept in the metadata."""
    first = await bench.service.refresh("default")
    assert first.drift is None
    bench.source.pages = (a_page(ROWS[:2]),)
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.REFRESHED, "drift_warning")
    assert outcome.warning is not None
    assert outcome.warning.startswith("Members of dim_region are gone: APJ.")
    assert bench.served.metadata.drift == outcome.drift
    assert bench.standing.of(bench.served).notice == Notice()
    same = await bench.service.refresh("default")
    assert (same.status, same.warning) == (RefreshStatus.UNCHANGED, None)


async def test_another_definition_is_not_a_shrink(bench: Bench) -> None:
    """Fewer rows by another definition are published, and it is said that nothing was compared."""
    await bench.service.refresh("default")
    (kept,) = bench.cache.versions["default"]
    other = replace(kept.metadata, definition_hash="another")
    bench.cache.versions["default"] = [replace(kept, metadata=other)]
    bench.source.pages = (a_page(ROWS[:1]),)
    outcome = await bench.service.refresh("default")
    assert (outcome.status, outcome.warning_code) == (RefreshStatus.REFRESHED, "drift_warning")
    assert "not compared" in (outcome.warning or "")


def a_series(
    *,
    source: str,
    warning: str | None = None,
    when: datetime = datetime(2026, 2, 3, 9, 7, tzinfo=UTC),
) -> CachedSeries:
    """Return an empty series."""
    metadata = SeriesMetadata(
        dataset="default",
        source=source,
        last_refresh_time=when,
        row_count=0,
        min_date=None,
        max_date=None,
    )
    return CachedSeries(rows=pa.table({}), metadata=metadata, version=3, warning=warning)
