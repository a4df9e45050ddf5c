"""Memory: a pull holds a page or two and the series, however many rows there are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT_MB: Final = 300
# What a peak varies by from run to run: allocators keep memory as they see fit.
NOISE_MB: Final = 60


def measured(rows: int) -> dict[str, Any]:
    """Pull this many rows in a process of its own and return what that took."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.page_server", str(rows)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        if server.stdout is None or server.stdin is None:
            raise RuntimeError("the server has no pipes")
        url = server.stdout.readline().strip()
        done = subprocess.run(
            [sys.executable, "-m", "tests.e2e.big_pull", url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        server.stdin.close()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_memory_does_not_grow_with_the_rows(
    record_property: Callable[[str, object], None],
) -> None:
    """Two million rows need little, and nearly the same as one million."""
    one, two = measured(1_000_000), measured(2_000_000)
    record_property("summary", f"1M rows {one['mb']:.0f} MB, 2M rows {two['mb']:.0f} MB above idle")
    assert (one["rows"], two["rows"]) == (1_000_000, 2_000_000)
    assert one["points"] == two["points"]
    # A page of fifty thousand rows is not nothing, or the measure is wrong.
    assert 10 < two["mb"] < LIMIT_MB
    assert two["mb"] < one["mb"] + NOISE_MB
