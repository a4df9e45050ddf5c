"""Try the pipeline offline: `python -m demo.smoke` prints `SMOKE OK`.

Fixture, normalise, save, load, query: in a folder of its own, so that no cache is touched.
"""

import asyncio
import sys
import tempfile

from app.config import load_settings
from app.errors import SeriesError
from app.observability.logs import configure_logging
from app.observability.masking import Masker
from app.pipeline.query import SeriesQuery
from app.records import DEFAULT_DATASET, RefreshStatus
from app.wiring import open_services
from demo.refresh import Source


async def smoke(cache_uri: str) -> str:
    """Refresh twice from the fixture and read the series back.

    Returns:
        What was done, in a line.

    Raises:
        SeriesError: A step failed.
        RuntimeError: The second refresh or the series that was read back is not the same.
    """
    settings = load_settings(env_file=None).model_copy(update={"cache_uri": cache_uri})
    masker = Masker()
    configure_logging("error", settings.log_format, masker)
    async with open_services(settings, masker) as services:
        first = await services.refresh.refresh(DEFAULT_DATASET, source=Source.FIXTURE)
        again = await services.refresh.refresh(DEFAULT_DATASET, source=Source.FIXTURE)
        (view,) = (await services.reader.read((), SeriesQuery())).views
    meta = first.metadata
    if again.status is not RefreshStatus.UNCHANGED or again.metadata.max_date != meta.max_date:
        raise RuntimeError(f"a second refresh of the same file is '{again.status}'")
    if view.result.rows.num_rows != meta.row_count or not meta.row_count:
        raise RuntimeError(f"{meta.row_count} rows saved, {view.result.rows.num_rows} read back")
    return f"{meta.row_count} rows, {meta.min_date} to {meta.max_date}, refreshed twice, read back"


def main() -> int:
    """Print `SMOKE OK` or what failed, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = asyncio.run(smoke(folder))
        except (SeriesError, RuntimeError) as error:
            print(f"SMOKE FAILED: {error}", file=sys.stderr)
            return 1
    print(done)
    print("SMOKE OK")
    return 0


if __name__ == "__main__":
    sys.exit(main())
