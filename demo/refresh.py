"""Refresh the cache: `python -m demo.refresh --source sac` (or `--source fixture`, offline).

Exits with 0 if there is data to show, also when it is the cache's because the pull failed (the
warning says so on stdout); with 1 if there is nothing to show.
"""

import asyncio
import sys
from enum import StrEnum
from typing import Annotated

import typer

from app.config import Settings, load_settings
from app.errors import SeriesError
from app.observability.logs import configure_logging
from app.observability.masking import Masker
from app.records import DEFAULT_DATASET, RefreshOptions, RefreshOutcome
from app.wiring import open_services
from demo.progress import shown


class Source(StrEnum):
    """Where to pull from."""

    SAC = "sac"
    FIXTURE = "fixture"


async def refresh(
    settings: Settings, dataset: str, source: Source | None, options: RefreshOptions
) -> RefreshOutcome:
    """Run the refresh service, as `POST /refresh` does.

    Args:
        settings: The tenant and the cache.
        dataset: Name of the dataset.
        source: Where to pull from; None for the dataset's own source.
        options: Everything, both ways compared, or whatever changed.

    Raises:
        SeriesError: The pull failed and there is no cache.
    """
    masker = Masker()
    # The outcome is printed below; a log line with the same words would be noise.
    configure_logging("error", settings.log_format, masker)
    async with open_services(settings, masker) as services:
        with shown(sys.stderr) as progress:
            return await services.refresh.refresh(
                dataset, source=source, options=options, progress=progress
            )


def summary(outcome: RefreshOutcome, cache_uri: str) -> str:
    """Describe an outcome in a few lines."""
    meta = outcome.metadata
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(meta.skipped.items()))
    lines = [
        f"status     {outcome.status}",
        f"dataset    {outcome.dataset}, version {outcome.version}, in {cache_uri}",
        f"source     {meta.source} {meta.model_id}".rstrip() + f", {meta.value_column}",
        f"refreshed  {meta.last_refresh_time:%Y-%m-%dT%H:%M:%SZ}",
        f"series     {meta.row_count:,} rows, {meta.grain}s {meta.min_date} to {meta.max_date}",
        f"read       {meta.rows_read:,} records" + (f", skipped {skipped}" if skipped else ""),
    ]
    if (report := outcome.report) is not None:
        lines.append(
            f"pull       {report.mode}, {report.pages} pages, {report.bytes:,} bytes in "
            f"{report.seconds:.2f} s, proved by {report.proof}, {report.retries} retries"
        )
    if (verified := outcome.verification) is not None:
        lines.append(f"verified   {verified.points} points, {verified.differing} differ")
        lines += [
            f"           {', '.join(item.key.values())}: {item.aggregates} against {item.facts}"
            for item in verified.differences
        ]
    if (drift := outcome.drift) is not None:
        rows = f"{drift.rows_before:,} to {drift.rows_after:,} rows"
        lines.append(f"drift      {rows}, {drift.history_changed:,} older points changed")
    if outcome.warning:
        lines.append(f"WARNING    {outcome.warning}")
    return "\n".join(lines)


def main(
    source: Annotated[
        Source | None, typer.Option(help="Where to pull from; the dataset's own source if absent.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Name of the dataset.")] = DEFAULT_DATASET,
    full: Annotated[bool, typer.Option("--full", help="Pull more than the window.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Pull both ways and compare.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Publish whatever changed, but nothing empty.")
    ] = False,
) -> None:
    """Pull, normalise and cache a dataset; fall back to the cache if the pull fails."""
    try:
        settings = load_settings()
        options = RefreshOptions(full=full, verify=verify, force=force)
        outcome = asyncio.run(refresh(settings, dataset, source, options))
    except SeriesError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    print(summary(outcome, settings.cache_uri))


if __name__ == "__main__":
    typer.run(main)
