"""The benchmark runs, and its figures are those of right results. No time is tested."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.benchmarks.runs import BARE, DLT, OURS_FEW, ROOT
from tests.benchmarks.serving import report
from tests.benchmarks.serving.runs import Results
from tests.benchmarks.serving.servers import Load, missing


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


@pytest.mark.skipif(bool(missing()), reason="wrk, roapi or Datasette is not installed")
def test_the_serving_benchmark_runs_on_a_few_rows() -> None:
    """All servers give the same rows to the same questions, and no line of the table is missing."""
    sizes = ("--rows", "6000", "--seconds", "1", "--rounds", "1")
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.serving", *sizes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for promise in report.PROMISES:
        for kind in promise.kinds:
            assert f"| {kind} | ours |" in done.stdout


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever lacks wrk is told how to get it."""
    monkeypatch.setenv("PATH", "")
    assert missing()[0] == "wrk (apt-get install wrk)"


def test_a_mix_takes_the_time_of_all_its_kinds() -> None:
    """Of two kinds, one answered 100 and one 300 times a second, 150 are answered in turn."""
    results: Results = {
        "a": {"ours": [Load(100, 1)], "other": [Load(10, 1)]},
        "b": {"ours": [Load(300, 1)], "other": [Load(30, 1)]},
    }
    both = report.Promise("both", ("a", "b"), ("other",), 10)
    assert report.ratio(results, both) == pytest.approx(10)
    results["b"]["other"] = [Load(3_000, 1)]
    assert report.ratio(results, both) == pytest.approx(150 / (2 / (1 / 10 + 1 / 3_000)))
