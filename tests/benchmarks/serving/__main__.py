"""Drives our service, roapi, Datasette and bare routes with the same questions.

Times may disappoint, and are told; only other rows are an error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.report import write
from tests.benchmarks.serving import report
from tests.benchmarks.serving.data import MONTHS, keys_of, laid_out, rows_of
from tests.benchmarks.serving.runs import Bench
from tests.benchmarks.serving.servers import missing


def main() -> int:
    """Run, and print or write the tables; a missing tool skips it all."""
    arguments = _arguments()
    if lacking := missing():
        _say(f"The serving benchmark is skipped. It needs: {', '.join(lacking)}.")
        return 0
    rows = rows_of(arguments.rows // MONTHS)
    with tempfile.TemporaryDirectory() as folder:
        places = laid_out(rows, Path(folder))
        bench = Bench(places, keys_of(rows), Path(folder), arguments.seconds)
        bench.distinct(arguments.rounds)
        bench.repeated(arguments.rounds)
    found = report.text(bench.results, rows.num_rows, arguments.seconds)
    _say(found)
    if arguments.write is not None:
        write(arguments.write, found, (report.START, report.END))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.serving", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_020)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="the page to put the tables into")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
