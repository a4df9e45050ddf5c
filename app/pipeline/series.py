"""Reads cached series for a caller: the last good versions, the query, and what to tell.

What is in memory and provably current is answered at once; everything else goes to a thread, also
a query that would hold up the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.errors import (
    BadQueryError,
    CursorGoneError,
    ExpiredError,
    QueryTooSlowError,
    UnknownDatasetError,
    UnknownVersionError,
)
from app.pipeline.at_hand import Loaded, SeriesAtHand
from app.pipeline.contract import nearest_first
from app.pipeline.cubes import Cubes
from app.pipeline.freshness import Notice, moment
from app.pipeline.history import NEWEST, Pin
from app.pipeline.ports import CacheRepository, DatasetCatalogue
from app.pipeline.query import (
    MAX_ROWS,
    Cube,
    Cursor,
    Guards,
    Place,
    Plan,
    QueryResult,
    SeriesQuery,
    digest_of,
    is_light,
    parse_cursor,
    plan_query,
    run_plan,
)
from app.pipeline.stamps import Stamp, stamp_of_all
from app.pipeline.standing import Told
from app.pipeline.turns import OncePerTurn
from app.records import CachedSeries
from app.reports import Freshness, FreshnessState

_MARK_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may cost.

    Attributes:
        max_rows: Most rows of an answer.
        timeout_s: Seconds after which it is given up.
    """

    max_rows: int = MAX_ROWS
    timeout_s: float = 30.0


# Made for every answer, and to freeze it takes as long as to find a key; nobody changes one.
@dataclass(slots=True)
class SeriesView:
    """A series as one caller asked for it.

    Attributes:
        series: The version that was read.
        result: The rows that the query selects from it.
        notice: What the reader must be told.
        freshness: The same as data.
    """

    series: CachedSeries
    result: QueryResult
    notice: Notice
    freshness: Freshness


@dataclass(slots=True)
class SeriesAnswer:
    """What one caller asked for, of one or several datasets.

    Attributes:
        views: One part for each dataset, in the order asked.
        total: Rows that the query selects from all of them, over all pages.
        next: Opaque cursor of the next page; None on the last.
        stamp: What `SeriesReader.stamp` was at that very moment; None if it does not tell of
            every change of this answer, as it may be with a cursor.
    """

    views: tuple[SeriesView, ...]
    total: int
    next: str | None = None
    stamp: Stamp | None = None


# Not frozen, like the next: nobody else sees them, and to freeze one takes as long as to look.
@dataclass(slots=True)
class _Asked:
    datasets: tuple[str, ...]
    query: SeriesQuery
    pins: tuple[Pin, ...]
    offset: int
    places: tuple[Place, ...]
    digest: str
    is_expired_allowed: bool


class SeriesReader:
    """Answers queries from the cache alone; a tenant that is down makes no difference.

    Args:
        catalogue: Which datasets exist.
        cache: Where versions are kept.
        tell: Says what a reader of a series must be told; may block.
        tell_at_once: The same without waiting; None if that cannot be.
        limits: What one query may cost.
        looks: What was looked at in this turn of the event loop; None to look each time.

    Attributes:
        max_rows: Most rows of an answer.
    """

    def __init__(
        self,
        catalogue: DatasetCatalogue,
        cache: CacheRepository,
        tell: Callable[[CachedSeries], Told],
        *,
        tell_at_once: Callable[[CachedSeries], Told | None] = lambda _: None,
        limits: QueryLimits | None = None,
        looks: OncePerTurn[Any] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._tell = tell
        self._limits = limits or QueryLimits()
        self.max_rows = self._limits.max_rows
        self._cubes = Cubes()
        self._at_hand = SeriesAtHand(cache, self._cubes, tell_at_once, looks)

    async def read(
        self,
        datasets: tuple[str, ...],
        query: SeriesQuery,
        pin: Pin = NEWEST,
        *,
        allow_expired: bool = False,
    ) -> SeriesAnswer:
        """Run a query on the last good version of each dataset, or on the one that is pinned.

        Args:
            datasets: Names of the datasets; empty for the default one.
            query: Which of their points.
            pin: Of which version; whoever names one gets it, however old it is. So does whoever
                reads on with a cursor.
            allow_expired: Serve data that is too old, too; it is marked.

        Raises:
            ExpiredError: The data is too old.
            UnknownDatasetError: No dataset has this name.
            UnknownVersionError: The dataset has no such version.
            BadQueryError: The query names what a series does not have.
            QueryTooLargeError: The answer has too many rows.
            QueryTooSlowError: It took too long.
            CursorGoneError: The version of the page before is gone.
            CacheError: There is nothing to serve.
        """
        asked = self._asked(self._known(datasets), query, pin, allow_expired=allow_expired)
        answer = self._answered_at_once(asked)
        return await asyncio.to_thread(self._read, asked) if answer is None else answer

    def read_at_once(
        self,
        datasets: tuple[str, ...],
        query: SeriesQuery,
        pin: Pin = NEWEST,
        *,
        allow_expired: bool = False,
    ) -> SeriesAnswer | None:
        """Return what `read` would, if that takes about a millisecond and no thread; else None.

        Raises:
            SeriesError: As `read`.
        """
        asked = self._asked(self._known(datasets), query, pin, allow_expired=allow_expired)
        return self._answered_at_once(asked)

    def at_hand(self, dataset: str) -> Loaded | None:
        """Return what is served of a dataset; None if it does not exist or must be waited for."""
        return self._at_hand.find(dataset) if dataset in self._catalogue.names else None

    def stamp(self, datasets: tuple[str, ...], pin: Pin = NEWEST) -> Stamp | None:
        """Return what changes whenever the answer to any query could change, but for the age.

        On a local cache this takes microseconds and no thread.

        Args:
            datasets: Names of the datasets; empty for the default one.
            pin: Of which version.

        Returns:
            None if it cannot be told, so that no answer may be used again.
        """
        names = self._catalogue.names
        found = []
        for dataset in datasets or names[:1]:
            one = self._at_hand.find(dataset, pin) if dataset in names else None
            if one is None:
                return None
            found.append(one)
        return stamp_of_all([one.stamp for one in found])

    def _known(self, datasets: tuple[str, ...]) -> tuple[str, ...]:
        names = self._catalogue.names
        for dataset in datasets:
            if dataset not in names:
                known = ", ".join(nearest_first(dataset, names))
                raise UnknownDatasetError(
                    f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {known}."
                )
        return datasets or names[:1]

    def _asked(
        self, datasets: tuple[str, ...], query: SeriesQuery, pin: Pin, *, allow_expired: bool
    ) -> _Asked:
        if len(datasets) > 1 and pin.version is not None:
            raise BadQueryError(
                "A version is given for several datasets, and each counts its own.",
                parameter="version",
                next_step="Give a time with as_of, or ask for one dataset.",
            )
        pins, allowed = (pin,) * len(datasets), allow_expired or bool(pin)
        if query.cursor is None and query.limit is None:
            return _Asked(datasets, query, pins, 0, (), "", allowed)
        digest = digest_of(query, datasets, pin)
        if query.cursor is None:
            return _Asked(datasets, query, pins, 0, (), digest, allowed)
        cursor = parse_cursor(query.cursor, digest, len(datasets))
        pins = tuple(Pin(place.version) for place in cursor.places)
        return _Asked(
            datasets, query, pins, cursor.offset, cursor.places, digest, is_expired_allowed=True
        )

    def _answered_at_once(self, asked: _Asked) -> SeriesAnswer | None:
        loaded = []
        for dataset, pin in zip(asked.datasets, asked.pins, strict=True):
            one = self._at_hand.find(dataset, pin)
            if one is None:
                return None
            loaded.append(one)
        _check_served(asked, loaded)
        planned = self._planned_at_once(asked, loaded)
        return None if planned is None else self._answer(asked, loaded, planned)

    def _planned_at_once(
        self, asked: _Asked, loaded: Sequence[Loaded]
    ) -> list[tuple[Cube, Plan]] | None:
        planned = []
        for one in loaded:
            cube = one.cube
            if cube is None:
                return None
            try:
                plan = plan_query(cube, one.series.metadata, asked.query)
            except BadQueryError:
                # Finding what is nearest to a wrong name takes its time.
                return None
            if not is_light(cube, plan):
                return None
            planned.append((cube, plan))
        return planned

    def _read(self, asked: _Asked) -> SeriesAnswer:
        loaded = [self._load(asked, number) for number in range(len(asked.datasets))]
        _check_served(asked, loaded)
        planned = [self._planned(asked, one) for one in loaded]
        return self._answer(asked, loaded, planned)

    def _load(self, asked: _Asked, number: int) -> Loaded:
        dataset, pin = asked.datasets[number], asked.pins[number]
        try:
            series = self._cache.load(dataset, pin)
        except UnknownVersionError as error:
            if asked.places:
                raise _gone(dataset) from error
            raise
        return self._at_hand.loaded(dataset, series, self._tell(series))

    def _planned(self, asked: _Asked, one: Loaded) -> tuple[Cube, Plan]:
        cube = self._cubes.of(one.series.rows)
        try:
            return cube, plan_query(cube, one.series.metadata, asked.query)
        except BadQueryError as error:
            if len(asked.datasets) > 1:
                name = one.series.metadata.dataset
                error.problem = f"In the dataset '{name}': {error.problem}"
            raise

    def _answer(
        self, asked: _Asked, loaded: Sequence[Loaded], planned: Sequence[tuple[Cube, Plan]]
    ) -> SeriesAnswer:
        check = _deadline(self._limits.timeout_s)
        offset, limit, room = asked.offset, asked.query.limit, self._limits.max_rows
        views, total = [], 0
        for one, (cube, plan) in zip(loaded, planned, strict=True):
            result = run_plan(cube, plan, offset=offset, limit=limit, guards=Guards(room, check))
            views.append(SeriesView(one.series, result, one.told.notice, one.told.freshness))
            total += result.total
            offset = max(offset - result.total, 0)
            limit = None if limit is None else limit - len(result)
            room -= len(result)
        end = asked.offset + sum(len(view.result) for view in views)
        following = None if end >= total else _cursor(asked, loaded, end)
        # A page of an older version grows old by itself, which no stamp of the newest tells.
        stamp = None if asked.places else stamp_of_all([one.stamp for one in loaded])
        return SeriesAnswer(tuple(views), total, following, stamp)


def _check_served(asked: _Asked, loaded: Sequence[Loaded]) -> None:
    """Refuse data that is too old, and a cursor whose version is another by now."""
    for one in loaded:
        is_expired = one.told.freshness.state is FreshnessState.EXPIRED
        if is_expired and not asked.is_expired_allowed:
            raise _expired(one.series, one.told.freshness)
    for one, place in zip(loaded, asked.places, strict=False):
        if _place(one.series) != place:
            raise _gone(one.series.metadata.dataset)


def _deadline(timeout_s: float) -> Callable[[], None]:
    end = time.monotonic() + timeout_s

    def check() -> None:
        if time.monotonic() >= end:
            raise QueryTooSlowError(
                f"The query took longer than {timeout_s:g} seconds and was given up.",
                next_step="Ask for a shorter window (start, end, last), fewer members "
                "(dim_<name>=), or fewer dimensions (group_by).",
            )

    return check


def _cursor(asked: _Asked, loaded: Sequence[Loaded], offset: int) -> str:
    places = tuple(_place(one.series) for one in loaded)
    return Cursor(offset, asked.digest, places).text()


def _place(series: CachedSeries) -> Place:
    return Place(series.version, series.metadata.content_hash[:_MARK_LENGTH])


def _gone(dataset: str) -> CursorGoneError:
    return CursorGoneError(
        f"The version of the dataset '{dataset}' that the pages before were read from is gone.",
        next_step="Read from the first page again, without the cursor.",
    )


def _expired(series: CachedSeries, freshness: Freshness) -> ExpiredError:
    when = moment(series.metadata.last_refresh_time)
    return ExpiredError(
        f"The data is of {when} and is not shown. {freshness.sentence}",
        next_step="Ask with allow_expired=true to see it all the same.",
    )
