"""Uses a cache from a process that may not write, may not look, or finds no room: `ROOT FAULT`.

The result is one line of JSON: what a load and a save of `sales` said. Everything that Python
loads late is loaded before the fault, for it may lie where the process may not look either.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from app.errors import SeriesError
from app.pipeline.cache import DeltaCache
from app.pipeline.contract import series_schema, sort_series
from tests.pipeline.samples import metadata_of

NOBODY = 65534


def large() -> pa.Table:
    """Return rows that need more room than there is, however they are packed."""
    dice = random.Random(1)
    names = [dice.randbytes(20).hex() for _ in range(20_000)]
    dates = pa.array([19_723] * len(names), pa.int32()).cast(pa.date32())
    columns = [dates, pa.array([float(n) for n in range(len(names))]), pa.array(names)]
    return sort_series(pa.Table.from_arrays(columns, schema=series_schema(["dim_region"])))


def said(root: Path, what: str) -> dict[str, object]:
    """Return what a load or a save ended with."""
    cache = DeltaCache(root)
    try:
        if what == "load":
            series = cache.load("sales")
        else:
            rows = large()
            series = cache.save(rows, metadata_of(rows))
    except SeriesError as error:
        return {"code": error.code, "problem": error.problem, "next_step": error.next_step}
    return {"version": series.version, "warning": series.warning}


def main(root: Path, fault: str) -> None:
    """Meet the fault and tell what was said."""
    with tempfile.TemporaryDirectory() as warm:
        said(Path(warm), "save")
        said(Path(warm), "load")
        said(Path(warm) / "none", "load")
    if fault == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    if fault == "nobody":
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    sys.stdout.write(json.dumps({what: said(root, what) for what in ("load", "save")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
