"""How the clients are set up, and the keyword arguments of their calls."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, TypedDict

import httpx

from app.client.calls import Members, Names

# A refresh answers when its pull has ended, which the service bounds by itself.
PATIENT: Final = httpx.Timeout(60.0, read=None)


class SeriesOptions(TypedDict, total=False):
    """The keyword arguments of a query; `app.client.calls.Query` explains them."""

    start: date | str | None
    end: date | str | None
    first: int | None
    last: int | None
    grain: str | None
    agg: str | None
    group_by: Names | None
    where: Members
    exclude: Members
    prefix: Members
    fill: str | None
    transform: str | None
    sort: Names | None
    limit: int | None
    version: int | None
    as_of: str | None
    allow_expired: bool


class RefreshOptions(TypedDict, total=False):
    """The keyword arguments of a refresh.

    Attributes:
        source: Pull from this source instead of the dataset's own.
        full: Pull everything, also if the dataset has a window.
        verify: Pull both ways and compare.
        force: Publish also what changed more than the dataset allows.
    """

    source: str | None
    full: bool
    verify: bool
    force: bool


class KeyAuth(httpx.Auth):
    """Sends a key with every request; shows nothing of it.

    Args:
        key: A key of the service, or a bearer token.
    """

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Any:  # noqa: ANN401 - httpx names no short type
        """Attach the key."""
        request.headers["Authorization"] = self._header
        yield request


def http_options(url: str, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """Return the arguments of an httpx client.

    Redirects are not followed: the key belongs to the address that the caller named.
    """
    return {
        "base_url": url.rstrip("/"),
        "auth": None if api_key is None else KeyAuth(api_key),
        "timeout": timeout_s,
        "follow_redirects": False,
        "headers": {"User-Agent": "sac-series-client"},
    }
