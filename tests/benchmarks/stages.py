"""Times the stages of a refresh one after the other, without any overlap."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter

import httpx
import pyarrow as pa

from app.pipeline.cache import DeltaCache
from app.pipeline.contract import content_hash, dimension_names, validate
from app.pipeline.normalize import NormalizedSeries, Normalizer
from app.records import DEFAULT_DATASET, DatasetDefinition, Page, SeriesMetadata
from app.sac_connector.answers import RowDecoder, decode_envelope, outline
from tests.benchmarks.facts import DATE, FILTER, MODEL, VALUE
from tests.benchmarks.meter import tell
from tests.benchmarks.server import FACTS_PATH, TOKEN


@dataclass(slots=True)
class Stages:
    """How long each stage took over all pages.

    Attributes:
        seconds: Wall time by stage, in the order in which the stages began.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the context to a stage."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started


def timed(url: str, dimensions: tuple[str, ...]) -> Stages:
    """Refresh by hand, stage by stage."""
    stages = Stages()
    definition = DatasetDefinition(
        name=DEFAULT_DATASET,
        source="sac",
        model_id=MODEL,
        date_column=DATE,
        value_column=VALUE,
        dimensions=dimensions,
        filter=FILTER,
    )
    series = _series(url, definition, stages)
    _publish(series, definition, stages)
    return stages


def _series(url: str, definition: DatasetDefinition, stages: Stages) -> NormalizedSeries:
    decoder = RowDecoder((definition.date_column, *definition.dimensions), definition.value_column)
    normalizer = Normalizer(definition)
    link: str | None = f"{url}{FACTS_PATH}"
    number = 0
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60.0) as client:
        while link:
            number += 1
            with stages.stage("read"):
                body = client.get(link).content
            with stages.stage("envelope"):
                envelope = outline(body) or decode_envelope(body)
            with stages.stage("decode"):
                rows = decoder.decode(envelope.value, number)
            with stages.stage("normalise"):
                normalizer.add(Page(number, rows, len(body)))
            link = envelope.next_link
    with stages.stage("finish"):
        return normalizer.finish()


def _publish(series: NormalizedSeries, definition: DatasetDefinition, stages: Stages) -> None:
    rows: pa.Table = series.rows
    with stages.stage("hash"):
        digest = content_hash(rows)
    with stages.stage("validate"):
        validate(rows, definition.grain)
    metadata = SeriesMetadata(
        dataset=definition.name,
        source=definition.source,
        last_refresh_time=datetime.now(UTC),
        row_count=rows.num_rows,
        min_date=series.min_date,
        max_date=series.max_date,
        dimensions=dimension_names(definition.dimensions),
        content_hash=digest,
    )
    with tempfile.TemporaryDirectory() as folder, stages.stage("check and commit"):
        DeltaCache(folder).save(rows, metadata)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="Times the stages of a refresh.")
    parser.add_argument("url")
    parser.add_argument("dimensions", nargs="+")
    arguments = parser.parse_args()
    tell(timed(arguments.url, tuple(arguments.dimensions)))


if __name__ == "__main__":
    main()
