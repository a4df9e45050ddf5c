"""Gets the documents of an issuer: a time-out, a size, and no redirect."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httpx

from app.errors import ConfigError, IssuerUnavailableError

TIMEOUT_S: Final = 5.0
LARGEST_BYTES: Final = 512 * 1024


class IssuerFetch:
    """Gets one document a call, over a connection of its own: it is asked for every ten minutes.

    Args:
        open_client: Opens a client for an address; it must not follow redirects.
    """

    def __init__(self, open_client: Callable[[str], httpx.AsyncClient]) -> None:
        self._open_client = open_client

    async def __call__(self, url: str) -> bytes:
        """Return the document at an address.

        Raises:
            IssuerUnavailableError: There is none, or it is too large.
        """
        try:
            async with (
                self._open_client(url) as client,
                client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
            ):
                if answer.status_code != HTTPStatus.OK:
                    raise IssuerUnavailableError(f"{url} answered {answer.status_code}")
                return await _body(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise IssuerUnavailableError(f"{url}: {type(error).__name__}") from error
        except ConfigError as error:
            raise IssuerUnavailableError(f"{url}: {error.problems[0]}") from error


async def _body(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > LARGEST_BYTES:
            raise IssuerUnavailableError(f"{answer.url} sent more than {LARGEST_BYTES} bytes")
    return bytes(body)
