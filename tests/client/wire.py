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


def stream(table: pa.Table, **said: str) -> bytes:
    """Return an Arrow stream of all rows there are, or what is said of them instead."""
    beside = {"version": "4", "freshness": "fresh"} | said
    total = beside.pop("total", str(table.num_rows))
    table = table.replace_schema_metadata(beside | {"sac_series": f'{{"total":{total},"more":1}}'})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def points(*values: float | None, etag: str = '"a"', **said: str) -> httpx.Response:
    """Answer with points and what is said of them."""
    headers = {"ETag": etag, "Age": "60"}
    return httpx.Response(200, content=stream(rows(*values), **said), headers=headers)


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
