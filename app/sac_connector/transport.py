"""Sends one GET to the export service: with a bearer, retries, a deadline, and checked answers."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

import httpx

from app.errors import (
    BearerRefusedError,
    DeadlineExceededError,
    SourceAnswerError,
    SourceError,
)
from app.sac_connector.auth import Clock
from app.sac_connector.bodies import Bodies, Body
from app.sac_connector.clocks import refusal
from app.sac_connector.faults import CLIENT_ERRORS, Answer, export_fault, transport_fault
from app.sac_connector.large_reads import BODIES
from app.sac_connector.retry import Retrier
from app.sac_connector.wire import CUSTOM_AUTH_HEADERS

T = TypeVar("T")
JSON: Final = "json"
XML: Final = "xml"
_LONGEST_TYPE: Final = 60
# Tells a web page from data.
_BEGIN_BYTES: Final = 4096


class Budget(Protocol):
    """What one pull may still spend, and where it keeps what it reads."""

    retrier: Retrier
    bodies: Bodies

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
        self.bodies = Bodies()
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

    async def get(self, url: str, budget: Budget, kind: str = JSON) -> Body:
        """Return the body of a good answer.

        Args:
            url: The address, with its query as it is to be sent.
            budget: Tries and time.
            kind: What the content type must name, `json` or `xml`.

        Raises:
            SourceError: The request was refused, failed for good, or time or tries ran out.
        """
        return await budget.within(budget.retrier.call(lambda: self._get_once(url, budget, kind)))

    async def _get_once(self, url: str, budget: Budget, kind: str) -> Body:
        headers = {"Accept": f"application/{kind}", **CUSTOM_AUTH_HEADERS}
        try:
            async with (
                self._places,
                self._client.stream(
                    "GET",
                    url,
                    auth=self._auth,
                    headers=headers,
                    follow_redirects=False,
                    extensions={BODIES: budget.bodies},
                ) as response,
            ):
                # Not `aread()`: a response that knows its body keeps it until the garbage
                # collector comes by, and bodies are large.
                parts = [part async for part in response.aiter_bytes()]
                body: Body = parts[0] if len(parts) == 1 else b"".join(parts)
        except CLIENT_ERRORS as error:
            raise transport_fault(error, url) from error
        # A byte order mark says nothing of UTF-8, and some gateways put one before it.
        if bytes(body[: len(BOM_UTF8)]) == BOM_UTF8:
            body = body[len(BOM_UTF8) :]
        begin = body if isinstance(body, bytes) else bytes(body[:_BEGIN_BYTES])
        answer, now = Answer(response.status_code, response.headers, begin), self._clock.now()
        fault = export_fault(answer, now) or _wrong_type(answer, kind)
        if isinstance(fault, BearerRefusedError):
            shown = response.request.headers.get("authorization", "")
            reason = refusal(shown, response.headers, now).reason
            fault.next_step = f"{reason} {fault.next_step}".lstrip()
        if fault is not None:
            raise fault
        return body


def _wrong_type(answer: Answer, kind: str) -> SourceError | None:
    found = answer.headers.get("content-type", "")
    if kind in found.lower():
        return None
    return SourceAnswerError(
        f"SAP Analytics Cloud answered with the content type '{found[:_LONGEST_TYPE]}' instead "
        f"of {kind}.",
        next_step="Check SAC_TENANT_URL and any proxy between here and the tenant.",
    )
