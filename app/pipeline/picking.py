"""What there is to choose from: the dimensions, members, periods and grains of a dataset."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from app.catalogue import DimensionLabels, Labels
from app.errors import BadQueryError, UnknownDatasetError, UnknownDimensionError
from app.periods import is_finer
from app.pipeline.contract import dimensions_of, nearest_first
from app.pipeline.members import MemberFacts, count_members, having, searched
from app.pipeline.ports import CacheRepository, DatasetCatalogue, LabelStore
from app.pipeline.query import EXCLUDED_MARK, PREFIX_MARK, dimension_place
from app.pipeline.standing import Standing
from app.records import CachedSeries, Grain
from app.reports import Freshness

_SHOWN = 20
_NO_LABELS = DimensionLabels()


@dataclass(frozen=True, slots=True)
class DimensionFacts:
    """One dimension of a dataset.

    Attributes:
        name: Its name in queries, for example `dim_region`.
        source: The source's column.
        label: Its text for people; empty if it has none.
        members: How many members it has.
        labelled: How many of these have a text.
    """

    name: str
    source: str
    label: str
    members: int
    labelled: int


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What there is to choose from in the version that is served.

    Attributes:
        series: That version.
        freshness: How fresh it is.
        grains: The grains that can be asked for, finest first.
        dimensions: Its dimensions, in the order of its columns.
        labels: Where the texts come from; None if there are none.
    """

    series: CachedSeries
    freshness: Freshness
    grains: tuple[Grain, ...]
    dimensions: tuple[DimensionFacts, ...]
    labels: Labels | None


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """The members of a dimension that a caller may choose from.

    Attributes:
        series: The version that was read.
        dimension: The dimension.
        members: Some of them, sorted by id.
        total: How many there are in all.
        after: Where to go on: the last id; None if these were the last.
    """

    series: CachedSeries
    dimension: DimensionFacts
    members: tuple[MemberFacts, ...]
    total: int
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberQuery:
    """Which members a caller wants to see.

    Attributes:
        search: Only those whose id or label holds this text; empty for all.
        filters: Only those that occur together with these members of other dimensions; what it
            says of the dimension itself is left aside, as a picker must show all choices.
        excluded: Not those that occur with these members of other dimensions alone.
        prefixes: Only those that occur together with members of other dimensions that begin so.
        after: Only those behind this id; None for all.
        limit: At most this many.
    """

    search: str = ""
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    after: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class _Counted:
    """The members that were counted of a dataset.

    Attributes:
        rows: Whose they are; not kept alive for their sake.
        read_at: When their texts were read; None if there are none.
        members: Those of each dimension that was asked for.
    """

    rows: weakref.ref[pa.Table]
    read_at: datetime | None
    members: dict[str, tuple[MemberFacts, ...]] = field(default_factory=dict)


class Pickers:
    """Tells what there is to choose from, from the cache alone.

    Args:
        catalogue: Which datasets exist.
        cache: Where versions are kept.
        labels: Where labels are kept.
        standing: Judges versions.
    """

    def __init__(
        self,
        catalogue: DatasetCatalogue,
        cache: CacheRepository,
        labels: LabelStore,
        standing: Standing,
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._labels = labels
        self._standing = standing
        self._counted: dict[str, _Counted] = {}

    async def dataset(self, dataset: str) -> DatasetFacts:
        """Describe the version of a dataset that is served.

        Raises:
            UnknownDatasetError: No dataset has this name.
            CacheError: There is nothing to serve.
        """
        return await asyncio.to_thread(self._describe, dataset)

    async def members(self, dataset: str, dimension: str, query: MemberQuery) -> MemberChoice:
        """List members of a dimension.

        Args:
            dataset: Name of the dataset.
            dimension: With its prefix or without, `dim_region` or `region`.
            query: Which of its members.

        Raises:
            UnknownDatasetError: No dataset has this name.
            UnknownDimensionError: The series has no such dimension.
            BadQueryError: It has no such dimension or member to filter by.
            CacheError: There is nothing to serve.
        """
        return await asyncio.to_thread(self._choose, dataset, dimension, query)

    def _describe(self, dataset: str) -> DatasetFacts:
        series, labels = self._load(dataset)
        stored = series.metadata.grain
        return DatasetFacts(
            series=series,
            freshness=self._standing.of(series).freshness,
            grains=tuple(grain for grain in Grain if not is_finer(grain, stored)),
            dimensions=tuple(
                self._facts(series, labels, name) for name in dimensions_of(series.rows.schema)
            ),
            labels=labels,
        )

    def _choose(self, dataset: str, dimension: str, query: MemberQuery) -> MemberChoice:
        series, labels = self._load(dataset)
        names = dimensions_of(series.rows.schema)
        try:
            name = names[dimension_place(dimension, names, "The path")]
        except BadQueryError as error:
            raise UnknownDimensionError(error.problem, next_step=error.next_step) from error
        rows = _narrowed(series.rows, name, query)
        found = (
            self._members(series, labels, name)
            if rows is series.rows
            else count_members(rows, name, _of(labels, name).members)
        )
        matching = searched(found, query.search) if query.search else found
        # By code points, which is the order of the ids' UTF-8 bytes.
        rest = [m for m in matching if query.after is None or m.id > query.after]
        shown = tuple(rest[: query.limit])
        return MemberChoice(
            series=series,
            dimension=self._facts(series, labels, name),
            members=shown,
            total=len(matching),
            after=shown[-1].id if len(rest) > len(shown) else None,
        )

    def _load(self, dataset: str) -> tuple[CachedSeries, Labels | None]:
        if dataset not in self._catalogue.names:
            near = ", ".join(nearest_first(dataset, self._catalogue.names))
            raise UnknownDatasetError(
                f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {near}."
            )
        series = self._cache.load(dataset)
        labels = self._labels.last(dataset)
        # Labels of another definition may name other columns alike.
        same = labels and labels.definition_hash == series.metadata.definition_hash
        return series, labels if same else None

    def _facts(self, series: CachedSeries, labels: Labels | None, name: str) -> DimensionFacts:
        members = self._members(series, labels, name)
        return DimensionFacts(
            name=name,
            source=series.metadata.dimensions.get(name, ""),
            label=_of(labels, name).label,
            members=len(members),
            labelled=sum(bool(member.label) for member in members),
        )

    def _members(
        self, series: CachedSeries, labels: Labels | None, name: str
    ) -> tuple[MemberFacts, ...]:
        """Return all members of a dimension; they are counted once for rows and texts."""
        dataset = series.metadata.dataset
        read_at = None if labels is None else labels.read_at
        known = self._counted.get(dataset)
        if known is None or known.rows() is not series.rows or known.read_at != read_at:
            known = _Counted(weakref.ref(series.rows), read_at)
            self._counted[dataset] = known
        if name not in known.members:
            texts = _of(labels, name).members
            known.members[name] = count_members(series.rows, name, texts)
        return known.members[name]


def _of(labels: Labels | None, name: str) -> DimensionLabels:
    return _NO_LABELS if labels is None else labels.dimensions.get(name, _NO_LABELS)


def _narrowed(rows: pa.Table, chosen: str, query: MemberQuery) -> pa.Table:
    """Return the rows that a query's filters on other dimensions than the chosen one leave."""
    names, found = dimensions_of(rows.schema), rows
    for mark, wanted in (
        ("", query.filters),
        (EXCLUDED_MARK, query.excluded),
        (PREFIX_MARK, query.prefixes),
    ):
        for other, texts in wanted.items():
            name = names[dimension_place(other, names, other + mark)]
            if name == chosen:
                continue
            members = pc.unique(rows[name]).to_pylist()
            named = [_meant(text, members, name, mark) for text in texts]
            keep = {member for some in named for member in some}
            if mark == EXCLUDED_MARK:
                keep = set(members) - keep
            found = having(found, name, keep)
    return found


def _meant(text: str, members: Sequence[str], dimension: str, mark: str) -> list[str]:
    if mark == PREFIX_MARK:
        found, what = [one for one in members if one.startswith(text)], "member that begins with"
    else:
        found, what = [one for one in members if one == text], "member"
    if not found:
        listed = ", ".join(nearest_first(text, members, _SHOWN)) or "none"
        raise BadQueryError(
            f"{dimension} has no {what} '{text[:80]}'.",
            parameter=dimension + mark,
            next_step=f"Members: {listed}.",
        )
    return found
