"""A client whose requests are traced: where they went and how they ended, not what they said."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import httpx
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import Attributes
from typing_extensions import override

from app.spans import PROPAGATOR, fail, span

_PORTS: Final = {"http": 80, "https": 443}


class TracedClient(httpx.AsyncClient):
    """Times every request until its answer begins; what it takes to read it is the pull's time."""

    @override
    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        # The path names a model at most; the query names members, and is left out.
        known: Attributes = {
            "http.request.method": request.method,
            "server.address": request.url.host,
            "server.port": request.url.port or _PORTS.get(request.url.scheme, 0),
            "url.path": request.url.path,
        }
        with span(request.method, known, kind=SpanKind.CLIENT) as found:
            # A caller's own trace ends here while nothing is traced.
            if found.is_recording():
                PROPAGATOR.inject(request.headers)
            response = await super().send(request, **options)
            found.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                fail(found, str(response.status_code))
        return response
