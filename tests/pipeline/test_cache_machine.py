"""Whatever is done to a cache in whatever order, its readers see whole versions and no lies."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.errors import CacheCorruptError, UnknownVersionError
from app.pipeline.cache import DeltaCache
from app.pipeline.history import Pin
from app.pipeline.retention import Retention
from app.pipeline.series_table import SeriesTable
from app.pipeline.table_files import file_sizes
from app.records import CachedSeries, SeriesMetadata
from tests.pipeline.samples import REFRESHED, metadata_of, three_months


@dataclass
class Version:
    """What the model knows of one version.

    Attributes:
        number: Which rows it shows.
        hours: When the source confirmed them, in hours after the first refresh.
        file: Which save wrote its data.
        restored: The version that it brought back.
    """

    number: int
    hours: int
    file: int
    restored: int | None = None


class CacheMachine(RuleBasedStateMachine):
    """A cache of one dataset, two readers with a memory each, and a model of all versions."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.writer = DeltaCache(self.root)
        self.readers = [DeltaCache(self.root), DeltaCache(self.root)]
        self.seen = [-1, -1]
        self.versions: dict[int, Version] = {}
        self.broken: set[int] = set()
        self.hours = 0
        self.saves = 0

    def teardown(self) -> None:
        """Throw the cache away."""
        shutil.rmtree(self.root)

    @property
    def whole(self) -> list[int]:
        """The versions whose data nobody has broken, oldest first."""
        return [n for n, one in sorted(self.versions.items()) if one.file not in self.broken]

    @property
    def newest(self) -> int:
        """The number of the newest version, broken or not."""
        return max(self.versions)

    @property
    def is_whole(self) -> bool:
        """Whether the newest version is whole."""
        return self.whole[-1:] == [self.newest]

    @initialize(number=st.integers(0, 3))
    def first(self, number: int) -> None:
        """Refresh for the first time."""
        self.save(number)

    @rule(number=st.integers(0, 3))
    def save(self, number: int) -> None:
        """A refresh finds new rows."""
        self.hours += 1
        self.published(self.writer.save(*self.pulled(number)), self.new(number))

    @precondition(lambda self: self.is_whole)
    @rule()
    def touch(self) -> None:
        """A refresh finds the same rows."""
        self.hours += 1
        current = self.versions[self.newest]
        _, metadata = self.pulled(current.number)
        told = replace(current, hours=self.hours, restored=None)
        self.published(self.writer.touch(metadata), told)

    @precondition(lambda self: not self.is_whole)
    @rule()
    def touch_broken(self) -> None:
        """A refresh must not confirm rows that nobody can read; nothing is published."""
        _, metadata = self.pulled(self.versions[self.newest].number)
        try:
            self.writer.touch(metadata)
        except CacheCorruptError:
            return
        raise AssertionError("broken rows were confirmed")

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """An operator shows an older version again."""
        version = data.draw(st.sampled_from(sorted(self.versions)))
        old = self.versions[version]
        if version not in self.whole:
            try:
                self.writer.roll_back("sales", version)
            except CacheCorruptError:
                return
            raise AssertionError("a broken version was brought back")
        same = self.is_whole and self.versions[self.newest].number == old.number
        file = self.versions[self.newest].file if same else self.new(0).file
        back = self.writer.roll_back("sales", version)
        self.published(back, replace(old, file=file, restored=version))

    @precondition(lambda self: self.whole)
    @rule(keep=st.integers(1, 3), grace=st.booleans())
    def vacuum(self, keep: int, grace: bool) -> None:
        """An operator cleans; what is served, and all within the grace period, stays."""
        rules = Retention(versions=keep, grace=timedelta(hours=1 if grace else 0))
        before = self.writer.load("sales")
        try:
            cleaned = self.writer.vacuum("sales", rules)
        except CacheCorruptError:
            assert not self.is_whole
            return
        assert self.is_whole
        assert cleaned.oldest <= before.version
        assert not (grace and cleaned.versions)
        assert self.writer.load("sales").version == before.version
        self.versions = {n: one for n, one in self.versions.items() if n >= cleaned.oldest}
        assert self.writer.versions("sales") == tuple(sorted(self.versions))

    @precondition(lambda self: len(self.whole) > 1)
    @rule(data=st.data(), how=st.sampled_from(["gone", "cut", "flipped"]))
    def damage(self, data: st.DataObject, how: str) -> None:
        """A data file breaks."""
        version = data.draw(st.sampled_from(self.whole))
        table = SeriesTable("sales", str(self.root / "sales"), {})
        (name,) = file_sizes(table.open_version(version))
        path = self.root / "sales" / name
        content = bytearray(path.read_bytes())
        content[60] ^= 1
        path.unlink() if how == "gone" else path.write_bytes(
            content if how == "flipped" else content[: len(content) // 2]
        )
        self.broken.add(self.versions[version].file)

    @precondition(lambda self: self.whole and not self.is_whole)
    @rule()
    def repair(self) -> None:
        """An operator puts the last whole version on top."""
        last = self.whole[-1]
        old = self.versions[last]
        series = self.writer.repair("sales")
        assert series is not None
        restored = last if old.restored is None else old.restored
        self.published(series, replace(old, file=self.new(0).file, restored=restored))

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        """A process starts anew and forgets what it had in memory."""
        self.readers[which] = DeltaCache(self.root)
        self.writer = DeltaCache(self.root)

    @rule(data=st.data(), which=st.integers(0, 1))
    def read_pinned(self, data: st.DataObject, which: int) -> None:
        """A reader asks for one version, and gets exactly this one or an error."""
        version = data.draw(st.integers(0, self.newest + 1))
        try:
            series = self.readers[which].load("sales", Pin(version))
        except UnknownVersionError:
            assert version not in self.versions
        except CacheCorruptError:
            assert version not in self.whole
        else:
            self.is_as_saved(series, version)

    @invariant()
    def readers_see_the_last_whole_version(self) -> None:
        """All readers agree; versions go back only with a warning that says so."""
        for which, reader in enumerate(self.readers):
            if not self.versions:
                continue
            try:
                series = reader.load("sales")
            except CacheCorruptError:
                assert not self.whole
                continue
            self.is_as_saved(series, self.whole[-1])
            assert (series.warning is None) == self.is_whole
            if series.warning is None:
                assert series.version >= self.seen[which]
                self.seen[which] = series.version

    def is_as_saved(self, series: CachedSeries, version: int) -> None:
        """Check that a series is a version of the model, rows and time and all."""
        told = self.versions[version]
        assert series.version == version
        assert series.rows.equals(three_months(float(told.number)))
        assert series.metadata.last_refresh_time == REFRESHED + timedelta(hours=told.hours)
        assert series.metadata.restored_version == told.restored

    def pulled(self, number: int) -> tuple[pa.Table, SeriesMetadata]:
        """Return what a refresh of now publishes."""
        rows = three_months(float(number))
        return rows, metadata_of(rows, refreshed=REFRESHED + timedelta(hours=self.hours))

    def new(self, number: int) -> Version:
        """Return a version with data of its own."""
        self.saves += 1
        return Version(number, self.hours, self.saves)

    def published(self, series: CachedSeries, told: Version) -> None:
        """Take a version into the model; each is one more than the last."""
        assert series.version == max(self.versions, default=-1) + 1
        self.versions[series.version] = told


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
