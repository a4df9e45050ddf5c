"""Compares our refresh with dlt and with the bare HTTP client, on the same pages.

Times may disappoint, and are told; only a wrong result is an error.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from tests.benchmarks import report, runs
from tests.benchmarks.facts import ALL, FEW, Facts
from tests.benchmarks.meter import Measured


def main() -> int:
    """Run, print the tables, and return 1 if a result is wrong."""
    arguments = _arguments()
    facts = Facts(arguments.pages, arguments.page_rows)
    known = runs.contenders(facts)
    chosen = [contender for name, contender in known.items() if name not in arguments.without]
    results: dict[str, list[Measured]] = defaultdict(list)
    with runs.static_tenant(facts) as url:
        for name, found in runs.interleaved(chosen, url, arguments.rounds):
            results[name].append(found)
            _say(f"{name}: {found.wall_s:.2f} s, {found.peak_mb:.0f} MB")
        stages = {"2 dimensions": runs.stages(url, FEW), "8 dimensions": runs.stages(url, ALL)}
    ordered = {contender.name: results[contender.name] for contender in chosen}
    text = report.tables(ordered, stages, facts)
    _say(f"\n{text}\n")
    wrong = report.faults(ordered, facts)
    if wrong:
        sys.stderr.write("\n".join(["The results are wrong.", *wrong]) + "\n")
    elif arguments.write is not None:
        report.write(arguments.write, text)
    return int(bool(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--pages", type=int, default=Facts().pages)
    parser.add_argument("--page-rows", type=int, default=Facts().page_rows)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", action="append", default=[], choices=[runs.DLT, runs.OURS_ALL])
    parser.add_argument("--write", type=Path, help="the page to put the tables into")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
