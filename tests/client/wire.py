"""Answers as the service gives them, for tests that speak to none."""

from __future__ import annotations

import io
from typing import Final

import httpx
import pyarrow as pa

URL: Final = "http://service.example:8000"
KEY: Final = "made-up-key"


def rows(*values: float | None) -> pa.Table:
    """Return points of one region, a day each."""
    return pa.table(
        {
            "date": pa.array(range(len(values)), pa.date32()),
            "value": pa.array(values, pa.float64()),
            "dim_region": pa.array(["Zürich"] * len(values)).dictionary_encode(),
        }
    )


def stream(table: pa.Table) -> bytes:
    """Return an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def points(*values: float | None, **headers: str) -> httpx.Response:
    """Answer with points; underscores in header names stand for hyphens."""
    told = {"ETag": '"a"', "X-Series-Version": "4", "X-Series-Freshness": "fresh", "Age": "60"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, content=stream(rows(*values)), headers=told)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """Answer with a problem."""
    body = {
        "type": f"/problems/{code}",
        "title": "It failed",
        "status": status,
        "detail": "It failed. Try again.",
        "code": code,
        "later": "a field that this client does not know",
    }
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    told["Content-Type"] = "application/problem+json"
    return httpx.Response(status, json=body, headers=told)


FRESH: Final = {"state": "fresh", "age_s": 0, "more": 1}
REFRESHED: Final = {
    "dataset": "default",
    "status": "refreshed",
    "version": 4,
    "warning": None,
    "warning_code": None,
    "freshness": FRESH,
    "metadata": {"row_count": 3},
    "report": None,
}
RUNNING: Final = {"id": "o/1", "dataset": "default", "state": "running", "progress": {"rows": 1}}
DONE: Final = {"id": "o/1", "dataset": "default", "state": "succeeded", "result": REFRESHED}
