"""Sends one GET to the export service: with a bearer, retries, a deadline, and checked answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

import httpx

from app.errors import BearerRefusedError, DeadlineExceededError, SourceAnswerError
from app.sac_connector.auth import Clock
from app.sac_connector.clocks import refusal
from app.sac_connector.faults import JSON, data_fault, export_fault
from app.sac_connector.http_answer import Answer
from app.sac_connector.network import CLIENT_ERRORS, transport_fault
from app.sac_connector.retry import Retrier
from app.sac_connector.wire import CUSTOM_AUTH_HEADERS

T = TypeVar("T")
# Far more than a page of data; what is larger would fill the memory.
LARGEST_BODY_BYTES: Final = 256 * 1024 * 1024


class Budget(Protocol):
    """What one pull may still spend."""

    retrier: Retrier

    async def within(self, work: Awaitable[T]) -> T:
        """Await `work`, but not beyond the deadline."""
        ...


class PullBudget:
    """The deadline and the tries of one pull, shared by all its requests.

    Args:
        retrier: Sends a request again.
        deadline_s: Seconds from now for the pull as a whole.
    """

    def __init__(self, retrier: Retrier, deadline_s: float) -> None:
        self.retrier = retrier
        self._deadline_s = deadline_s
        self._ends_at = asyncio.get_running_loop().time() + deadline_s

    async def within(self, work: Awaitable[T]) -> T:
        """Await `work`, but not beyond the deadline.

        Raises:
            DeadlineExceededError: The time is up.
        """
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await work
        except TimeoutError as error:
            raise DeadlineExceededError(
                f"The pull took longer than {self._deadline_s:g} seconds and was stopped; "
                "nothing was published.",
                next_step="Narrow SAC_FILTER, or raise SAC_PULL_DEADLINE_S.",
            ) from error


class ExportTransport:
    """GETs from one tenant's export service.

    Args:
        client: Sends requests. Redirects are never followed, whatever it is set to.
        auth: Attaches the bearer, anew at every attempt.
        clock: Turns a `Retry-After` date into seconds.
        parallel: Requests at once, over all pulls of this tenant.
    """

    def __init__(
        self, client: httpx.AsyncClient, auth: httpx.Auth, clock: Clock, parallel: int = 1
    ) -> None:
        self._client = client
        self._auth = auth
        self._clock = clock
        self._places = asyncio.Semaphore(parallel)

    async def get(self, url: str, budget: Budget, kind: str = JSON) -> bytes:
        """Return the body of a good answer.

        Args:
            url: The address, with its query as it is to be sent.
            budget: Tries and time.
            kind: What the content type must name, `json` or `xml`.

        Raises:
            SourceError: The request was refused, failed for good, or time or tries ran out.
        """
        return await budget.within(budget.retrier.call(lambda: self._get_once(url, kind)))

    async def _get_once(self, url: str, kind: str) -> bytes:
        headers = {"Accept": f"application/{kind}", **CUSTOM_AUTH_HEADERS}
        try:
            async with (
                self._places,
                self._client.stream(
                    "GET", url, auth=self._auth, headers=headers, follow_redirects=False
                ) as response,
            ):
                answer = Answer.of(response, await _read(response))
        except CLIENT_ERRORS as error:
            raise transport_fault(error, url) from error
        now = self._clock.now()
        fault = export_fault(answer, now) or data_fault(answer, kind)
        if isinstance(fault, BearerRefusedError):
            shown = response.request.headers.get("authorization", "")
            reason = refusal(shown, response.headers, now).reason
            fault.next_step = f"{reason} {fault.next_step}".lstrip()
        if fault is not None:
            raise fault
        return answer.data


async def _read(response: httpx.Response) -> bytes:
    """Return the body, decompressed.

    Not by `aread()`: a response that knows its body keeps it until the garbage collector comes by.

    Raises:
        SourceAnswerError: The body is too large.
    """
    parts, size_bytes = list[bytes](), 0
    async for part in response.aiter_bytes():
        size_bytes += len(part)
        if size_bytes > LARGEST_BODY_BYTES:
            raise SourceAnswerError(
                f"SAP Analytics Cloud sent an answer of more than {LARGEST_BODY_BYTES >> 20} MB.",
                next_step="Lower SAC_PAGE_SIZE.",
            )
        parts.append(part)
    return b"".join(parts)
