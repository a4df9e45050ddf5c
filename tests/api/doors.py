"""Several apps on one set of services: the same service entered by different doors."""

from __future__ import annotations

import httpx

from app.api import ApiOptions, SeriesApp, install_api
from tests.api.bench import Bench

CHANGING = {"x-request-id"}


def entered(bench: Bench, *, without: object = None, room_bytes: int = 0) -> SeriesApp:
    """Return an app on the services of a bench.

    Args:
        bench: Whose services.
        without: A middleware to leave out.
        room_bytes: Of the answer lane; 0 for no lane.
    """
    app = SeriesApp()
    install_api(app, ApiOptions(answer_cache_bytes=room_bytes))
    app.user_middleware = [one for one in app.user_middleware if one.cls != without]
    app.state.services = bench.services
    return app


def client_of(app: SeriesApp) -> httpx.AsyncClient:
    """Return a client of an app."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")


def told(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Return all that a response tells, but for the id of its request."""
    headers = {k: v for k, v in response.headers.items() if k not in CHANGING}
    own = response.headers["x-request-id"].encode()
    return response.status_code, headers, response.content.replace(own, b"(id)")
