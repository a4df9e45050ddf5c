"""Bare FastAPI routes: the parameters of `GET /series`, answered with bytes from a file.

`python -m uvicorn tests.benchmarks.serving.bare:app`; `BARE_BODY` names the file.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from app.api.params import series_request

ETAG = '"bare"'
BODY = Path(os.environ["BARE_BODY"]).read_bytes()
app = FastAPI()


async def same(**asked: object) -> Response:
    """Answer with the bytes; the framework has read and checked every parameter."""
    del asked
    return Response(BODY, media_type="application/json", headers={"ETag": ETAG})


async def unchanged(request: Request) -> Response:
    """Answer that the caller has it."""
    if request.headers.get("If-None-Match") == ETAG:
        return Response(status_code=304, headers={"ETag": ETAG})
    return Response(BODY, media_type="application/json", headers={"ETag": ETAG})


_asked = inspect.signature(series_request, eval_str=True).parameters.values()
same.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [one for one in _asked if one.annotation is not Request]
)
app.get("/same")(same)
app.get("/unchanged")(unchanged)
