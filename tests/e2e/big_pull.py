"""A process that pulls and normalises a model, and tells what that took.

Run it with `python -m tests.e2e.big_pull URL`; it prints JSON: rows read, points, and peak memory
above what the process needs before it begins.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

import httpx

from app.pipeline.normalize import Normalizer
from app.sac_connector.auth import Credentials
from app.sac_connector.pull import PullLimits
from tests.e2e.page_server import PAGE_ROWS
from tests.sac_connector.rig import DEFINITION, build


def peak_mb() -> float:
    """Return the most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not the usage of Linux: that of a child begins with what its parent held.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000_000


async def main() -> None:
    """Pull, and print what it took."""
    url, idle = sys.argv[1], peak_mb()
    normalizer = Normalizer(DEFINITION)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        credentials = Credentials(f"{url}/oauth/token", "client", "no secret")
        rig = build(client, credentials, url, limits=PullLimits(page_rows=PAGE_ROWS))
        pull = rig.source.pull(DEFINITION)
        async for page in pull.pages():
            await asyncio.to_thread(normalizer.add, page)
    series = normalizer.finish()
    found = {"rows": series.rows_read, "points": series.rows.num_rows, "mb": peak_mb() - idle}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
