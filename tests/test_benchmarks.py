"""The benchmark runs, and its figures are those of right results. No time is tested."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.runs import BARE, DLT, OURS_FEW, ROOT


def test_the_benchmark_runs_on_a_few_rows() -> None:
    """Ours and the bare client read two pages, and the exact total is found in the cache."""
    sizes = ("--pages", "2", "--page-rows", "100", "--rounds", "1")
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *sizes, "--without", DLT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"| {OURS_FEW} |" in done.stdout
    assert f"| {BARE} |" in done.stdout
